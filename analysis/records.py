"""The records that the steps of an analysis hand on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pandas as pd


class Family(StrEnum):
    """The regressors that are tuned."""

    XGB = "xgb"
    """Gradient boosting by XGBoost."""
    LGB = "lgb"
    """Gradient boosting by LightGBM."""
    RF = "rf"
    """Random forest by scikit-learn."""


class FeatureMode(StrEnum):
    """Which columns the regressors may see."""

    DEFAULT = "default"
    """Clinical columns, and the spatial ones that do not carry the target."""
    CLINICAL = "clinical"
    """Clinical columns only."""
    SPATIAL = "spatial"
    """Spatial columns that do not carry the target."""
    ALL = "all"
    """Every usable column, also those from which the target is computed."""


class Grouping(StrEnum):
    """Where the patients that keep the folds apart were read."""

    CLINICAL = "the clinical table"
    FEATURES = "the features table"
    NAME = "the images' names (NIH pattern)"
    IMAGE = "nowhere: each image counts as its own patient"


@dataclass(frozen=True)
class ColumnNote:
    """A column and what was found of it."""

    column: str
    reason: str


@dataclass(frozen=True)
class Merge:
    """How the features met the clinical table: counts of rows, and a few examples of what stayed alone."""

    table: Path
    rule: str
    matched: int
    features_alone: int
    features_examples: tuple[str, ...]
    clinical_alone: int
    clinical_examples: tuple[str, ...]


@dataclass(frozen=True)
class Table:
    """One row an image: `image`, `patient_id`, the columns that were measured, and the clinical ones."""

    frame: pd.DataFrame
    spatial: tuple[str, ...]
    clinical: tuple[str, ...]
    grouping: Grouping
    merge: Merge | None = None
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Selection:
    """The columns that the regressors see, those left out, and those let in that carry the target."""

    features: tuple[str, ...]
    left_out: tuple[ColumnNote, ...]
    carriers: tuple[ColumnNote, ...] = ()


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


@dataclass(frozen=True)
class ShuffleCheck:
    """R² of the best model on targets shuffled between patients: far above 0 only where something leaks."""

    model: str
    r2: tuple[float, ...]
    limit: float = 0.05

    @property
    def mean(self) -> float:
        """Mean R² over the shuffles."""
        return sum(self.r2) / len(self.r2)

    @property
    def passed(self) -> bool:
        """Whether the mean stays at or under the limit."""
        return self.mean <= self.limit


@dataclass(frozen=True)
class AnalysisSummary:
    """What an analysis found and wrote.

    `scores` holds the tuned models and the baselines; `top_features` the mean absolute SHAP values of the
    held-out images by model, largest first, in the target's unit.
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
    scores: tuple[Score, ...]
    top_features: Mapping[str, tuple[tuple[str, float], ...]]
    shuffle: ShuffleCheck
    merge: Merge | None
    notes: tuple[str, ...]
    seconds: float
    files: tuple[Path, ...] = field(default=())
