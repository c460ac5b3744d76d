"""The files of an analysis: made in a folder beside, then moved to their place one by one."""

from __future__ import annotations

import json
import shutil
import sys
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ..data.spreadsheet import guard
from ..errors import OutputError
from ..machine.extras import require
from ..machine.files import make_folder, write_json, write_text
from . import plots
from .crossval import Fitted
from .explain import correlations, encoded_sources
from .records import AnalysisSummary, Family
from .regressors import Floats
from .results import Results
from .scores import fold_metrics
from .versions import used_versions

if TYPE_CHECKING:
    import pandas as pd

RECORD = "analysis.json"


@contextmanager
def staged(out: Path) -> Iterator[Path]:
    """Give an empty folder whose files move to `out` on success; files that only an earlier run made go.

    Raises
    ------
    OutputError
        If `out` cannot be made or written; this is known before the work.
    """
    make_folder(out)
    try:
        stage = Path(tempfile.mkdtemp(prefix=".part-", dir=out))
    except OSError as error:
        raise OutputError(f"{out}: cannot be written ({error.strerror or error})") from error
    try:
        yield stage
        earlier = _files_of(out / RECORD)
        made = sorted(path.name for path in stage.iterdir())
        # The record goes last: until it stands, the files are not claimed to belong together.
        for name in sorted(made, key=lambda name: name == RECORD):
            (stage / name).replace(out / name)
        for name in set(earlier) - set(made):
            (out / name).unlink(missing_ok=True)
    except OSError as error:
        raise OutputError(
            f"{error.filename or out}: cannot be written ({error.strerror or error})"
        ) from error
    finally:
        shutil.rmtree(stage, ignore_errors=True)


def write_csv(path: Path, table: pd.DataFrame, *, index: bool = False) -> None:
    """Write a table with the same line ends on every system, and no text that a spreadsheet would run."""
    text = table.select_dtypes(include=["str", "object", "category"]).columns
    guarded = {name: table[name].map(_guard_cell) for name in text}
    table.assign(**guarded).to_csv(path, index=index, lineterminator="\n", encoding="utf-8")


def _guard_cell(cell: object) -> object:
    return guard(cell) if isinstance(cell, str) else cell


def write_model(folder: Path, fitted: Fitted, features: pd.DataFrame) -> None:
    """Write a family's final model: parameters, joblib (for the demo's readers) and a format safe to load.

    The native boosters take encoded columns and give a scaled target; encoding.json tells both steps.
    """
    family = fitted.task.family
    write_json(folder / f"{family}_best_params.json", fitted.tuned.params)
    require("joblib", extra="analysis").dump(fitted.model, folder / f"{family}_best_model.joblib")
    bare = fitted.model.regressor_.named_steps["model"]
    if family is Family.XGB:
        bare.get_booster().save_model(folder / "xgb_best_model.ubj")
    elif family is Family.LGB:
        bare.booster_.save_model(folder / "lgb_best_model.txt")
    else:
        import_skops().dump(fitted.model, folder / "rf_best_model.skops")
    write_json(folder / "encoding.json", encoding(fitted.model, features))


def encoding(model: Any, features: pd.DataFrame) -> dict[str, Any]:
    """Describe the steps before and after a bare model: its inputs in order, the target's scale."""
    encoder = model.regressor_.named_steps["encode"]
    names = list(features.columns)
    fills = (
        list(encoder.named_transformers_["numbers"].statistics_)
        if "numbers" in encoder.named_transformers_
        else []
    )
    columns: list[dict[str, Any]] = []
    for place, level in encoded_sources(encoder, features):
        end = {"fill": float(fills[len(columns)])} if level is None else {"level": level}
        columns.append({"column": names[place], **end})
    target = {"mean": float(model.transformer_.mean_[0]), "scale": float(model.transformer_.scale_[0])}
    return {"columns": columns, "target": target}


def best_hyperparams(finals: Iterable[Fitted]) -> pd.DataFrame:
    """Tabulate the families' final parameters as the demo did: `model_type`, `mse`, one column each."""
    pandas = require("pandas", extra="analysis")
    rows = [{"model_type": str(f.task.family), "mse": f.tuned.mse, **f.tuned.params} for f in finals]
    table: pd.DataFrame = pandas.DataFrame(rows)
    return table


def shap_table(
    images: Sequence[str], folds: Sequence[int], base: Any, names: Sequence[str], values: Any
) -> pd.DataFrame:
    """Tabulate the SHAP values of the held-out images; a row's base and values sum to its prediction."""
    pandas = require("pandas", extra="analysis")
    left: pd.DataFrame = pandas.DataFrame({"image": images, "fold": folds, "base_value": base})
    right = pandas.DataFrame(np.asarray(values), columns=[f"shap_{name}" for name in names])
    return left.join(right)


def _files_of(record: Path) -> list[str]:
    if not record.is_file():
        return []
    try:
        names = json.loads(record.read_text(encoding="utf-8"))["files"]
        return [name for name in names if Path(name).name == name]
    except (ValueError, KeyError, TypeError) as error:
        raise OutputError(
            f"{record}: is not the record of an analysis ({error}); give another --out"
        ) from error


def import_skops() -> Any:
    """Import skops.io without the torch that it would bring along."""
    # Importing skops.io walks all of scikit-learn, down to its optional adapter of torch, and so would load
    # torch; beside LightGBM that is two OpenMP runtimes in one process. None bars a module from import.
    barred = "torch" not in sys.modules
    if barred:
        sys.modules["torch"] = None  # type: ignore[assignment]
    try:
        return require("skops.io", extra="analysis")
    finally:
        if barred:
            del sys.modules["torch"]


def write_results(folder: Path, summary: AnalysisSummary, results: Results) -> list[str]:
    """Write every file of the analysis into an empty folder, and give their names."""
    from .report import render

    frame, features = results.table.frame, results.problem.features
    keys = ["image", "patient_id"]
    learnt = frame[[*keys, *features.columns, results.target]]
    write_csv(folder / "features_and_target.csv", learnt)
    write_csv(folder / "cv_metrics.csv", fold_metrics(results))
    held_out = frame[keys].assign(
        fold=results.fold_of, **{results.target: results.problem.target}, **_predicted(results)
    )
    write_csv(folder / "cv_predictions.csv", held_out)
    write_csv(folder / "best_hyperparams.csv", best_hyperparams(list(results.finals.values())))
    related = correlations(features.assign(**{results.target: results.problem.target}), results.target)
    write_csv(folder / "feature_correlations.csv", related, index=True)
    for family in results.finals:
        _write_family(folder, family, results)
    write_text(folder / "report.html", render(summary, results, related, folder))
    names = sorted([*(path.name for path in folder.iterdir()), RECORD])
    write_json(folder / RECORD, _record(summary, names))
    return names


def _write_family(folder: Path, family: Family, results: Results) -> None:
    frame, problem, pooled = results.table.frame, results.problem, results.pooled[family]
    score = results.score_of(family)
    patients = len(np.unique(problem.patients))
    write_model(folder, results.finals[family], problem.features)
    table = shap_table(
        frame["image"].tolist(),
        results.fold_of.tolist(),
        pooled.shap_base,
        [str(name) for name in problem.features.columns],
        pooled.shap_values,
    )
    write_csv(folder / f"shap_values_best_{family}.csv", table)
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
    record: dict[str, Any] = asdict(summary) | {"files": list(names), "versions": used_versions()}
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
