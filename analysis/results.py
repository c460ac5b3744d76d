"""Everything that was found, pooled over the held-out folds, and the files that tell it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from ..extras import require
from ..files import write_json, write_text
from . import outputs, plots
from .crossval import Fitted, Ints, Problem, Split
from .explain import correlations
from .models import LABELS, Floats
from .records import AnalysisSummary, Family, Score, Table
from .scores import mae, r_squared, rmse

if TYPE_CHECKING:
    import pandas as pd

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
        """The view of each picture, where the table has a few different ones."""
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


def fold_metrics(results: Results) -> pd.DataFrame:
    """Score each held-out fold: `fold`, `r2`, `rmse` as the demo did, then the rest."""
    pandas = require("pandas", extra="analysis")
    problem = results.problem
    rows: list[dict[str, Any]] = []
    for model, predicted in results.predictions.items():
        for fold, (_, test) in enumerate(results.splits, start=1):
            goal, guess = problem.target[test], predicted[test]
            rows.append(
                {
                    "fold": fold,
                    "r2": r_squared(goal, guess),
                    "rmse": rmse(goal, guess),
                    "mae": mae(goal, guess),
                    "model": model,
                    "pictures": len(test),
                    "patients": len(np.unique(problem.patients[test])),
                }
            )
    table: pd.DataFrame = pandas.DataFrame(rows)
    return table


def view_metrics(results: Results) -> pd.DataFrame | None:
    """Score the held-out pictures of each view apart, or give None where there is but one view."""
    pandas = require("pandas", extra="analysis")
    views = results.views
    if views is None:
        return None
    rows: list[dict[str, Any]] = []
    for view in np.unique(views):
        at = views == view
        goal = results.problem.target[at]
        for model, predicted in results.predictions.items():
            guess = predicted[at]
            errors = {"r2": r_squared(goal, guess), "rmse": rmse(goal, guess), "mae": mae(goal, guess)}
            rows.append({"view": view, "pictures": len(goal), "model": LABELS[model], **errors})
    table: pd.DataFrame = pandas.DataFrame(rows)
    return table


def write_results(folder: Path, summary: AnalysisSummary, results: Results) -> list[str]:
    """Write every file of the analysis into an empty folder, and give their names."""
    from .report import render

    frame, features = results.table.frame, results.problem.features
    keys = ["image", "patient_id"]
    learnt = frame[[*keys, *features.columns, results.target]]
    outputs.write_csv(folder / "features_and_target.csv", learnt)
    outputs.write_csv(folder / "cv_metrics.csv", fold_metrics(results))
    held_out = frame[keys].assign(
        fold=results.fold_of, **{results.target: results.problem.target}, **_predicted(results)
    )
    outputs.write_csv(folder / "cv_predictions.csv", held_out)
    outputs.write_csv(
        folder / "best_hyperparams.csv", outputs.best_hyperparams(list(results.finals.values()))
    )
    related = correlations(features.assign(**{results.target: results.problem.target}), results.target)
    outputs.write_csv(folder / "feature_correlations.csv", related, index=True)
    for family in results.finals:
        _write_family(folder, family, results)
    write_text(folder / "report.html", render(summary, results, related, folder))
    names = sorted([*(path.name for path in folder.iterdir()), outputs.RECORD])
    write_json(folder / outputs.RECORD, _record(summary, names))
    return names


def _write_family(folder: Path, family: Family, results: Results) -> None:
    frame, problem, pooled = results.table.frame, results.problem, results.pooled[family]
    score = results.score_of(family)
    patients = len(np.unique(problem.patients))
    outputs.write_model(folder, results.finals[family], problem.features)
    table = outputs.shap_table(
        frame["image"].tolist(),
        results.fold_of.tolist(),
        pooled.shap_base,
        [str(name) for name in problem.features.columns],
        pooled.shap_values,
    )
    outputs.write_csv(folder / f"shap_values_best_{family}.csv", table)
    plots.scatter(
        folder / f"cv_scatter_{family}.png",
        score,
        results.target,
        problem.target,
        pooled.prediction,
        patients=patients,
        views=results.views,
    )
    plots.importance(
        folder / f"shap_importance_{family}.png",
        score,
        results.target,
        problem.features,
        pooled.shap_values,
        patients=patients,
    )


def _predicted(results: Results) -> dict[str, Floats]:
    return {f"predicted_{model}": predicted for model, predicted in results.predictions.items()}


def _record(summary: AnalysisSummary, names: Sequence[str]) -> dict[str, Any]:
    record: dict[str, Any] = asdict(summary) | {"files": list(names), "versions": outputs.versions()}
    record["out"] = str(summary.out)
    if summary.merge is not None:
        record["merge"] = asdict(summary.merge) | {"table": str(summary.merge.table)}
    return {name: _plain(value) for name, value in record.items()}


def _plain(value: Any) -> Any:
    """Make a record strict JSON: text for keys, null for the numbers that JSON lacks."""
    if isinstance(value, dict):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if isinstance(value, float) and not np.isfinite(value):
        return None
    return value
