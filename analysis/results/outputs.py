"""Write every file of an analysis: tables, models, plots, the report and the record."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ...data.csv_files import write_csv
from ...machine.extras import require
from ...machine.files import write_json, write_text
from ..fit.explanation import spearman_correlations
from ..records import AnalysisSummary, EventScore, Family, Task
from ..versions import used_versions
from .event_plots import draw_event_curves
from .held_out import Results
from .model_files import SAFE_FORMATS, best_hyperparams, write_model
from .plot_names import main_plot
from .plots import draw_importance, draw_scatter
from .scores import fold_metrics
from .staging import RECORD

if TYPE_CHECKING:
    import pandas as pd


_SHARED = (
    "features_and_target.csv",
    "cv_metrics.csv",
    "cv_predictions.csv",
    "best_hyperparams.csv",
    "feature_correlations.csv",
    "encoding.json",
    "report.html",
    RECORD,
)


def output_names(families: Sequence[Family], task: Task) -> tuple[str, ...]:
    """List the names of the files that an analysis with these families writes."""
    names = list(_SHARED)
    for family in families:
        names += [f"{family}_best_params.json", f"{family}_best_model.joblib"]
        names += [f"{family}_best_model.{SAFE_FORMATS[family]}", f"shap_values_best_{family}.csv"]
        names += [main_plot(family, task), f"shap_importance_{family}.png"]
    return tuple(names)


def write_results(folder: Path, summary: AnalysisSummary, results: Results) -> list[str]:
    """Write every file of the analysis into an empty folder, and return their names."""
    from .report import render

    frame, features = results.table.frame, results.data.features
    keys = ["image", "patient_id"]
    write_table(folder / "features_and_target.csv", frame[[*keys, *features.columns, results.target]])
    write_table(folder / "cv_metrics.csv", fold_metrics(results))
    predicted = {f"predicted_{model}": values for model, values in results.predictions.items()}
    held_out = frame[keys].assign(fold=results.fold_of, **{results.target: results.data.target}, **predicted)
    write_table(folder / "cv_predictions.csv", held_out)
    write_table(folder / "best_hyperparams.csv", best_hyperparams(results.finals.values()))
    correlations = spearman_correlations(
        features.assign(**{results.target: results.data.target}), results.target
    )
    write_table(folder / "feature_correlations.csv", correlations, index=True)
    for family in results.finals:
        _write_family(folder, family, results)
    write_text(folder / "report.html", render(summary, results, correlations, folder))
    names = sorted([*(path.name for path in folder.iterdir()), RECORD])
    write_json(folder / RECORD, _record(summary, names))
    return names


def write_table(path: Path, table: pd.DataFrame, *, index: bool = False) -> None:
    """Write a table as CSV, missing values as empty cells; `index` adds the index as the first column."""
    cells = table.astype("object").where(table.notna(), None)
    columns = [str(name) for name in table.columns]
    if index:
        write_csv(path, ["", *columns], cells.itertuples(name=None))
    else:
        write_csv(path, columns, cells.itertuples(index=False, name=None))


def _write_family(folder: Path, family: Family, results: Results) -> None:
    data, held_out = results.data, results.held_out[family]
    score, patients = results.score_of(family), len(np.unique(data.patients))
    write_model(folder, results.finals[family], data.features)
    write_table(folder / f"shap_values_best_{family}.csv", _shap_table(family, results))
    plot = folder / main_plot(family, data.task)
    if isinstance(score, EventScore):
        event = results.event.text
        draw_event_curves(plot, score, event, data.target, held_out.prediction, patients=patients)
    else:
        draw_scatter(
            plot,
            score,
            results.target,
            data.target,
            held_out.prediction,
            patients=patients,
            views=results.views,
        )
    draw_importance(
        folder / f"shap_importance_{family}.png",
        score,
        results.target,
        data.features,
        held_out.shap_values,
        patients=patients,
    )


def _shap_table(family: Family, results: Results) -> pd.DataFrame:
    """Tabulate the SHAP values of the held-out images; base and values of a row add up to its prediction."""
    pandas = require("pandas", extra="analysis")
    held_out = results.held_out[family]
    left: pd.DataFrame = pandas.DataFrame(
        {"image": results.table.frame["image"], "fold": results.fold_of, "base_value": held_out.shap_base}
    )
    names = [f"shap_{name}" for name in results.data.features.columns]
    return left.join(pandas.DataFrame(held_out.shap_values, columns=names))


def _record(summary: AnalysisSummary, names: Sequence[str]) -> dict[str, Any]:
    record: dict[str, Any] = asdict(summary) | {"files": list(names), "versions": used_versions()}
    record["out"] = str(summary.out)
    shuffle = record["shuffle"]
    shuffle[shuffle.pop("metric")] = shuffle.pop("scores")
    record["selection"]["carriers"] = record["selection"].pop("leaky")
    if summary.merge is not None:
        record["merge"]["table"] = str(summary.merge.table)
    return record
