"""Static INT8 quantization in QDQ format: ranges calibrated on training images, weights per channel."""

from __future__ import annotations

import platform
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from ..data.image import Gray
from ..machine.files import scratch_folder
from ..machine.hardware import int8_saturates
from ..machine.quiet import quiet_libraries
from ..machine.telemetry import disable_onnxruntime_events
from .constant_scales import remove_unused
from .enlargement import merge_enlargements

if TYPE_CHECKING:
    import onnx

# A runtime fuses a Relu or Clip into the output range of the layer before it.
_FUSED_ACTIVATIONS = ("Relu", "Clip")
# What can lie between a convolution and its activation; see `enlargement`.
_BETWEEN = ("DepthToSpace", "Slice", "Add")
_QUANTIZED = (
    "Conv",
    "ConvTranspose",
    "Add",
    "Mul",
    "Concat",
    "Resize",
    "DepthToSpace",
    "Slice",
    "MaxPool",
    "AveragePool",
    "Sigmoid",
    *_FUSED_ACTIVATIONS,
)


class Calibration(StrEnum):
    """How the range of each activation is chosen from its values on the calibration images.

    ONNX Runtime's entropy method is not offered: as `quantize_static` calls it, its histogram has only as
    many bins as there are quantized values, so it has little to choose from.
    """

    MINMAX = "minmax"
    PERCENTILE = "percentile"
    """Excludes the outermost 0.001 % of the values."""


class Activations(StrEnum):
    """Whether activations are unsigned or signed bytes; each runtime is fast with one of the two."""

    UNSIGNED = "u8"
    SIGNED = "s8"


class FloatLayers(StrEnum):
    """Which layers stay in float, in addition to the normalization and all that follows the logits."""

    NONE = "none"
    HEAD = "head"
    """The last convolution, whose output is the logit."""
    ENDS = "ends"
    """The first convolution and the last three, nearest to the pixels and to the mask."""


@dataclass(frozen=True)
class Recipe:
    """One way to quantize; `u8s8` means unsigned activations and signed weights, as in ONNX Runtime."""

    calibration: Calibration
    float_layers: FloatLayers = FloatLayers.NONE
    activations: Activations = Activations.UNSIGNED
    weight_bits: int = 8
    merge_enlargements: bool = False
    """Compute convolutions of enlarged maps as in `enlargement`."""

    def __str__(self) -> str:
        in_float = "" if self.float_layers is FloatLayers.NONE else f", {self.float_layers} in float"
        return f"{self.calibration} {self.activations}s{self.weight_bits}{in_float}"


# From the fastest to the most accurate.
_ORDER = (
    (Calibration.MINMAX, FloatLayers.NONE),
    (Calibration.MINMAX, FloatLayers.HEAD),
    (Calibration.PERCENTILE, FloatLayers.HEAD),
    (Calibration.MINMAX, FloatLayers.ENDS),
    (Calibration.PERCENTILE, FloatLayers.ENDS),
)

# Where convolutions of enlarged maps were measured to be faster in the other form: by 6 to 10 % of a U-Net.
_FASTER_MERGED = ("cpu", "openvino")

# TensorRT supports only signed, symmetric bytes (NVIDIA, "Working with Quantized Types"). Signed bytes are
# faster on ARM and much slower on x86 (onnxruntime, docstring of `quantize_static`). OpenVINO is equally fast
# with both.
_SIGNED = {("tensorrt", "x86"), ("tensorrt", "arm"), ("cpu", "arm"), ("coreml", "arm")}


def recipes(provider: str) -> tuple[Recipe, ...]:
    """Return the ways to quantize for a provider on this machine, from the fastest to the most accurate."""
    arm = platform.machine().lower() in ("arm64", "aarch64")
    signed = (provider, "arm" if arm else "x86") in _SIGNED
    activations = Activations.SIGNED if signed else Activations.UNSIGNED
    bits = 7 if int8_saturates() and not signed else 8
    merged = provider in _FASTER_MERGED
    return tuple(
        Recipe(calibration, float_layers, activations, bits, merged) for calibration, float_layers in _ORDER
    )


