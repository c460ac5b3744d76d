"""From features.csv to tuned regressors, honest scores and explanations: what `cxr-analyze` calls."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from ..data.columns import ALIASES
from ..errors import InputError
from .crossval import Fitted, Problem, Split, baseline_predictions, make_tasks, outer_folds, run_tasks
from .leakage import repeated_measurements
from .outputs import staged, write_results
from .records import AnalysisSummary, Family, FeatureMode, Score, Selection, ShuffleCheck, Table
from .regressors import LABELS, build, model_frame, regressor
from .results import Results, pool, top_features
from .scores import check_shuffled, score
from .selection import Role, choose_features, is_number, role_of
from .table import load_table

TARGET = "lesion_ratio"
_FEWEST_ROWS = 10


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
    on_step: Callable[[int, int], None] | None = None,
) -> AnalysisSummary:
    """Tune regressors of a measured column, judge them on held-out patients, and explain them.

    Parameters
    ----------
    features : Path or str
        A features.csv, one row an image.
    clinical : Path or str, optional
        The clinical table; by default the one beside the images that run.json names.
    out : Path or str
        The folder of the results.
    target : str, optional
        The column to be predicted; by default `lesion_ratio`.
    features_mode : FeatureMode, str or sequence of str
        A kind of columns, or the columns' names.
    models : sequence of Family or str
        The regressors.
    trials : int
        Trials of the search in each outer fold, and on everything.
    folds : int
        Outer folds; a patient is on one side of each.
    jobs : int
        Processes; the results do not depend on it.
    seed : int
        Of everything that is drawn: with the same tables, the same results.
    on_step : callable, optional
        Is told how many of how many searches are done.

    Returns
    -------
    AnalysisSummary

    Raises
    ------
    InputError
        If a table cannot be used, or is too small, or no column is left to learn from.
    OutputError
        If `out` cannot be written.
    """
    start = time.perf_counter()
    families = _families(models)
    table = load_table(Path(features), Path(clinical) if clinical is not None else None)
    goal = ALIASES.get(target or TARGET, target or TARGET)
    table = _with_target(table, goal, Path(features))
    selection = choose_features(table, goal, _mode(features_mode))
    problem = Problem(
        model_frame(table.frame, selection.features),
        table.frame[goal].to_numpy(dtype=np.float64),
        table.frame["patient_id"].to_numpy(dtype=np.str_),
    )
    splits = outer_folds(problem.patients, folds, seed)
    with staged(Path(out)) as stage:
        tasks = make_tasks(families, splits, len(problem.target), trials=trials, seed=seed)
        fitted = run_tasks(problem, tasks, jobs=jobs, on_step=on_step or _no_step)
        results = _judge(table, goal, problem, splits, fitted, seed)
        best = max(families, key=lambda family: results.score_of(family).r2)
        summary = AnalysisSummary(
            out=Path(out),
            target=goal,
            rows=len(problem.target),
            patients=len(np.unique(problem.patients)),
            folds=folds,
            trials=trials,
            seed=seed,
            grouping=table.grouping,
            selection=selection,
            scores=results.scores,
            top_features={str(family): top_features(results, family) for family in families},
            shuffle=_shuffled(results, best, seed),
            merge=table.merge,
            notes=(*table.notes, *_warnings(results, selection, results.score_of(best))),
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


def _mode(wanted: FeatureMode | str | Sequence[str]) -> FeatureMode | Sequence[str]:
    if not isinstance(wanted, str):
        names = tuple(ALIASES.get(name, name) for name in wanted)
        return FeatureMode(names[0]) if len(names) == 1 and names[0] in list(FeatureMode) else names
    if wanted in list(FeatureMode):
        return FeatureMode(wanted)
    return (ALIASES.get(wanted, wanted),)


def _with_target(table: Table, target: str, path: Path) -> Table:
    """Keep the rows whose target is known, or say why there is nothing to learn."""
    frame = table.frame
    usable = [
        name
        for name in frame.columns
        if is_number(frame[name]) and role_of(name, table.spatial) is not Role.BOOKKEEPING
    ]
    if target not in usable:
        problem = "is not a column of numbers" if target in frame.columns else "is not there"
        raise InputError(f"{path}: the target {target} {problem}; there are {', '.join(usable)}")
    known = frame.loc[frame[target].notna()].reset_index(drop=True)
    if len(known) < _FEWEST_ROWS:
        raise InputError(f"{path}: {target} is known for {len(known)} images; {_FEWEST_ROWS} are needed")
    if known[target].nunique() < 2:
        value = known[target].iloc[0]
        raise InputError(
            f"{path}: {target} is {value:g} in all {len(known)} images; there is nothing to learn"
        )
    missing = len(frame) - len(known)
    notes = (f"{missing} images without {target} are left out",) if missing else ()
    return replace(table, frame=known, notes=(*table.notes, *notes))


def _judge(
    table: Table, target: str, problem: Problem, splits: Sequence[Split], fitted: Sequence[Fitted], seed: int
) -> Results:
    pooled = pool(fitted, len(problem.target))
    predictions = {str(family): one.prediction for family, one in pooled.items()}
    predictions |= baseline_predictions(problem, splits)
    scores = tuple(
        score(model, LABELS[model], problem.target, predicted, problem.patients, seed=seed)
        for model, predicted in predictions.items()
    )
    finals = {one.task.family: one for one in fitted if one.task.fold is None}
    return Results(table, target, problem, tuple(splits), pooled, finals, predictions, scores)


def _shuffled(results: Results, family: Family, seed: int) -> ShuffleCheck:
    problem, final = results.problem, results.finals[family]

    def make() -> object:
        bare = build(family, final.tuned.params, seed=final.task.seed, rows=len(problem.target))
        return regressor(problem.features, bare)

    return check_shuffled(family, make, problem, results.splits, seed=seed)


def _warnings(results: Results, selection: Selection, best: Score) -> tuple[str, ...]:
    table, target = results.table, results.target
    notes: list[str] = []
    if selection.carriers:
        names = ", ".join(note.column for note in selection.carriers)
        notes.append(
            f"the features include {names}, which carry {target} itself:"
            " a high R² is arithmetic, not a finding"
        )
    pairs = repeated_measurements(table.frame, table.spatial, target)
    if pairs:
        notes.append(
            f"{len(pairs)} images measure the same to the last digit as one of another patient"
            f" ({pairs[0][0]} and {pairs[0][1]}): perhaps one image under two names"
        )
    linear = results.score_of("ridge")
    if linear.r2 >= best.r2:
        notes.append(
            f"the linear model does as well as the tuned ones (R² {linear.r2:.3f} against {best.r2:.3f})"
        )
    if best.r2_low <= 0:
        notes.append(
            "no model is shown to be better than the mean:"
            f" the 95 % interval of the best R² reaches {best.r2_low:.2f}"
        )
    return tuple(notes)


def _no_step(_done: int, _all: int) -> None:
    """Tell nobody."""
