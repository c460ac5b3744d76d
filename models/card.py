"""The model card: what is needed to run and to assess a model, stored as JSON in its ONNX file."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any

import msgspec

from ..errors import ModelError
from ..machine.files import read_file
from ..metrics.records import BaselineMetrics, ClassMetrics
from .ancestor import Ancestor
from .card_schema import upgrade
from .checksum import Checksum
from .fingerprint import Fingerprint
from .image_checks import FrontalReference, UncertaintyReference

SCHEMA = 2
METADATA_KEY = "cxr.card"
_NO_FILE = "model card"


class ResizeRule(StrEnum):
    """How an image is resized to the model's input size."""

    STRETCH = "stretch"
    """Height and width are scaled independently; the aspect ratio changes."""
    PAD = "pad"
    """The aspect ratio is kept; the rest is filled with `pad_value`."""


class Precision(StrEnum):
    """The numeric precision of a model file."""

    FP32 = "fp32"
    FP16 = "fp16"
    INT8 = "int8"


@dataclass(frozen=True)
class PixelSpec:
    """The size of the model's input in pixels, and how an image is resized to it."""

    height: int
    width: int
    resize: ResizeRule = ResizeRule.PAD
    pad_value: int = 0


@dataclass(frozen=True)
class Normalization:
    """`(pixel / 255 - mean) / std`, applied inside the model's graph."""

    mean: float
    std: float


@dataclass(frozen=True)
class TrainingData:
    """The data set that the model was trained and validated on; `command` made the model of it."""

    name: str
    images: int
    patients: int
    validation_images: int
    validation_patients: int
    split_hash: str
    license: str
    command: str = ""


@dataclass(frozen=True)
class Parity:
    """How closely the ONNX file reproduces the PyTorch model.

    `max_difference` is the largest difference between two probabilities; `mask_agreement` is the fraction of
    pixels, `rows_equal` the fraction of feature rows (None if no image was compared), that agree.
    """

    provider: str
    batches: tuple[int, ...]
    images: int
    max_difference: float
    mask_agreement: float
    rows_equal: float | None


@dataclass(frozen=True)
class Quantization:
    """How a file of lower precision was made, its loss of Dice on the validation images and its speed-up."""

    method: str
    calibration_images: int
    dice_drop: float
    speed_up: float
    provider: str

    @property
    def has_seven_bit_weights(self) -> bool:
        """Whether products saturate on no processor: the weights leave one bit unused."""
        return "s7" in self.method


@dataclass(frozen=True)
class LungReference:
    """How the lungs of frontal chest radiographs look to the model: see `models.plausibility`.

    Attributes
    ----------
    statistics : tuple of str
        Names of the statistics.
    center, scale : tuple of float
        Median and robust standard deviation of each over the validation images.
    precision : tuple of tuple of float
        Inverse of the shrunk covariance of the standardized statistics.
    limit : float
        The Mahalanobis distance from which on an image is doubtful.
    """

    statistics: tuple[str, ...]
    center: tuple[float, ...]
    scale: tuple[float, ...]
    precision: tuple[tuple[float, ...], ...]
    limit: float


