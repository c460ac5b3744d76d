"""Static INT8 in QDQ form: ranges calibrated on training images, weights per channel."""

from __future__ import annotations

import logging
import platform
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, redirect_stdout
from dataclasses import dataclass
from enum import StrEnum
from io import StringIO
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from ..data.image import Gray
from ..machine.hardware import int8_saturates

if TYPE_CHECKING:
    import onnx

# A Relu or Clip vanishes into the output range of the layer before it.
_ACTIVATION = ("Relu", "Clip")
_QUANTIZED = (
    "Conv",
    "ConvTranspose",
    "Add",
    "Mul",
    "Concat",
    "Resize",
    "MaxPool",
    "AveragePool",
    "Sigmoid",
    *_ACTIVATION,
)


class Calibration(StrEnum):
    """How the range of each activation is chosen from what the calibration images make of it.

    ONNX Runtime's entropy method is left out: as `quantize_static` calls it, it starts from as many bins as
    there are steps, and so has little to choose from.
    """

    MINMAX = "minmax"
    PERCENTILE = "percentile"
    """All but the outermost 0.001 %."""


class Activations(StrEnum):
    """Whether activations are unsigned or signed bytes; every runtime is quick with one of the two."""

    UNSIGNED = "u8"
    SIGNED = "s8"


class Floats(StrEnum):
    """Which layers stay in float, besides the normalization and the last sigmoid."""

    NONE = "none"
    HEAD = "head"
    """The last convolution, whose output is the logit."""
    ENDS = "ends"
    """The first convolution and the last three: what is nearest to the pixels and to the mask."""


@dataclass(frozen=True)
class Recipe:
    """One way to quantize; `u8s8` is unsigned activations and signed weights, as ONNX Runtime says it."""

    calibration: Calibration
    floats: Floats = Floats.NONE
    activations: Activations = Activations.UNSIGNED
    weight_bits: int = 8

    def __str__(self) -> str:
        kept = "" if self.floats is Floats.NONE else f", {self.floats} in float"
        return f"{self.calibration} {self.activations}s{self.weight_bits}{kept}"


# From the quickest to the most careful.
_ORDER = (
    (Calibration.MINMAX, Floats.NONE),
    (Calibration.MINMAX, Floats.HEAD),
    (Calibration.PERCENTILE, Floats.HEAD),
    (Calibration.MINMAX, Floats.ENDS),
    (Calibration.PERCENTILE, Floats.ENDS),
)

# TensorRT knows signed, symmetric bytes only (NVIDIA, "Working with Quantized Types"). On ARM they are the
# quicker ones, on x86 the slower ones by far (onnxruntime, docstring of `quantize_static`). OpenVINO is as
# quick with both.
_SIGNED = {("tensorrt", "x86"), ("tensorrt", "arm"), ("cpu", "arm"), ("coreml", "arm")}


def recipes(provider: str) -> tuple[Recipe, ...]:
    """List the ways to quantize for a provider on this machine, from the quickest to the most careful."""
    arm = platform.machine().lower() in ("arm64", "aarch64")
    signed = (provider, "arm" if arm else "x86") in _SIGNED
    activations = Activations.SIGNED if signed else Activations.UNSIGNED
    bits = 7 if int8_saturates() and not signed else 8
    return tuple(Recipe(calibration, floats, activations, bits) for calibration, floats in _ORDER)


