"""Everything that was found, pooled over the held-out folds, and the files that tell it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from .crossval import Fitted, Ints, Problem, Split
from .records import Family, Score, Table
from .regressors import Floats

if TYPE_CHECKING:
    pass

_MOST_VIEWS = 5


@dataclass(frozen=True)
class Pooled:
    """One family's held-out predictions and SHAP values, put together from the outer folds."""

    prediction: Floats
    shap_values: Floats
    shap_base: Floats


@dataclass(frozen=True)
class Results:
    """The data that were judged and what came of them; `predictions` holds models and baselines."""

    table: Table
    target: str
    problem: Problem
    splits: tuple[Split, ...]
    pooled: Mapping[Family, Pooled]
    finals: Mapping[Family, Fitted]
    predictions: Mapping[str, Floats]
    scores: tuple[Score, ...]

    @property
    def fold_of(self) -> Ints:
        """The outer fold, from 1, in which each row was held out."""
        folds = np.zeros(len(self.problem.target), dtype=np.intp)
        for number, (_, test) in enumerate(self.splits, start=1):
            folds[test] = number
        return folds

    @property
    def views(self) -> npt.NDArray[np.str_] | None:
        """The view of each image, where the table has a few different ones."""
        frame = self.table.frame
        if "view" not in frame.columns or not 1 < frame["view"].nunique() <= _MOST_VIEWS:
            return None
        return frame["view"].astype("object").where(frame["view"].notna(), "unknown").to_numpy(dtype=np.str_)

    def score_of(self, model: str) -> Score:
        """Give the score of one model."""
        return next(score for score in self.scores if score.model == model)


def pool(fitted: Sequence[Fitted], rows: int) -> dict[Family, Pooled]:
    """Put the outer folds' held-out rows of each family back into the table's order."""
    pooled: dict[Family, Pooled] = {}
    for one in fitted:
        if one.task.fold is None:
            continue
        if one.task.family not in pooled:
            width = one.shap_values.shape[1]
            shapes = (rows, (rows, width), rows)
            pooled[one.task.family] = Pooled(*(np.full(shape, np.nan) for shape in shapes))
        place, test = pooled[one.task.family], one.task.test
        place.prediction[test], place.shap_values[test], place.shap_base[test] = (
            one.prediction,
            one.shap_values,
            one.shap_base,
        )
    return pooled


def top_features(results: Results, family: Family) -> tuple[tuple[str, float], ...]:
    """Rank the features by mean absolute SHAP value on held-out rows."""
    strength = np.abs(results.pooled[family].shap_values).mean(axis=0)
    names = [str(name) for name in results.problem.features.columns]
    order = np.argsort(-strength, kind="stable")
    return tuple((names[place], float(strength[place])) for place in order)
