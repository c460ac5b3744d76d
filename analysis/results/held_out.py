"""The held-out predictions, explanations and scores of an analysis."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ..fit.crossval import LearningData, SearchResult
from ..fit.folds import Ints, Split
from ..records import Event, EventScore, Family, Floats, Score, Table

_MOST_VIEWS = 5


@dataclass(frozen=True)
class HeldOut:
    """One family's held-out predictions and SHAP values of all outer folds, in the order of the table."""

    prediction: Floats
    shap_values: Floats
    shap_base: Floats
    threshold: Floats

    @property
    def alarms(self) -> Floats:
        """1 where the probability reaches the threshold of the row's fold, else 0."""
        return np.asarray(self.prediction >= self.threshold, dtype=np.float64)


@dataclass(frozen=True)
class Results:
    """The data of an analysis and its results.

    `finals` holds each family's model of all rows, `predictions` the held-out predictions of the tuned models
    and the baselines.
    """

    table: Table
    target: str
    data: LearningData
    splits: tuple[Split, ...]
    held_out: Mapping[Family, HeldOut]
    finals: Mapping[Family, SearchResult]
    predictions: Mapping[str, Floats]
    scores: tuple[Score, ...] | tuple[EventScore, ...]

    @property
    def event(self) -> Event:
        """The event that is predicted.

        Raises
        ------
        ValueError
            If the target is a number.
        """
        if self.table.event is None:
            raise ValueError(f"{self.target} is no yes/no column")
        return self.table.event

    @property
    def fold_of(self) -> Ints:
        """The outer fold, from 1, in which each row was held out."""
        folds = np.zeros(len(self.data.target), dtype=np.intp)
        for number, (_, test) in enumerate(self.splits, start=1):
            folds[test] = number
        return folds

    @property
    def views(self) -> npt.NDArray[np.str_] | None:
        """The view of each image; None unless the table has a few different views."""
        frame = self.table.frame
        if "view" not in frame.columns or not 1 < frame["view"].nunique() <= _MOST_VIEWS:
            return None
        return frame["view"].astype("object").where(frame["view"].notna(), "unknown").to_numpy(dtype=np.str_)

    def score_of(self, model: str) -> Score | EventScore:
        """Return the score of one model."""
        return next(score for score in self.scores if score.model == model)


def collect_held_out(results: Sequence[SearchResult], rows: int) -> dict[Family, HeldOut]:
    """Collect the held-out rows of each family's outer folds in the order of the table."""
    collected: dict[Family, HeldOut] = {}
    for result in results:
        if result.search.fold is None:
            continue
        family, test = result.search.family, result.search.test
        if family not in collected:
            shapes = (rows, (rows, result.shap_values.shape[1]), rows, rows)
            collected[family] = HeldOut(*(np.full(shape, np.nan) for shape in shapes))
        collected[family].prediction[test] = result.prediction
        collected[family].shap_values[test] = result.shap_values
        collected[family].shap_base[test] = result.shap_base
        if result.threshold is not None:
            collected[family].threshold[test] = result.threshold
    return collected


def top_features(results: Results, family: Family) -> tuple[tuple[str, float], ...]:
    """Rank the features by mean absolute SHAP value on held-out rows, largest first."""
    strength = np.abs(results.held_out[family].shap_values).mean(axis=0)
    names = [str(name) for name in results.data.features.columns]
    order = np.argsort(-strength, kind="stable")
    return tuple((names[place], float(strength[place])) for place in order)
