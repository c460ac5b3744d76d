"""From features.csv to tuned regressors, held-out scores and explanations: what `cxr-analyze` calls."""

from __future__ import annotations

import csv
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from ..data.columns import canonical_name
from ..errors import InputError
from ..machine.progress import Progress, no_progress
from .audit.leakage import find_identical_measurements
from .fit.crossval import (
    LearningData,
    SearchResult,
    baseline_predictions,
    outer_folds,
    plan_searches,
    run_searches,
)
from .fit.explanation import linear_weights
from .fit.families import BASELINES, LABELS, build_baseline, build_model, build_pipeline, feature_frame
from .fit.folds import Split
from .fit.tuning import INNER_FOLDS
from .records import (
    AnalysisSummary,
    EventScore,
    Family,
    FeatureMode,
    Floats,
    Score,
    Selection,
    ShuffleCheck,
    Table,
    Task,
    Unit,
)
from .results.event_scores import score_event, score_prevalence
from .results.held_out import HeldOut, Results, collect_held_out, top_features
from .results.outputs import output_names, write_results
from .results.scores import check_shuffled_targets, score_predictions
from .results.staging import staged_outputs
from .results.wording import METRICS
from .table.event import check_events
from .table.load import load_table
from .table.roles import ColumnRoles
from .table.selection import select_features
from .table.target import default_target, rows_with_target
from .table.unit import by_patient

_TOO_GOOD = {"r2": 0.85, "auroc": 0.95}
_LEADING = 0.1


def analyze_features(
    features: Path | str,
    *,
    clinical: Path | str | None = None,
    out: Path | str = "analysis",
    target: str | None = None,
    features_mode: FeatureMode | str | Sequence[str] = FeatureMode.DEFAULT,
    models: Sequence[Family | str] = tuple(Family),
    trials: int = 20,
    folds: int = 5,
    jobs: int = 1,
    seed: int = 0,
    keep_doubtful: bool = False,
    salt: str | None = None,
    roles: ColumnRoles | None = None,
    unit: Unit | str = Unit.IMAGE,
    progress: Progress | None = None,
) -> AnalysisSummary:
    """Tune models of a number or a yes/no column, evaluate them on held-out patients, and explain them.

    Parameters
    ----------
    features : Path or str
        A features.csv, one row per image.
    clinical : Path or str, optional
        The clinical table; by default the one beside the images that run.json names.
    out : Path or str
        The folder of the results. An earlier analysis in it is replaced, files of others never.
    target : str, optional
        The column to predict; by default `lesion_ratio`, else the ratio of the first class that is no lung
        class, else of the first class.
    features_mode : FeatureMode, str or sequence of str
        A kind of columns, or the names of columns; in one text, with commas between them.
    models : sequence of Family or str
        The families of models.
    trials : int
        Trials of the search in each outer fold, and of the search on all rows.
    folds : int
        Outer folds; all images of a patient are in one.
    jobs : int
        Processes; the results do not depend on it.
    seed : int
        Seed of everything random: the same tables give the same results.
    keep_doubtful : bool
        Keep the images whose column `plausible` is doubtful or no; by default they are left out.
    salt : str, optional
        The salt that `cxr-infer` was given: the patient ids of the clinical table are replaced by their keyed
        hashes, by which a table without a column `image` is joined.
    roles : ColumnRoles, optional
        The columns of the image and the patient, columns to ignore, and numbers that are categories.
    unit : Unit or str
        What a row of the analysis is: an image, or a patient whose images are aggregated.
    progress : callable, optional
        Called with (searches done, searches in all) after each.

    Returns
    -------
    AnalysisSummary

    Raises
    ------
    InputError
        If a table cannot be used or is too small, or no column is left to learn from.
    OutputError
        If `out` cannot be written, or holds files of these names that no analysis wrote.
    """
    start = time.perf_counter()
    families = _families(models)
    table = load_table(
        Path(features),
        None if clinical is None else Path(clinical),
        keep_doubtful=keep_doubtful,
        salt=salt,
        roles=roles,
    )
    goal = target or default_target(table.spatial, table.run.classes, table.run.lung_classes)
    goal = _column_name(goal, table)
    table = rows_with_target(table, goal, Path(features))
    if Unit(unit) is Unit.PATIENT:
        table = by_patient(table, goal)
    if table.event is not None:
        check_events(table.frame, goal, table.event, folds, Path(features), inner_folds=INNER_FOLDS)
    task = Task.REGRESSION if table.event is None else Task.CLASSIFICATION
    selection = select_features(table, goal, _wanted_features(features_mode, table))
    data = LearningData(
        feature_frame(table.frame, selection.features),
        table.frame[goal].to_numpy(dtype=np.float64),
        table.frame["patient_id"].to_numpy(dtype=np.str_),
        task,
    )
    splits = outer_folds(data.patients, folds, seed, None if table.event is None else data.target)
    inputs = [Path(features), *([] if table.merge is None else [table.merge.table])]
    with staged_outputs(Path(out), output_names(families, task), inputs=inputs) as stage:
        searches = plan_searches(families, splits, len(data.target), trials=trials, seed=seed)
        found = run_searches(data, searches, jobs=jobs, progress=progress or no_progress)
        results = _evaluate(table, goal, data, splits, found, seed)
        best = max(families, key=lambda family: results.score_of(family).main[0])
        summary = AnalysisSummary(
            out=Path(out),
            target=goal,
            rows=len(data.target),
            patients=len(np.unique(data.patients)),
            folds=folds,
            trials=trials,
            seed=seed,
            grouping=table.grouping,
            selection=selection,
            scores=results.scores,
            top_features={str(family): top_features(results, family) for family in families},
            shuffle=_shuffle_check(results, best, seed),
            merge=table.merge,
            implausible=table.implausible,
            notes=(*table.notes, *_warnings(results, selection, results.score_of(best))),
            event=table.event,
            prevalence=None if table.event is None else float(data.target.mean()),
            unit=table.unit,
            seconds=time.perf_counter() - start,
        )
        names = write_results(stage, summary, results)
    return replace(summary, files=tuple(Path(out) / name for name in names))


