"""The model card: everything one needs to run a model and to judge it, as JSON inside the ONNX file."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path

import msgspec

from ..errors import ModelError
from ..metrics.records import ClassMetrics
from .card_schema import upgrade

SCHEMA = 2
METADATA_KEY = "cxr.card"


class ResizeRule(StrEnum):
    """How an image is brought to the model's input size."""

    STRETCH = "stretch"
    """Both sides are scaled to fit; the aspect changes."""
    PAD = "pad"
    """The aspect is kept; the rest is filled."""


class Precision(StrEnum):
    """The arithmetic of a model file."""

    FP32 = "fp32"
    FP16 = "fp16"
    INT8 = "int8"


@dataclass(frozen=True)
class PixelSpec:
    """What leads from a decoded image to the model's input: its size in pixels and the way there."""

    height: int
    width: int
    resize: ResizeRule = ResizeRule.PAD
    pad_value: int = 0


@dataclass(frozen=True)
class Normalization:
    """`(pixel / 255 - mean) / std`, done inside the graph."""

    mean: float
    std: float


@dataclass(frozen=True)
class TrainingData:
    """What the model was fitted on."""

    name: str
    images: int
    patients: int
    validation_images: int
    validation_patients: int
    split_hash: str
    license: str


@dataclass(frozen=True)
class Parity:
    """How far the ONNX file is from the PyTorch model it came from.

    `mask_agreement` is the share of pixels, `rows_equal` the share of feature rows, that agree.
    """

    provider: str
    batches: tuple[int, ...]
    images: int
    max_difference: float
    mask_agreement: float
    rows_equal: float


@dataclass(frozen=True)
class Quantization:
    """How a file of lower precision was made, and what it cost and gained on the validation split."""

    method: str
    calibration_images: int
    dice_drop: float
    speed_up: float
    provider: str


@dataclass(frozen=True)
class ModelCard:
    """One model's card.

    `thresholds` are in the order of `classes`; empty `decoder_channels` are the architecture's own.
    """

    name: str
    classes: tuple[str, ...]
    architecture: str
    encoder: str
    pixels: PixelSpec
    normalization: Normalization
    thresholds: tuple[float, ...]
    license: str
    schema: int = SCHEMA
    decoder_channels: tuple[int, ...] = ()
    precision: Precision = Precision.FP32
    training: TrainingData | None = None
    metrics: Mapping[str, ClassMetrics] = field(default_factory=dict)
    parity: Parity | None = None
    quantization: Quantization | None = None
    versions: Mapping[str, str] = field(default_factory=dict)
    intended_use: str = "research use only; not for diagnosis"

    def __post_init__(self) -> None:
        """Refuse a card that contradicts itself.

        Raises
        ------
        ModelError
            Naming the field and the value.
        """
        if self.schema != SCHEMA:
            raise ModelError(f"model card: schema {self.schema} is not known here (this cxr reads {SCHEMA})")
        if not self.classes or len(set(self.classes)) != len(self.classes):
            raise ModelError(f"model card: classes must be distinct names, got {list(self.classes)}")
        if len(self.thresholds) != len(self.classes):
            raise ModelError(f"model card: {len(self.classes)} classes but {len(self.thresholds)} thresholds")
        if not all(0 < threshold < 1 for threshold in self.thresholds):
            raise ModelError(f"model card: thresholds must lie between 0 and 1, got {list(self.thresholds)}")
        if self.pixels.height < 1 or self.pixels.width < 1 or not 0 <= self.pixels.pad_value <= 255:
            raise ModelError(f"model card: pixels cannot be {self.pixels}")
        if self.normalization.std <= 0:
            raise ModelError(f"model card: normalization std must be positive, got {self.normalization.std}")
        if unknown := set(self.metrics) - set(self.classes):
            raise ModelError(f"model card: metrics for classes it does not have: {sorted(unknown)}")

    @property
    def target(self) -> str:
        """The class that the main columns of `features.csv` measure: `lesion`, else the first."""
        return "lesion" if "lesion" in self.classes else self.classes[0]

    def to_json(self) -> str:
        """Write the card as JSON, the same text for the same card."""
        text = msgspec.json.encode(self, order="deterministic")
        return msgspec.json.format(text, indent=2).decode()

    @classmethod
    def from_json(cls, text: str | bytes, *, source: str = "model card") -> ModelCard:
        """Read and check a card.

        Parameters
        ----------
        text : str or bytes
            JSON.
        source : str
            What to name in an error: the file that the card came from.

        Raises
        ------
        ModelError
            If it is not JSON, lacks a field, or holds a value of the wrong type or range.
        """
        try:
            return msgspec.convert(upgrade(msgspec.json.decode(text)), cls)
        except (msgspec.MsgspecError, UnicodeDecodeError) as error:
            raise ModelError(f"{source}: not a valid model card: {error}") from error

    @classmethod
    def read(cls, path: Path) -> ModelCard:
        """Read a card from a JSON file; see `from_json`."""
        try:
            return cls.from_json(path.read_bytes(), source=str(path))
        except OSError as error:
            raise ModelError(f"{path}: cannot read this model card ({error.strerror})") from error
