"""Simplify the graph that PyTorch exports, and keep every weight as the network has it.

PyTorch's own optimization merges batch normalization into convolutions, after which nothing can be trained
from the file. Here normalization stays a layer of its own, and each weight keeps its name and its values:
`cxr-train --init` reads them back. Runtimes merge the layers when they load the file, so nothing is slower.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import onnx
    import onnx_ir as ir


def simplify(model: ir.Model, weights: Collection[str]) -> None:
    """Fold what is constant, remove what has no effect, and leave the weights alone; modifies the model.

    Parameters
    ----------
    model : onnx_ir.Model
        As `torch.onnx.export` returns it with `optimize=False`.
    weights : collection of str
        Names of the network's parameters and buffers.
    """
    import onnx_ir
    from onnx_ir.passes import common
    from onnxscript import optimizer, rewriter
    from onnxscript.rewriter.rules import common as rules

    def should_fold(node: Any) -> bool | None:
        """Forbid what would store a computed weight in place of the network's; else the library decides."""
        return False if any(value is not None and value.name in weights for value in node.inputs) else None

    common.InlinePass()(model)
    for _ in range(2):  # what a rule removes can make another node constant
        optimizer.fold_constants(model, onnx_shape_inference=True, should_fold=should_fold)
        rewriter.rewrite(
            model,
            [
                rules.cast_cast_rule,
                rules.no_op_cast_rule,
                rules.no_op_expand_rule,
                rules.no_op_transpose_rule,
                rules.reshape_reshape_rule,
                rules.transpose_transpose_rule,
                rules.unsqueeze_unsqueeze_rule,
                rules.collapse_slice_rule,
                rules.collapse_slice2_rule,
                rules.materialize_reshape_shape_rule,
                rules.dropout_inference_rule,
                # A padding that a convolution can do itself.
                rules.normalize_pad_format_conv_rule,
                rules.fuse_pad_into_conv_rule,
                # ReLU6 is a ReLU and a Clip.
                rules.min_max_rule,
                rules.max_min_rule,
                rules.successive_relu_rule,
                rules.successive_clip_rule,
                rules.successive_clip_relu_rule,
                rules.successive_relu_clip_rule,
            ],
        )
    onnx_ir.passes.Sequential(
        common.IdentityEliminationPass(),
        common.RemoveUnusedNodesPass(),
        common.RemoveUnusedOpsetsPass(),
        common.LiftConstantsToInitializersPass(lift_all_constants=True, size_limit=0),
        common.LiftSubgraphInitializersToMainGraphPass(),
        common.CommonSubexpressionEliminationPass(),
        # Stack traces, with the paths of this machine in them.
        common.ClearMetadataAndDocStringPass(),
        common.OutputFixPass(),
        common.NameFixPass(),
    )(model)


def merge_normalization(model: onnx.ModelProto) -> onnx.ModelProto:
    """Return a copy of an fp32 model whose batch normalization is merged into the convolutions before it."""
    from onnxscript import rewriter
    from onnxscript.rewriter.rules import common as rules

    merged = rewriter.rewrite(
        model,
        [rules.fuse_batchnorm_into_conv_rule, rules.fuse_batchnorm_into_conv_transpose_rule],
    )
    # The library also lists the initializers here, which the conversion to fp16 would take for activations.
    del merged.graph.value_info[:]
    return merged