def quantize(source: Path, target: Path, images: Sequence[Gray], recipe: Recipe) -> None:
    """Write an int8 model.

    Parameters
    ----------
    source, target : Path
        The fp32 ONNX file, and where to write.
    images : sequence of ndarray of uint8, shape (H, W)
        Prepared images of the training split; about a hundred are enough.
    recipe : Recipe
    """
    import onnx
    from onnxruntime import quantization as ort

    methods = {
        Calibration.MINMAX: ort.CalibrationMethod.MinMax,
        Calibration.PERCENTILE: ort.CalibrationMethod.Percentile,
    }
    signed = recipe.activations is Activations.SIGNED
    with TemporaryDirectory(prefix="cxr-") as scratch, _quiet():
        folded = Path(scratch) / "folded.onnx"
        ort.quant_pre_process(source, folded, skip_symbolic_shape=True)
        ort.quantize_static(
            folded,
            target,
            _reader(images),
            quant_format=ort.QuantFormat.QDQ,
            op_types_to_quantize=list(_QUANTIZED),
            per_channel=True,
            reduce_range=recipe.weight_bits == 7,
            activation_type=ort.QuantType.QInt8 if signed else ort.QuantType.QUInt8,
            weight_type=ort.QuantType.QInt8,
            nodes_to_exclude=float_nodes(onnx.load(folded).graph, recipe.floats),
            calibrate_method=methods[recipe.calibration],
            extra_options={
                "ActivationSymmetric": signed,
                # TensorRT refuses a DequantizeLinear of an int32 bias; other runtimes quantize it on loading.
                "QuantizeBias": not signed,
                # One image's activations at a time: those of all would take gigabytes.
                "CalibStridedMinMax": 1,
                # Over signed values ONNX Runtime keeps even bins, which are counted twice as fast.
                "CalibTensorRangeSymmetric": False,
            },
        )
        model = onnx.load(target)
        free_logits(model.graph)
        onnx.save(model, target)


def free_logits(graph: onnx.GraphProto) -> None:
    """Let the last layer's sums reach the sigmoid as they are, in place.

    In a byte a logit has 256 values, so a probability has no more. A runtime adds up in 32 bits anyhow, and
    OpenVINO is the quicker for not rounding them.
    """
    readers: dict[str, list[onnx.NodeProto]] = {}
    for node in graph.node:
        for name in node.input:
            readers.setdefault(name, []).append(node)
    head = [node for node in graph.node if node.op_type == "Conv"][-1]
    pair = []
    name = head.output[0]
    while (reader := readers[name][0]).op_type in ("QuantizeLinear", "DequantizeLinear"):
        pair.append(reader)
        name = reader.output[0]
    for node in pair:
        graph.node.remove(node)
    reader.input[0] = head.output[0]


def float_nodes(graph: onnx.GraphProto, floats: Floats) -> list[str]:
    """Name the nodes that stay in float, found by their place in a graph sorted from pixels to mask.

    A convolution takes the activation behind it along, since the range before that is the wider one.
    """
    nodes = list(graph.node)
    layers = [node for node in nodes if node.op_type == "Conv"]
    chosen = {Floats.NONE: [], Floats.HEAD: layers[-1:], Floats.ENDS: [layers[0], *layers[-3:]]}[floats]
    made = {name for node in chosen for name in node.output}
    activations = [node for node in nodes if node.op_type in _ACTIVATION and made.intersection(node.input)]
    normalization = nodes[: nodes.index(layers[0])]
    return [node.name for node in (*normalization, *chosen, *activations, nodes[-1])]


def _reader(images: Sequence[Gray]) -> Any:
    """Feed the calibration one image at a time, from the range it asks for."""
    from onnxruntime.quantization import CalibrationDataReader

    class Reader(CalibrationDataReader):  # type: ignore[misc, unused-ignore]
        def __len__(self) -> int:
            return len(images)

        def set_range(self, start_index: int, end_index: int) -> None:
            self._left = iter(images[start_index:end_index])

        def get_next(self) -> dict[str, npt.NDArray[np.uint8]] | None:
            image = next(self._left, None)
            return None if image is None else {"image": image[None, None]}

    return Reader()


@contextmanager
def _quiet() -> Iterator[None]:
    """Hold back what the quantizer prints and logs; errors still raise."""
    root = logging.getLogger()
    before = root.level
    root.setLevel(logging.ERROR)
    try:
        with redirect_stdout(StringIO()):
            yield
    finally:
        root.setLevel(before)
