"""The plot of predicted events: ROC, precision and recall, calibration, decision curve."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from ...data.colors import BLUE, hex_color
from ...machine.extras import require
from ..records import EventScore, Floats
from .plots import DPI, literal, new_figure

_LARGEST_BINS = 10
_ROWS_PER_BIN = 8
_GRAY = {"color": "#777777", "linestyle": "--", "linewidth": 1}


def draw_event_curves(
    path: Path, score: EventScore, event: str, events: Floats, predicted: Floats, *, patients: int
) -> None:
    """Plot ROC, precision and recall, calibration and decision curve of held-out predictions.

    Net benefit: Vickers and Elkin, Decision curve analysis, Med Decis Making 26 (2006), 565-574.
    """
    figure, axes = new_figure(12.0, 10.0, rows=2, columns=2)
    roc, precision, calibration, decision = axes.ravel()
    _draw_roc(roc, score, events, predicted)
    _draw_precision(precision, score, events, predicted)
    _draw_calibration(calibration, score, events, predicted)
    _draw_decision(decision, events, predicted)
    figure.suptitle(
        f"{literal(event)} by {score.label}: held-out predictions\n"
        f"{len(events)} rows of {patients} patients, {int(events.sum())} events",
        fontsize=12,
    )
    figure.savefig(path, dpi=DPI)


def calibration_bins(events: Floats, predicted: Floats) -> tuple[Floats, Floats, Floats]:
    """Return the mean probability, the share of events and the number of rows in bins of about equal size."""
    bins = max(1, min(_LARGEST_BINS, len(events) // _ROWS_PER_BIN))
    parts = np.array_split(np.argsort(predicted, kind="stable"), bins)
    means = [float(predicted[part].mean()) for part in parts]
    shares = [float(events[part].mean()) for part in parts]
    return np.array(means), np.array(shares), np.array([float(len(part)) for part in parts])


def net_benefit(events: Floats, predicted: Floats, thresholds: Floats) -> Floats:
    """Return the net benefit, per row, of acting where the probability reaches each threshold."""
    found = np.array([(events * (predicted >= one)).mean() for one in thresholds])
    alarms = np.array([((1 - events) * (predicted >= one)).mean() for one in thresholds])
    return np.asarray(found - alarms * thresholds / (1 - thresholds))


def _draw_roc(axes: Any, score: EventScore, events: Floats, predicted: Floats) -> None:
    alarms, found, _ = require("sklearn.metrics", extra="analysis").roc_curve(events, predicted)
    axes.plot(alarms, found, color=hex_color(BLUE))
    axes.plot([0, 1], [0, 1], **_GRAY)
    value, low, high = score.main
    axes.set_title(f"AUROC {value:.2f} [{low:.2f}, {high:.2f}]", fontsize=11)
    axes.set(xlabel="1 - specificity", ylabel="sensitivity", xlim=(0, 1), ylim=(0, 1.02))


def _draw_precision(axes: Any, score: EventScore, events: Floats, predicted: Floats) -> None:
    metrics = require("sklearn.metrics", extra="analysis")
    precision, recall, _ = metrics.precision_recall_curve(events, predicted)
    # The last point, at recall 0, stands for no alarm at all.
    axes.step(recall[:-1], precision[:-1], where="post", color=hex_color(BLUE))
    prevalence = float(events.mean())
    axes.axhline(prevalence, **_GRAY)
    one = score.auprc
    axes.set_title(
        f"AUPRC {one.value:.2f} [{one.low:.2f}, {one.high:.2f}]; prevalence {prevalence:.2f}", fontsize=11
    )
    axes.set(xlabel="recall (sensitivity)", ylabel="precision", xlim=(0, 1), ylim=(0, 1.02))


def _draw_calibration(axes: Any, score: EventScore, events: Floats, predicted: Floats) -> None:
    means, shares, counts = calibration_bins(events, predicted)
    errors = np.sqrt(shares * (1 - shares) / counts)
    axes.errorbar(means, shares, yerr=errors, fmt="o-", color=hex_color(BLUE), capsize=2)
    axes.plot([0, 1], [0, 1], **_GRAY)
    slope = score.calibration_slope
    shown = f"calibration slope {slope.value:.2f} [{slope.low:.2f}, {slope.high:.2f}]"
    axes.set_title(f"{shown}, Brier score {score.brier.value:.3f}", fontsize=11)
    axes.set(xlabel="mean predicted probability", ylabel="share of events (bars: standard error)")
    axes.set(xlim=(0, 1), ylim=(-0.02, 1.02))


def _draw_decision(axes: Any, events: Floats, predicted: Floats) -> None:
    thresholds = np.linspace(0.02, 0.9, 89)
    prevalence = float(events.mean())
    axes.plot(thresholds, net_benefit(events, predicted, thresholds), color=hex_color(BLUE), label="model")
    everyone = net_benefit(events, np.ones_like(events), thresholds)
    axes.plot(thresholds, everyone, **_GRAY, label="act on everyone")
    axes.axhline(0, color="#222222", linewidth=1, label="act on no one")
    axes.set_title("decision curve", fontsize=11)
    axes.set(xlabel="threshold probability", ylabel="net benefit", ylim=(-0.1, prevalence + 0.05))
    axes.legend(fontsize=9)