def _families(models: Sequence[Family | str]) -> tuple[Family, ...]:
    known = [str(family) for family in Family]
    unknown = [str(name) for name in models if name not in known]
    if unknown or not models:
        raise InputError(f"no models {', '.join(unknown)}; there are {', '.join(known)}")
    return tuple(dict.fromkeys(Family(name) for name in models))


def _wanted_features(wanted: FeatureMode | str | Sequence[str], table: Table) -> FeatureMode | Sequence[str]:
    names = _listed_names(wanted, table) if isinstance(wanted, str) else tuple(wanted)
    if len(names) == 1 and names[0] in list(FeatureMode):
        return FeatureMode(names[0])
    return tuple(_column_name(name, table) for name in names)


def _listed_names(text: str, table: Table) -> tuple[str, ...]:
    """Read names with commas between them; a column whose own name has a comma is taken whole."""
    if text in table.frame.columns:
        return (text,)
    return tuple(name.strip() for name in next(csv.reader([text], skipinitialspace=True)) if name.strip())


def _column_name(name: str, table: Table) -> str:
    """Return today's name of a column that was asked for by an older one."""
    return name if name in table.frame.columns else canonical_name(name)


def _evaluate(
    table: Table,
    target: str,
    data: LearningData,
    splits: Sequence[Split],
    found: Sequence[SearchResult],
    seed: int,
) -> Results:
    held_out = collect_held_out(found, len(data.target))
    predictions = {str(family): one.prediction for family, one in held_out.items()}
    predictions |= baseline_predictions(data, splits)
    scores = _scores(data, predictions, held_out, seed)
    finals = {result.search.family: result for result in found if result.search.fold is None}
    return Results(table, target, data, tuple(splits), held_out, finals, predictions, scores)