@dataclass(frozen=True)
class ModelCard:
    """The card of one model.

    `thresholds` are in the order of `classes`; empty `decoder_channels` are the architecture's defaults.
    `baselines` compares the model with trivial predictions of each class, and `fingerprint` recognizes the
    images of the data set that it was trained on; cards written before they existed have neither.
    `metrics_by_source` are those of each source of the held-out images.
    `anatomy` states what a class shows if its name does not: `{"left_lung": "lung"}`. By `lungs`, images are
    recognized that are no frontal chest radiographs. `ancestor` is the model whose weights this one was
    trained on from. `frontal` and `uncertainty` say from which score on an image or its mask is suspect.
    `threshold_choice` says for a class where its threshold was chosen, if not in training.
    `checksum` is of the file that the card is stored in: it is written with it and is no part of what makes
    cards equal.
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
    metrics_by_source: Mapping[str, Mapping[str, ClassMetrics]] = field(default_factory=dict)
    baselines: Mapping[str, tuple[BaselineMetrics, ...]] = field(default_factory=dict)
    fingerprint: Fingerprint | None = None
    parity: Parity | None = None
    quantization: Quantization | None = None
    versions: Mapping[str, str] = field(default_factory=dict)
    intended_use: str = "research use only; not for diagnosis"
    anatomy: Mapping[str, str] = field(default_factory=dict)
    lungs: LungReference | None = None
    ancestor: Ancestor | None = None
    frontal: FrontalReference | None = None
    uncertainty: UncertaintyReference | None = None
    threshold_choice: Mapping[str, str] = field(default_factory=dict)
    checksum: Checksum | None = field(default=None, compare=False)

    def __post_init__(self) -> None:
        """Check that the fields are consistent.

        Raises
        ------
        ModelError
            If they are not; it names the field and its value.
        """
        if self.schema != SCHEMA:
            raise ModelError(f"model card: schema {self.schema} is unknown; this version reads 1 to {SCHEMA}")
        if not self.classes or len(set(self.classes)) != len(self.classes):
            raise ModelError(f"model card: classes must be distinct names, got {list(self.classes)}")
        if len(self.thresholds) != len(self.classes):
            raise ModelError(f"model card: {len(self.classes)} classes but {len(self.thresholds)} thresholds")
        if not all(0 < threshold < 1 for threshold in self.thresholds):
            raise ModelError(f"model card: thresholds must lie between 0 and 1, got {list(self.thresholds)}")
        if self.pixels.height < 1 or self.pixels.width < 1 or not 0 <= self.pixels.pad_value <= 255:
            raise ModelError(f"model card: invalid input size or pad value: {self.pixels}")
        if self.normalization.std <= 0:
            raise ModelError(f"model card: normalization std must be positive, got {self.normalization.std}")
        self._check_names()

    def _check_names(self) -> None:
        """Check what is stated by the names of classes, and the lung reference."""
        scored = set(self.metrics).union(self.baselines, *self.metrics_by_source.values())
        if unknown := scored - set(self.classes):
            raise ModelError(f"model card: it has metrics of unknown classes: {sorted(unknown)}")
        if self.lungs is not None and not _fits(self.lungs):
            raise ModelError("model card: the sizes of its lung reference do not fit each other")
        if unknown := set(self.anatomy) - set(self.classes):
            raise ModelError(f"model card: it has the anatomy of unknown classes: {sorted(unknown)}")

    @property
    def lung_classes(self) -> tuple[str, ...]:
        """The classes that are lungs: by `anatomy`, or by the name `lung` if their anatomy is not stated."""
        return tuple(name for name in self.classes if self.anatomy.get(name, name) == "lung")

    @property
    def target(self) -> str:
        """The class of most interest: `lesion`, else the first that is no lung class, else the first."""
        if "lesion" in self.classes:
            return "lesion"
        return next((name for name in self.classes if name not in self.lung_classes), self.classes[0])

    def to_json(self) -> str:
        """Return the card as JSON; equal cards with equal checksums give the same text."""
        text = msgspec.json.encode(self, order="deterministic")
        return msgspec.json.format(text, indent=2).decode()

    @classmethod
    def from_json(cls, text: str | bytes, *, source: str = _NO_FILE) -> ModelCard:
        """Parse and check a card.

        Parameters
        ----------
        text : str or bytes
            JSON.
        source : str
            The file that the card came from, for error messages.

        Raises
        ------
        ModelError
            If it is not JSON, lacks a required field, or has a value of the wrong type or out of range.
        """
        try:
            decoded = msgspec.json.decode(text)
            _check_schema(decoded)
            return msgspec.convert(upgrade(decoded), cls)
        except ModelError as error:  # of a field's value, which does not know its file
            raise ModelError(str(error) if source == _NO_FILE else f"{source}: {error}") from error
        except (msgspec.MsgspecError, UnicodeDecodeError) as error:
            raise ModelError(f"{source}: not a valid model card: {error}") from error

    @classmethod
    def read(cls, path: Path) -> ModelCard:
        """Read a card from a JSON file; see `from_json`."""
        try:
            return cls.from_json(read_file(path), source=str(path))
        except OSError as error:
            raise ModelError(f"{path}: cannot read this model card ({error.strerror})") from error


def _check_schema(decoded: Any) -> None:
    """Check that no newer version wrote the card, before its fields are read as those of this version."""
    schema = decoded.get("schema") if isinstance(decoded, dict) else None
    if isinstance(schema, int) and schema > SCHEMA:
        raise ModelError(
            f"model card: schema {schema} is of a newer version of cxr; this one reads 1 to {SCHEMA}"
        )


def _fits(lungs: LungReference) -> bool:
    size = len(lungs.statistics)
    rows = (lungs.center, lungs.scale, *lungs.precision)
    return len(lungs.precision) == size and all(len(row) == size for row in rows) and min(lungs.scale) > 0
