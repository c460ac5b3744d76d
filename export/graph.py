"""Write the deployed graph: uint8 pixels in, probabilities out, the model card in the metadata."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from ..models.card import ModelCard
from ..models.file.stored_card import store_card

if TYPE_CHECKING:
    import onnx

    from ..models.network.segmenter import Segmenter

OPSET = 20
EXAMPLE_BATCH = 2  # with an example of one, the exporter would fix the batch size at 1


def write_onnx(segmenter: Segmenter, card: ModelCard, path: Path) -> None:
    """Export a segmenter and its card to one ONNX file with a dynamic batch size.

    Every weight has the name and the values that it has in the segmenter: see `simplify`.

    Parameters
    ----------
    segmenter : Segmenter
        In evaluation mode.
    card : ModelCard
    path : Path
        The file to write; no other file is written.
    """
    import torch

    from .constant_scales import use_constant_scales
    from .simplify import simplify

    example = torch.zeros((EXAMPLE_BATCH, 1, card.pixels.height, card.pixels.width), dtype=torch.uint8)
    program = torch.onnx.export(
        segmenter,
        (example,),
        input_names=["image"],
        output_names=list(segmenter.outputs),
        dynamic_shapes={"image": {0: torch.export.Dim("batch")}},
        opset_version=OPSET,
        dynamo=True,
        optimize=False,
        verbose=False,
    )
    assert program is not None
    simplify(program.model, segmenter.state_dict())
    model = program.model_proto
    use_constant_scales(model)
    save_with_card(model, card, path)


def attach_card(path: Path, card: ModelCard) -> None:
    """Write the card into the metadata of an ONNX file, with a few plain keys that other tools read."""
    import onnx

    save_with_card(onnx.load(path, load_external_data=False), card, path)


def save_with_card(model: onnx.ModelProto, card: ModelCard, path: Path) -> None:
    """Check a model, store the card and its checksums in its metadata, and save it as one file."""
    import onnx

    onnx.checker.check_model(model, full_check=True)
    path.write_bytes(store_card(model.SerializeToString(), card))
