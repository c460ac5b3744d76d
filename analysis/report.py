"""report.html: one page that holds all of it, plots included, and can be sent as it is."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Mapping, Sequence
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING

from ..data.columns import with_unit
from ..report.page import _image
from .explain import KIND
from .records import AnalysisSummary, Family, Score
from .regressors import LABELS
from .results import Results
from .scores import view_metrics
from .versions import used_versions

if TYPE_CHECKING:
    import pandas as pd

RESEARCH = "For research use only; not for diagnosis. Associations in this table of images, not causes."
_MOST_CORRELATED = 15
_STYLE = """
body { font: 15px/1.5 system-ui, sans-serif; max-width: 60rem;
       margin: 2rem auto; padding: 0 1rem; color: #222 }
h1 { font-size: 1.6rem } h2 { font-size: 1.2rem; margin-top: 2.2rem; border-bottom: 1px solid #ddd }
table { border-collapse: collapse; margin: .8rem 0; font-size: .9rem }
th, td { padding: .25rem .7rem; border-bottom: 1px solid #e5e5e5; text-align: left; vertical-align: top }
td.n, th.n { text-align: right; font-variant-numeric: tabular-nums }
img { max-width: 100%; height: auto } .wide { overflow-x: auto }
.warn { background: #fff4e0; border-left: 4px solid #d1742b; padding: .5rem .8rem; margin: .6rem 0 }
.use { color: #666; font-style: italic }
"""


def render(summary: AnalysisSummary, results: Results, related: pd.DataFrame, folder: Path) -> str:
    """Write the report as HTML; its plots are taken from `folder` and put inside, all texts escaped."""
    title = f"Analysis of {summary.target}"
    parts = [
        f"<h1>{escape(title)}</h1><p class='use'>{escape(RESEARCH)}</p>",
        *(f"<div class='warn'>{escape(note)}</div>" for note in _alarms(summary)),
        _asked(summary),
        _scores(summary, results),
        _views(results),
        _shuffle(summary),
        _explained(summary, folder),
        _correlated(related),
        _columns(summary),
        _versions(),
    ]
    head = f"<meta charset='utf-8'><title>{escape(title)}</title><style>{_STYLE}</style>"
    return f"<!doctype html><html lang='en'><head>{head}</head><body>{''.join(parts)}</body></html>\n"


def _versions() -> str:
    listed = ", ".join(f"{name} {number}" for name, number in used_versions().items())
    return f"<p class='use'>{escape(listed)}</p>"


def shuffle_sentence(summary: AnalysisSummary) -> str:
    """Say in one sentence what the run on shuffled targets gave."""
    shuffle = summary.shuffle
    name = LABELS[Family(shuffle.model)]
    reached = f"reaches R² {shuffle.mean:.2f} (limit {shuffle.limit:.2f})"
    line = f"On targets shuffled between patients {name} {reached}"
    if shuffle.passed:
        return f"{line}: no leak is seen."
    return f"{line}: something leaks between the folds, or there are too few patients to tell."


def interval(score: Score) -> str:
    """Write R² with its 95 % interval."""
    return f"{score.r2:.3f} [{score.r2_low:.3f}, {score.r2_high:.3f}]"


def _alarms(summary: AnalysisSummary) -> list[str]:
    return [*summary.notes, *([] if summary.shuffle.passed else [shuffle_sentence(summary)])]


def _asked(summary: AnalysisSummary) -> str:
    lines = [
        ("Target", with_unit(summary.target)),
        ("Features", ", ".join(summary.selection.features)),
        (
            "Images",
            f"{summary.rows} of {summary.patients} patients (patients read from {summary.grouping})",
        ),
        ("Folds", f"{summary.folds}, all images of a patient in one; seed {summary.seed}"),
        (
            "Search",
            f"{summary.trials} trials of Optuna's TPE inside each training fold",
        ),
    ]
    if merge := summary.merge:
        lines += [
            (
                "Clinical table",
                f"{merge.table.name}, joined by {merge.rule}: {merge.matched} matched",
            ),
            ("Images without clinical row", _counted(merge.features_alone, merge.features_examples)),
            ("Clinical rows without image", _counted(merge.clinical_alone, merge.clinical_examples)),
        ]
    return "<h2>What was asked</h2>" + _table((), lines)


def _counted(count: int, examples: Sequence[str]) -> str:
    return f"{count}, such as {', '.join(examples[:3])}" if examples else "0"


def _scores(summary: AnalysisSummary, results: Results) -> str:
    rows = [(s.label, interval(s), f"{s.rmse:.4g}", f"{s.mae:.4g}") for s in summary.scores]
    spread = float(results.data.target.std())
    return (
        "<h2>How well held-out patients are predicted</h2>"
        + _table(("model", "R² [95 % interval]", "RMSE", "MAE"), rows, numbers=3)
        + "<p>Pooled over the outer folds; the baselines are the mean of the training folds and a ridge"
        " regression. Parameters were searched inside the training folds only, so no number here was chosen"
        " for being high. The interval comes from drawing patients anew 1000 times, the fitted models held"
        " fixed. RMSE and MAE are in the target's unit, whose standard deviation is"
        f" {spread:.4g}. A tuned model is worth its trouble only where it beats the linear one.</p>"
    )


def _views(results: Results) -> str:
    table = view_metrics(results)
    if table is None:
        return ""
    rows = [
        (str(row["view"]), str(row["images"]), str(row["model"]), *_figures(row))
        for row in table.to_dict("records")
    ]
    head = ("view", "images", "model", "R²", "RMSE", "MAE")
    note = "The same predictions, judged within each view: a score that only tells views apart falls here."
    return f"<h2>By view</h2>{_table(head, rows, numbers=3)}<p>{note}</p>"


def _figures(row: Mapping[Hashable, float]) -> tuple[str, ...]:
    return (f"{row['r2']:.3f}", f"{row['rmse']:.4g}", f"{row['mae']:.4g}")


def _shuffle(summary: AnalysisSummary) -> str:
    runs = ", ".join(f"{value:.3f}" for value in summary.shuffle.r2)
    return (
        f"<h2>Leak alarm</h2><p>{escape(shuffle_sentence(summary))} Runs: {runs}. Each patient was given"
        " another's targets; what a model then predicts is chance, or a leak.</p>"
    )


def _explained(summary: AnalysisSummary, folder: Path) -> str:
    parts = [
        "<h2>What the predictions are made of</h2>"
        f"<p>SHAP values ({KIND}) of held-out images, pooled over the outer folds, in the target's unit."
        " They tell what a model uses, not what causes the target; features that go together share their"
        " credit (see the correlations).</p>"
    ]
    for model, ranked in summary.top_features.items():
        label = escape(LABELS[Family(model)])
        rows = [(name, f"{strength:.4g}") for name, strength in ranked]
        parts.append(f"<h3>{label}</h3>" + _table(("feature", "mean |SHAP|"), rows, numbers=1))
        for kind in ("shap_importance", "cv_scatter"):
            parts.append(_image(folder / f"{kind}_{model}.png", f"{kind.replace('_', ' ')} of {label}"))
    return "".join(parts)


def _correlated(related: pd.DataFrame) -> str:
    names = list(related.columns)[-_MOST_CORRELATED:]
    cells = "".join(
        f"<tr><th>{escape(str(one))}</th>"
        + "".join(_cell(value) for value in related[one].loc[names].tolist())
        + "</tr>"
        for one in names
    )
    head = "".join(f"<th class='n'>{escape(str(name))}</th>" for name in names)
    table = f"<table><tr><th></th>{head}</tr>{cells}</table>"
    return f"<h2>Spearman correlations</h2><div class='wide'>{table}</div>"


def _cell(value: float) -> str:
    if value != value:
        return "<td class='n'></td>"
    color = "43,108,163" if value > 0 else "209,116,43"
    return f"<td class='n' style='background: rgba({color},{abs(value) * 0.6:.2f})'>{value:.2f}</td>"


def _columns(summary: AnalysisSummary) -> str:
    out = [(note.column, note.reason) for note in summary.selection.left_out]
    parts = ["<h2>Columns that were left out</h2>", _table(("column", "why"), out) if out else "<p>None.</p>"]
    if summary.selection.leaky:
        inside = [(note.column, note.reason) for note in summary.selection.leaky]
        parts += ["<h2>Columns that carry the target and were let in</h2>", _table(("column", "why"), inside)]
    return "".join(parts)


def _table(head: Sequence[str], rows: Iterable[Sequence[str]], numbers: int = 0) -> str:
    """Write a table; its last `numbers` columns are set flush right."""

    def line(cells: Sequence[str], tag: str) -> str:
        first = len(cells) - numbers
        return "".join(
            f"<{tag}{' class=n' if place >= first else ''}>{escape(cell)}</{tag}>"
            for place, cell in enumerate(cells)
        )

    top = f"<tr>{line(head, 'th')}</tr>" if head else ""
    body = "".join(f"<tr>{line(row, 'td')}</tr>" for row in rows)
    return f"<table>{top}{body}</table>"
