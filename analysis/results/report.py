"""`report.html` of an analysis: one self-contained page with the scores, the plots and the columns."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ...data.columns import with_unit
from ...metrics.bootstrap import RESAMPLES
from ...report.page import data_uri, render_page
from ..fit.explanation import KIND
from ..fit.families import LABELS
from ..records import AnalysisSummary, ColumnNote, Family, MergeSummary, Task, Unit
from ..text import some_of
from ..versions import used_versions
from .held_out import Results
from .plot_names import main_plot
from .scores import view_metrics
from .wording import METRICS, score_header, score_row, shuffle_sentence

if TYPE_CHECKING:
    import pandas as pd

RESEARCH = "For research use only; not for diagnosis. Associations in this table of images, not causes."
_TEMPLATE = Path(__file__).with_name("report.html.j2")
_MOST_CORRELATED = 15
_MOST_IMAGES = 20


def render(summary: AnalysisSummary, results: Results, correlations: pd.DataFrame, folder: Path) -> str:
    """Render the report as HTML.

    Parameters
    ----------
    summary, results
        The analysis.
    correlations : DataFrame
        Spearman's correlations of features and target.
    folder : Path
        The folder of the plots, which the page holds as data URIs.
    """
    selection = summary.selection
    correlated = list(correlations.columns)[-_MOST_CORRELATED:]
    return render_page(
        _TEMPLATE,
        target=summary.target,
        research=RESEARCH,
        warnings=_warnings(summary),
        facts=_facts(summary),
        score_header=score_header(summary),
        scores=[score_row(score) for score in summary.scores],
        event=None if summary.event is None else summary.event.text,
        prevalence=None if summary.prevalence is None else f"{summary.prevalence:.2f}",
        resamples=RESAMPLES,
        spread=f"{float(results.data.target.std()):.4g}",
        views=_view_rows(results),
        shuffle=shuffle_sentence(summary),
        shuffle_metric=METRICS[summary.shuffle.metric],
        shuffle_runs=", ".join(f"{value:.3f}" for value in summary.shuffle.scores),
        shap_kind=KIND,
        models=[_model(Family(model), summary, folder, results.data.task) for model in summary.top_features],
        correlated=[str(name) for name in correlated],
        correlations=[(str(name), _row_of(correlations, name, correlated)) for name in correlated],
        implausible=[(one.image, one.verdict, one.reason) for one in summary.implausible[:_MOST_IMAGES]],
        implausible_count=len(summary.implausible),
        left_out=_columns(selection.left_out),
        leaky=_columns(selection.leaky),
        versions=", ".join(f"{name} {number}" for name, number in used_versions().items()),
    )


def _warnings(summary: AnalysisSummary) -> list[str]:
    return [*summary.notes, *([] if summary.shuffle.passed else [shuffle_sentence(summary)])]


def _facts(summary: AnalysisSummary) -> list[tuple[str, str]]:
    rows = "patients" if summary.unit is Unit.PATIENT else "images"
    images = f"{summary.rows} {rows} of {summary.patients} patients (patients read from {summary.grouping})"
    search = f"{summary.trials} trials of Optuna's TPE sampler inside each training fold"
    facts = [
        ("Target", with_unit(summary.target) if summary.event is None else f"the event {summary.event.text}"),
        ("Features", ", ".join(summary.selection.features)),
        ("Rows", images),
        ("Folds", f"{summary.folds}, all images of a patient in one; seed {summary.seed}"),
        ("Search", search),
    ]
    return facts if summary.merge is None else [*facts, *_merge_facts(summary.merge)]


def _merge_facts(merge: MergeSummary) -> list[tuple[str, str]]:
    return [
        ("Clinical table", f"{merge.table.name}, joined by {merge.rule}: {merge.matched} matched"),
        ("Images without a clinical row", _counted(merge.features_alone, merge.features_examples)),
        ("Clinical rows without an image", _counted(merge.clinical_alone, merge.clinical_examples)),
    ]


def _counted(count: int, examples: Sequence[str]) -> str:
    return f"{count}, such as {some_of(examples[:3])}" if examples else str(count)


def _view_rows(results: Results) -> list[tuple[str, ...]]:
    table = view_metrics(results)
    if table is None:
        return []
    return [
        (
            str(row["view"]),
            str(row["images"]),
            str(row["model"]),
            f"{row['r2']:.3f}",
            f"{row['rmse']:.4g}",
            f"{row['mae']:.4g}",
        )
        for row in table.to_dict("records")
    ]


def _model(family: Family, summary: AnalysisSummary, folder: Path, task: Task) -> dict[str, Any]:
    ranked = summary.top_features[str(family)]
    return {
        "label": LABELS[family],
        "features": [(name, f"{strength:.4g}") for name, strength in ranked],
        "importance": data_uri((folder / f"shap_importance_{family}.png").read_bytes(), "image/png"),
        "scatter": data_uri((folder / main_plot(family, task)).read_bytes(), "image/png"),
    }


def _row_of(correlations: pd.DataFrame, name: str, columns: Sequence[str]) -> list[float | None]:
    values = correlations[name].loc[list(columns)].tolist()
    return [None if value != value else float(value) for value in values]


def _columns(notes: Sequence[ColumnNote]) -> list[tuple[str, str]]:
    return [(note.column, note.reason) for note in notes]
