"""The plots of an analysis: held-out predictions, and the features that they are made of."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from ...data.colors import BLUE, POINTS, hex_color
from ...data.columns import unit_of, with_unit
from ...machine.extras import require
from ..fit.explanation import KIND
from ..fit.families import UNKNOWN
from ..records import EventScore, Family, Floats, Score
from ..table.selection import is_number

if TYPE_CHECKING:
    import pandas as pd

_NEUTRAL = "#8a8a8a"
_MOST_SHOWN = 15
_LEGIBLE = 0.04
"""Distance that two labels need, as a share of the axis."""
DPI = 150


def draw_scatter(
    path: Path,
    score: Score,
    target: str,
    measured: Floats,
    predicted: Floats,
    *,
    patients: int,
    views: npt.NDArray[np.str_] | None,
) -> None:
    """Plot held-out predictions against measured values, with R² and its interval."""
    shown = literal(with_unit(target))
    figure, axes = new_figure(6.0, 6.0)
    for place, (name, rows) in enumerate(_rows_by_view(views, len(measured))):
        color = hex_color(POINTS[min(place, len(POINTS) - 1)])
        label = f"{literal(name)} (n = {int(rows.sum())})" if name else None
        axes.scatter(
            measured[rows], predicted[rows], s=22, alpha=0.65, color=color, linewidths=0, label=label
        )
    low = float(min(measured.min(), predicted.min()))
    high = float(max(measured.max(), predicted.max()))
    margin = 0.04 * (high - low)
    axes.plot(
        [low, high], [low, high], color="#444444", linewidth=1, linestyle="--", label="predicted = measured"
    )
    axes.set(xlim=(low - margin, high + margin), ylim=(low - margin, high + margin), aspect="equal")
    axes.set_xlabel(f"measured {shown}")
    axes.set_ylabel(f"predicted {shown}")
    axes.set_title(f"{literal(target)} by {score.label}: held-out predictions", fontsize=12)
    text = (
        f"R² {score.r2:.2f} [{score.r2_low:.2f}, {score.r2_high:.2f}]\n"
        f"RMSE {score.rmse:.3g}\nn = {len(measured)} rows, {patients} patients"
    )
    box = {"boxstyle": "round", "facecolor": "white", "edgecolor": "#cccccc", "alpha": 0.9}
    axes.text(0.03, 0.97, text, transform=axes.transAxes, va="top", fontsize=10, bbox=box)
    axes.legend(loc="lower right", fontsize=9)
    figure.savefig(path, dpi=DPI)


def draw_importance(
    path: Path,
    score: Score | EventScore,
    target: str,
    features: pd.DataFrame,
    values: Floats,
    *,
    patients: int,
) -> None:
    """Plot mean absolute SHAP values, and the value of each held-out image, colored by its feature."""
    goal = literal(target)
    strength = np.abs(values).mean(axis=0)
    order = np.argsort(strength, kind="stable")[-_MOST_SHOWN:]
    names = [literal(str(features.columns[place])) for place in order]
    height = 2.0 + 0.5 * len(order)
    figure, (bars, dots) = new_figure(11.0, height, columns=2)
    bars.barh(range(len(order)), strength[order], color=hex_color(BLUE), height=0.6)
    bars.set_yticks(range(len(order)), names)
    bars.set_xlabel(f"mean |SHAP value|, {goal}" + _unit_line(score, target))
    color_map = require("matplotlib", extra="analysis").colormaps["coolwarm"]
    rng = np.random.default_rng(0)
    for row, place in enumerate(order):
        heights = row + _swarm_offsets(values[:, place], rng)
        column = features.iloc[:, place]
        color = color_map(_ranks(column)) if is_number(column) else _NEUTRAL
        dots.scatter(values[:, place], heights, s=10, c=color, linewidths=0, alpha=0.8)
        if not is_number(column):
            _label_levels(dots, column, values[:, place], row, span=float(np.ptp(values)))
    dots.axvline(0, color="#888888", linewidth=0.8)
    dots.set_yticks(range(len(order)), [""] * len(order))
    dots.set(ylim=(-0.6, len(order) - 0.4), xlabel=f"SHAP value, {goal}" + _unit_line(score, target))
    bars.set_ylim(dots.get_ylim())
    for axes in (bars, dots):
        axes.locator_params(axis="x", nbins=6)
    dots.set_title("each held-out row (numbers: blue low to red high; texts: gray)", fontsize=9)
    figure.suptitle(
        f"{score.label}: what its held-out predictions of {goal} are made of\n"
        f"{len(values)} rows of {patients} patients; SHAP ({KIND}): associations, not causes",
        fontsize=11,
    )
    figure.savefig(path, dpi=DPI)


def literal(text: str) -> str:
    r"""Return a text that matplotlib shows as it is: a bare `$` would start a formula.

    Examples
    --------
    >>> print(literal("cost in $"))
    cost in \$
    """
    return text.replace("$", r"\$")


def new_figure(width: float, height: float, *, rows: int = 1, columns: int = 1) -> tuple[Any, Any]:
    """Make a figure of this size in inches, and its axes."""
    # Without pyplot there is no global state and no window: savefig uses the Agg backend.
    figure = require("matplotlib.figure", extra="analysis").Figure(
        figsize=(width, height), layout="constrained"
    )
    axes = figure.subplots(rows, columns)
    for one in np.ravel(axes):
        one.spines[["top", "right"]].set_visible(False)
        one.grid(color="#e6e6e6", linewidth=0.6)
        one.set_axisbelow(True)
    return figure, axes


def _rows_by_view(views: npt.NDArray[np.str_] | None, rows: int) -> list[tuple[str, npt.NDArray[np.bool_]]]:
    if views is None:
        return [("", np.ones(rows, dtype=bool))]
    return [(str(name), views == name) for name in np.unique(views)]


def _unit_line(score: Score | EventScore, target: str) -> str:
    if isinstance(score, EventScore):
        return " (probability)" if score.model == Family.RF else " (log-odds)"
    unit = unit_of(target)
    return f" ({unit})" if unit else ""


def _swarm_offsets(values: Floats, rng: np.random.Generator) -> Floats:
    # The denser the values, the taller the swarm.
    counts, edges = np.histogram(values, bins=40)
    density = counts[np.clip(np.digitize(values, edges) - 1, 0, len(counts) - 1)] / counts.max()
    offsets: Floats = rng.uniform(-0.3, 0.3, len(values)) * np.sqrt(density)
    return offsets


def _ranks(column: pd.Series) -> Floats:
    return np.asarray(column.rank(pct=True).fillna(0.5), dtype=np.float64)


def _label_levels(axes: Any, column: pd.Series, values: Floats, row: int, *, span: float) -> None:
    levels: Sequence[str] = sorted(set(column) - {UNKNOWN})
    middles = sorted((float(np.median(values[(column == level).to_numpy()])), level) for level in levels)
    places = [middle for middle, _ in middles]
    if not 1 < len(levels) <= 3 or min(np.diff(places)) < _LEGIBLE * span:
        return
    for middle, level in middles:
        axes.annotate(
            literal(level), (middle, row + 0.32), ha="center", va="bottom", fontsize=8, color="#333333"
        )