def quantize(source: Path, target: Path, images: Sequence[Gray], recipe: Recipe) -> None:
    """Write an int8 model.

    Parameters
    ----------
    source, target : Path
        The fp32 ONNX file, and the file to write.
    images : sequence of ndarray of uint8, shape (H, W)
        Preprocessed training images; about a hundred are enough.
    recipe : Recipe
    """
    import onnx
    from onnxruntime import quantization as ort

    disable_onnxruntime_events()
    methods = {
        Calibration.MINMAX: ort.CalibrationMethod.MinMax,
        Calibration.PERCENTILE: ort.CalibrationMethod.Percentile,
    }
    signed = recipe.activations is Activations.SIGNED
    with scratch_folder() as scratch, quiet_libraries(loggers=("",), standard_output=True):
        folded = scratch / "folded.onnx"
        ort.quant_pre_process(source, folded, skip_symbolic_shape=True)
        if recipe.merge_enlargements:
            model = onnx.load(folded)
            merge_enlargements(model)
            onnx.save(model, folded)
        ort.quantize_static(
            folded,
            target,
            _calibration_reader(images),
            quant_format=ort.QuantFormat.QDQ,
            op_types_to_quantize=list(_QUANTIZED),
            per_channel=True,
            reduce_range=recipe.weight_bits == 7,
            activation_type=ort.QuantType.QInt8 if signed else ort.QuantType.QUInt8,
            weight_type=ort.QuantType.QInt8,
            nodes_to_exclude=float_nodes(onnx.load(folded).graph, recipe.float_layers),
            calibrate_method=methods[recipe.calibration],
            extra_options={
                "ActivationSymmetric": signed,
                # TensorRT rejects an int32 bias with DequantizeLinear; other runtimes quantize biases.
                "QuantizeBias": not signed,
                # Keep the activations of one image at a time: those of all images take gigabytes.
                "CalibStridedMinMax": 1,
                # For signed values, ONNX Runtime then uses even bins, which are counted twice as fast.
                "CalibTensorRangeSymmetric": False,
            },
        )
        model = onnx.load(target)
        keep_logits_in_float(model.graph)
        onnx.save(model, target)


def keep_logits_in_float(graph: onnx.GraphProto) -> None:
    """Remove the quantization of the last convolution's output; modifies the graph.

    The nodes after it stay in float (see `float_nodes`): the sigmoid, and in some an upsampling.
    A logit stored in a byte has 256 values, and so has its probability. Runtimes accumulate in 32 bits
    anyway, and OpenVINO is faster without the rounding.
    """
    readers: dict[str, list[onnx.NodeProto]] = {}
    for node in graph.node:
        for name in node.input:
            readers.setdefault(name, []).append(node)
    head = [node for node in graph.node if node.op_type == "Conv"][-1]
    quantization = []
    name = head.output[0]
    while (reader := readers[name][0]).op_type in ("QuantizeLinear", "DequantizeLinear"):
        quantization.append(reader)
        name = reader.output[0]
    for node in quantization:
        graph.node.remove(node)
    reader.input[0] = head.output[0]
    remove_unused(graph)


def float_nodes(graph: onnx.GraphProto, float_layers: FloatLayers) -> list[str]:
    """Return the names of nodes that stay in float; nodes are sorted from the pixels to the mask.

    The activation after such a convolution stays in float too, since the range before it is wider; and so
    does what no mask depends on, such as a score of the image: a byte has only 256 values.
    """
    nodes, beside = _split_by_output(graph)
    layers = [node for node in nodes if node.op_type == "Conv"]
    chosen = {
        FloatLayers.NONE: [],
        FloatLayers.HEAD: layers[-1:],
        FloatLayers.ENDS: [layers[0], *layers[-3:]],
    }[float_layers]
    outputs = {name for node in chosen for name in node.output}
    activations = []
    for node in nodes:
        if node.op_type in (*_FUSED_ACTIVATIONS, *_BETWEEN) and outputs.intersection(node.input):
            activations.append(node)
            if node.op_type in _BETWEEN:
                outputs.update(node.output)
    before, after = nodes[: nodes.index(layers[0])], nodes[nodes.index(layers[-1]) + 1 :]
    return [node.name for node in (*before, *chosen, *activations, *after, *beside)]


def _split_by_output(graph: onnx.GraphProto) -> tuple[list[onnx.NodeProto], list[onnx.NodeProto]]:
    """Return the nodes that the first output depends on, and those that only other outputs do."""
    needed = {graph.output[0].name}
    for node in reversed(graph.node):
        if needed.intersection(node.output):
            needed.update(node.input)
    sides: dict[bool, list[onnx.NodeProto]] = {True: [], False: []}
    for node in graph.node:
        sides[bool(needed.intersection(node.output))].append(node)
    return sides[True], sides[False]


def _calibration_reader(images: Sequence[Gray]) -> Any:
    """Return a reader that yields one image at a time from the requested range."""
    from onnxruntime.quantization import CalibrationDataReader

    class Reader(CalibrationDataReader):  # type: ignore[misc, unused-ignore]
        def __len__(self) -> int:
            return len(images)

        def set_range(self, start_index: int, end_index: int) -> None:
            self._remaining = iter(images[start_index:end_index])

        def get_next(self) -> dict[str, npt.NDArray[np.uint8]] | None:
            image = next(self._remaining, None)
            return None if image is None else {"image": image[None, None]}

    return Reader()
