"""Static INT8 in QDQ form: calibrated on training pictures, weights per channel."""

from __future__ import annotations

import logging
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from ..data.picture import Grey

if TYPE_CHECKING:
    import onnx

# Clip and Relu vanish into the output range of the layer before them.
QUANTISED = ["Conv", "Add", "Concat", "Resize", "MaxPool", "Relu", "Clip", "ConvTranspose", "AveragePool"]
CALIBRATION_BATCH = 8


class Calibration(StrEnum):
    """How the range of each activation is chosen from what the calibration pictures produce."""

    MINMAX = "minmax"
    PERCENTILE = "percentile"
    ENTROPY = "entropy"


class Activations(StrEnum):
    """Whether activations are unsigned or signed bytes; each runtime is quick with one of them."""

    UNSIGNED = "u8"
    """ONNX Runtime and OpenVINO on x86."""
    SIGNED = "s8"
    """TensorRT, and ONNX Runtime on ARM."""


class Floats(StrEnum):
    """Which layers stay in float besides the normalisation and the sigmoid."""

    NONE = "none"
    HEAD = "head"
    """The last convolution, whose output is the logit."""
    ENDS = "ends"
    """The first and the last convolution and the last decoder block, where a step of int8 shows most."""


@dataclass(frozen=True)
class Recipe:
    """One way to quantise."""

    calibration: Calibration
    floats: Floats
    activations: Activations = Activations.UNSIGNED

    def __str__(self) -> str:
        kept = "" if self.floats is Floats.NONE else f", {self.floats} in float"
        return f"{self.calibration} {self.activations}/s8 per channel{kept}"


RECIPES = tuple(
    Recipe(calibration, floats)
    for calibration, floats in (
        (Calibration.MINMAX, Floats.HEAD),
        (Calibration.PERCENTILE, Floats.HEAD),
        (Calibration.MINMAX, Floats.ENDS),
        (Calibration.PERCENTILE, Floats.ENDS),
        (Calibration.ENTROPY, Floats.ENDS),
    )
)


def quantise(source: Path, target: Path, pictures: Sequence[Grey], recipe: Recipe) -> None:
    """Write an int8 model.

    Parameters
    ----------
    source, target : Path
        The fp32 ONNX file, and where to write.
    pictures : sequence of ndarray of uint8, shape (H, W)
        Prepared pictures of the training split; about a hundred are enough.
    recipe : Recipe
    """
    import onnx
    from onnxruntime import quantization as ort

    methods = {
        Calibration.MINMAX: ort.CalibrationMethod.MinMax,
        Calibration.PERCENTILE: ort.CalibrationMethod.Percentile,
        Calibration.ENTROPY: ort.CalibrationMethod.Entropy,
    }
    signed = recipe.activations is Activations.SIGNED
    with tempfile.TemporaryDirectory(prefix="cxr-") as scratch, quiet():
        folded = Path(scratch) / "folded.onnx"
        # Folds batch normalisation and infers shapes; shapes are static but for the batch.
        ort.shape_inference.quant_pre_process(source, folded, skip_symbolic_shape=True)
        count = len(pictures) - len(pictures) % CALIBRATION_BATCH
        ort.quantize_static(
            folded,
            target,
            _reader(pictures[: max(count, 1)]),
            quant_format=ort.QuantFormat.QDQ,
            op_types_to_quantize=QUANTISED,
            per_channel=True,
            reduce_range=not has_dot_product() and not signed,
            activation_type=ort.QuantType.QInt8 if signed else ort.QuantType.QUInt8,
            weight_type=ort.QuantType.QInt8,
            nodes_to_exclude=float_nodes(onnx.load(folded), recipe.floats),
            calibrate_method=methods[recipe.calibration],
            extra_options={
                "ActivationSymmetric": signed,
                # Activations of a few pictures at a time: all at once would take gigabytes.
                "CalibStridedMinMax": CALIBRATION_BATCH if count else None,
            },
        )


def float_nodes(model: onnx.ModelProto, floats: Floats) -> list[str]:
    """Name the layers that stay in float, found by their place in the graph."""
    convolutions = [node.name for node in model.graph.node if node.op_type == "Conv"]
    if floats is Floats.NONE:
        return []
    if floats is Floats.HEAD:
        return convolutions[-1:]
    return [convolutions[0], *convolutions[-3:]]


def has_dot_product() -> bool:
    """Say whether this processor adds int8 products without saturating (VNNI, or ARM).

    Without it ONNX Runtime's kernels for unsigned activations overflow unless weights have seven bits.
    """
    import platform

    if platform.machine().lower() in ("arm64", "aarch64"):
        return True
    try:
        return "vnni" in Path("/proc/cpuinfo").read_text(encoding="utf-8")
    except OSError:
        return False  # not Linux: the careful choice costs one bit


def _reader(pictures: Sequence[Grey]) -> Any:
    """Feed prepared pictures to the calibration, a few at a time."""
    from onnxruntime.quantization import CalibrationDataReader

    class Reader(CalibrationDataReader):  # type: ignore[misc, unused-ignore]
        def __init__(self) -> None:
            self.set_range(0, len(pictures))

        def __len__(self) -> int:
            return len(pictures)

        def set_range(self, start_index: int, end_index: int) -> None:
            self._left = iter(pictures[start_index:end_index])

        def get_next(self) -> dict[str, npt.NDArray[np.uint8]] | None:
            picture = next(self._left, None)
            return None if picture is None else {"image": picture[None, None]}

    return Reader()


@contextmanager
def quiet() -> Iterator[None]:
    """Hold back the root logger's chatter of the quantiser; errors still raise."""
    root = logging.getLogger()
    before = root.level
    root.setLevel(logging.ERROR)
    try:
        yield
    finally:
        root.setLevel(before)
