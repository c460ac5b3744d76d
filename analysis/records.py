"""The records that the steps of an analysis pass on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    import pandas as pd

Floats = npt.NDArray[np.float64]


class Family(StrEnum):
    """The families of models whose hyperparameters are tuned."""

    XGB = "xgb"
    """Gradient boosting by XGBoost."""
    LGB = "lgb"
    """Gradient boosting by LightGBM."""
    RF = "rf"
    """Random forest by scikit-learn."""


class Task(StrEnum):
    """What is predicted."""

    REGRESSION = "regression"
    """A number."""
    CLASSIFICATION = "classification"
    """The probability of an event: yes or no."""


class Unit(StrEnum):
    """What a row of the analysis is."""

    IMAGE = "image"
    PATIENT = "patient"
    """The images of a patient are aggregated: means of numbers, the most frequent of texts."""


class FeatureMode(StrEnum):
    """Which columns the regressors may use."""

    DEFAULT = "default"
    """Clinical columns, and the measured columns that do not leak the target."""
    CLINICAL = "clinical"
    """Clinical columns only."""
    SPATIAL = "spatial"
    """Measured columns that do not leak the target."""
    ALL = "all"
    """Every usable column, including those from which the target is computed."""


class Grouping(StrEnum):
    """Where the patient of each image was read; folds are split by patient."""

    CLINICAL = "the clinical table"
    FEATURES = "the features table"
    NAME = "the images' names (NIH pattern)"
    IMAGE = "nowhere: each image counts as its own patient"


@dataclass(frozen=True)
class ColumnNote:
    """A column and the reason why it is left out or reported."""

    column: str
    reason: str


@dataclass(frozen=True)
class MergeSummary:
    """How the features and the clinical table were joined: row counts and examples of unmatched images."""

    table: Path
    rule: str
    matched: int
    features_alone: int
    features_examples: tuple[str, ...]
    clinical_alone: int
    clinical_examples: tuple[str, ...]


@dataclass(frozen=True)
class ImplausibleImage:
    """An image that `cxr-infer` found doubtful, or not to be a frontal chest radiograph, and the reason."""

    image: str
    verdict: str
    reason: str


@dataclass(frozen=True)
class RunRecord:
    """What the run that measured the images recorded; a table without a run.json has an empty record.

    Attributes
    ----------
    folder : Path or None
        The folder that the images are relative to.
    classes : tuple of str
        The classes of the model, or of the masks that `cxr measure` measured.
    lung_classes : tuple of str
        Those of them that are lungs.
    salt_check : str or None
        The pseudonym of an empty name, by which a salt can be compared with the one of the run.
    missing : tuple of str
        Images that have a row and whose files are gone.
    training_overlap : int or None
        Number of images that the model was trained on; None if unknown.
    notes : tuple of str
    """

    folder: Path | None = None
    classes: tuple[str, ...] = ()
    lung_classes: tuple[str, ...] = ()
    salt_check: str | None = None
    missing: tuple[str, ...] = ()
    training_overlap: int | None = None
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Event:
    """The two values of a yes/no column; the target is 1 where the column holds `yes`."""

    column: str
    yes: str
    no: str

    @property
    def text(self) -> str:
        """The event in words."""
        return f"{self.column} = {self.yes}"


@dataclass(frozen=True)
class Table:
    """One row per image: `image`, `patient_id`, the measured columns and the clinical columns."""

    frame: pd.DataFrame
    spatial: tuple[str, ...]
    clinical: tuple[str, ...]
    grouping: Grouping
    merge: MergeSummary | None = None
    notes: tuple[str, ...] = ()
    implausible: tuple[ImplausibleImage, ...] = ()
    run: RunRecord = field(default_factory=RunRecord)
    event: Event | None = None
    unit: Unit = Unit.IMAGE


@dataclass(frozen=True)
class Selection:
    """The columns that the regressors use and those that are left out.

    `leaky` holds the selected columns that leak the target; it is empty unless they were asked for.
    """

    features: tuple[str, ...]
    left_out: tuple[ColumnNote, ...]
    leaky: tuple[ColumnNote, ...] = ()


@dataclass(frozen=True)
class Score:
    """How well held-out images were predicted; `r2_low` and `r2_high` bound the 95 % interval."""

    model: str
    label: str
    r2: float
    r2_low: float
    r2_high: float
    rmse: float
    mae: float

    @property
    def main(self) -> tuple[float, float, float]:
        """The score by which models are compared, and its interval."""
        return self.r2, self.r2_low, self.r2_high


@dataclass(frozen=True)
class Estimate:
    """A score with its 95 % interval over patients."""

    value: float
    low: float
    high: float


@dataclass(frozen=True)
class EventScore:
    """How well held-out events were predicted.

    Sensitivity and specificity are at a threshold that was chosen on the inner folds of each outer fold; the
    baselines have none, and NaN here. Of the prevalence, only the Brier score is defined.
    """

    model: str
    label: str
    auroc: Estimate
    auprc: Estimate
    brier: Estimate
    calibration_slope: Estimate
    sensitivity: Estimate
    specificity: Estimate

    @property
    def main(self) -> tuple[float, float, float]:
        """The score by which models are compared, and its interval."""
        return self.auroc.value, self.auroc.low, self.auroc.high


@dataclass(frozen=True)
class ShuffleCheck:
    """Scores of the best model on targets shuffled between patients; high only if something leaks."""

    model: str
    scores: tuple[float, ...]
    limit: float = 0.05
    metric: str = "r2"

    @property
    def mean(self) -> float:
        """Mean score over the shuffles."""
        return sum(self.scores) / len(self.scores)

    @property
    def passed(self) -> bool:
        """Whether the mean is at or below the limit."""
        return self.mean <= self.limit


@dataclass(frozen=True)
class AnalysisSummary:
    """The results of an analysis and the files it wrote.

    `scores` holds the tuned models and the baselines. `top_features` holds, for each tuned model, the mean
    absolute SHAP value of each feature on held-out images, largest first, in the target's unit.
    `implausible` holds the images that are not plausible as frontal chest radiographs, used or not.
    """

    out: Path
    target: str
    rows: int
    patients: int
    folds: int
    trials: int
    seed: int
    grouping: Grouping
    selection: Selection
    scores: tuple[Score, ...] | tuple[EventScore, ...]
    top_features: Mapping[str, tuple[tuple[str, float], ...]]
    shuffle: ShuffleCheck
    merge: MergeSummary | None
    implausible: tuple[ImplausibleImage, ...]
    notes: tuple[str, ...]
    seconds: float
    event: Event | None = None
    prevalence: float | None = None
    unit: Unit = Unit.IMAGE
    files: tuple[Path, ...] = field(default=())