def _scores(
    data: LearningData, predictions: Mapping[str, Floats], held_out: Mapping[Family, HeldOut], seed: int
) -> tuple[Score, ...] | tuple[EventScore, ...]:
    if data.task is Task.REGRESSION:
        return tuple(
            score_predictions(model, LABELS[model], data.target, values, data.patients, seed=seed)
            for model, values in predictions.items()
        )
    alarms = {str(family): one.alarms for family, one in held_out.items()}
    none = np.full(len(data.target), np.nan)
    scores: list[EventScore] = []
    for model, values in predictions.items():
        shared = model, LABELS[model], data.target, values
        if model == "prevalence":
            scores.append(score_prevalence(*shared, data.patients, seed=seed))
        else:
            scores.append(score_event(*shared, alarms.get(model, none), data.patients, seed=seed))
    return tuple(scores)


def _shuffle_check(results: Results, family: Family, seed: int) -> ShuffleCheck:
    data, final = results.data, results.finals[family]

    def build() -> object:
        rows, task = len(data.target), data.task
        bare = build_model(family, final.best.params, seed=final.search.seed, rows=rows, task=task)
        return build_pipeline(data.features, bare, task)

    return check_shuffled_targets(family, build, data, results.splits, seed=seed)


def _warnings(results: Results, selection: Selection, best: Score | EventScore) -> tuple[str, ...]:
    table, target = results.table, results.target
    notes: list[str] = []
    if selection.leaky:
        names = ", ".join(note.column for note in selection.leaky)
        notes.append(
            f"the features include {names}, from which {target} can be computed:"
            f" a high {METRICS[_metric(results)]} is arithmetic, not a finding"
        )
    pairs = find_identical_measurements(table.frame, table.spatial, target)
    if pairs:
        notes.append(
            f"{len(pairs)} images have the same measurements, to the last digit, as an image of another"
            f" patient ({pairs[0][0]} and {pairs[0][1]}): perhaps one image under two names"
        )
    metric = METRICS[_metric(results)]
    notes += _too_good(results, best)
    linear = results.score_of(BASELINES[results.data.task][1])
    if linear.main[0] >= best.main[0]:
        notes.append(
            "the linear baseline is as good as the tuned models"
            f" ({metric} {linear.main[0]:.3f} against {best.main[0]:.3f})"
        )
    chance = 0.0 if results.data.task is Task.REGRESSION else 0.5
    if best.main[1] <= chance:
        than = "the mean" if results.data.task is Task.REGRESSION else "chance"
        notes.append(
            f"no tuned model is shown to be better than {than}:"
            f" the 95 % interval of the best {metric} reaches {best.main[1]:.2f}"
        )
    return tuple(notes)


def _too_good(results: Results, best: Score | EventScore) -> list[str]:
    """Ask about a score that is rare in honest data: of the best tuned model, else of the linear baseline."""
    high = _TOO_GOOD[_metric(results)]
    score = best if best.main[0] > high else results.score_of(BASELINES[results.data.task][1])
    if not score.main[0] > high:
        return []
    if score is best:
        ranked = top_features(results, Family(best.model))
    else:
        data = results.data
        linear = build_baseline(score.model, data.features).fit(data.features, data.target)
        weights = zip(data.features.columns, linear_weights(linear, data.features), strict=True)
        ranked = tuple(sorted(weights, key=lambda one: -one[1]))
    names = ", ".join(name for name, strength in ranked[:3] if strength > _LEADING * ranked[0][1])
    return [
        f"an {METRICS[_metric(results)]} of {score.main[0]:.2f}, by {score.label}, is rare in honest data;"
        f" it rests on {names}: ask how these were made, and whether {results.target} was known when they"
        " were written"
    ]


def _metric(results: Results) -> str:
    return "r2" if results.data.task is Task.REGRESSION else "auroc"
