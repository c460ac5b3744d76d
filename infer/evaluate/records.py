"""The records of an evaluation: what was measured on each image, and the summary with intervals."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path

from ...metrics.lesions import LesionCounts
from ...metrics.overlap import ImageScore
from ...metrics.records import Interval
from ...metrics.surface import SurfaceDistances
from ...metrics.threshold_curve import ThresholdCounts, ThresholdPoint
from .pairing import ClassPair

MODEL = "model"
SECOND_READER = "second reader"
MODEL_WITH_BOTH_READERS = "model on images of both readers"
MODEL_AGAINST_SECOND = "model against second reader"


class MetricName(StrEnum):
    """What a row of `summary.csv` is about; `docs/evaluate.md` defines each."""

    DICE = "dice"
    IOU = "iou"
    DICE_ALL = "dice_all"
    IOU_ALL = "iou_all"
    ASSD = "assd"
    HD95 = "hd95"
    MISSED = "missed"
    SPECIFICITY = "specificity"
    LESION_F1_10 = "lesion_f1_0.1"
    LESION_F1_30 = "lesion_f1_0.3"
    LESION_F1_50 = "lesion_f1_0.5"
    COUNT_BIAS = "count_bias"
    COUNT_LOWER = "count_lower_limit"
    COUNT_UPPER = "count_upper_limit"
    RATIO_BIAS = "ratio_bias"
    RATIO_LOWER = "ratio_lower_limit"
    RATIO_UPPER = "ratio_upper_limit"


@dataclass(frozen=True)
class Agreement:
    """Agreement of two masks of one image: overlap, and distances in pixels."""

    overlap: ImageScore
    surface: SurfaceDistances


@dataclass(frozen=True)
class SecondReader:
    """A second reader's mask, compared with the first reader's and with the model's."""

    with_first: Agreement
    with_model: Agreement


@dataclass(frozen=True)
class ImageResult:
    """What was measured on one image and class.

    Attributes
    ----------
    pair : ClassPair
    model : Agreement
        Of the model with the ground truth.
    height, width : int
    spacing_mm : tuple of float or None
    surface_mm : SurfaceDistances or None
        In mm, if the file states the pixel spacing.
    lesions : LesionCounts or None
        None for lungs.
    at_thresholds : ThresholdCounts
    baselines : mapping of str to float
        Dice of each trivial prediction; empty where the class is absent.
    second : SecondReader or None
    group : str
        The value in the column `by`.
    in_training : bool or None
        Whether the model's card says that the image was in its data set; None: it says nothing.
    """

    pair: ClassPair
    model: Agreement
    height: int
    width: int
    spacing_mm: tuple[float, float] | None
    surface_mm: SurfaceDistances | None
    lesions: LesionCounts | None
    at_thresholds: ThresholdCounts
    baselines: Mapping[str, float] = field(default_factory=dict)
    second: SecondReader | None = None
    group: str = ""
    in_training: bool | None = None

    @property
    def patient_id(self) -> str:
        """The patient."""
        return self.model.overlap.patient_id

    @property
    def key(self) -> str:
        """The image."""
        return self.model.overlap.key

    @property
    def is_positive(self) -> bool:
        """Whether the ground truth shows the class."""
        return self.model.overlap.truth_area > 0


@dataclass(frozen=True)
class Metric:
    """One figure with its 95 % interval over patients.

    Attributes
    ----------
    class_name : str
        Class of the model.
    group : str
        Value of the column `by`; empty: all images.
    prediction : str
        What is compared with the ground truth: `model`, a baseline, `second reader`, ...
    name : MetricName
    unit : str
    images, patients : int
        That it is computed from.
    interval : Interval
        Without bounds (NaN) if there is one patient only.
    """

    class_name: str
    group: str
    prediction: str
    name: MetricName
    unit: str
    images: int
    patients: int
    interval: Interval


@dataclass(frozen=True)
class ClassEvaluation:
    """One class: its images, its threshold curve and the best threshold (None without a positive image)."""

    pair: ClassPair
    threshold: float
    images: int
    positives: int
    patients: int
    curve: tuple[ThresholdPoint, ...]
    best_threshold: float | None


@dataclass(frozen=True)
class Evaluation:
    """The result of `evaluate_model`.

    Attributes
    ----------
    model, model_hash, model_name, dataset, provider : str
        Path and SHA-256 of the file, name in its card, folder of the data set, provider in use.
    classes : tuple of ClassEvaluation
    metrics : tuple of Metric
        The rows of `summary.csv`.
    results : tuple of ImageResult
        The rows of `scores.csv`.
    in_training : int or None
        Images that were in the data set of the model; None if its card cannot tell.
    images : int
    warnings : tuple of str
    seconds : float
    out : Path or None
    files : tuple of str
        In `out`.
    """

    model: str
    model_hash: str
    model_name: str
    dataset: str
    provider: str
    classes: tuple[ClassEvaluation, ...]
    metrics: tuple[Metric, ...]
    results: tuple[ImageResult, ...]
    in_training: int | None
    images: int
    warnings: tuple[str, ...]
    seconds: float
    out: Path | None = None
    files: tuple[str, ...] = ()

    def metric(
        self,
        class_name: str,
        name: MetricName | str,
        *,
        prediction: str = MODEL,
        group: str = "",
        unit: str | None = None,
    ) -> Metric | None:
        """Return one figure; None if it is undefined here.

        Parameters
        ----------
        class_name, name, prediction, group
            As in `Metric`.
        unit : str, optional
            Of several units; by default the first.
        """
        return next(
            (
                one
                for one in self.metrics
                if (one.class_name, one.name, one.prediction, one.group)
                == (class_name, MetricName(name), prediction, group)
                and unit in (None, one.unit)
            ),
            None,
        )
