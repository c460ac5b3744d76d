"""How scores are written, in the report and on the terminal."""

from __future__ import annotations

from ..fit.families import LABELS
from ..records import AnalysisSummary, Estimate, EventScore, Family, Score

METRICS = {"r2": "R²", "auroc": "AUROC"}

_REGRESSION_HEADER = ("model", "R² [95 % interval]", "RMSE", "MAE")
_EVENT_HEADER = (
    "model",
    "AUROC [95 % interval]",
    "AUPRC",
    "Brier score",
    "calibration slope",
    "sensitivity",
    "specificity",
)


def score_header(summary: AnalysisSummary) -> tuple[str, ...]:
    """Return the names of the columns of the table of scores."""
    return _REGRESSION_HEADER if summary.event is None else _EVENT_HEADER


def score_row(score: Score | EventScore) -> tuple[str, ...]:
    """Write the scores of one model."""
    if isinstance(score, Score):
        return score.label, interval(score), f"{score.rmse:.4g}", f"{score.mae:.4g}"
    others = (score.auprc, score.brier, score.calibration_slope, score.sensitivity, score.specificity)
    return score.label, interval(score), *(estimate(one) for one in others)


def brief_row(score: Score | EventScore) -> tuple[str, ...]:
    """Write the scores of one model that fit on a terminal: the columns of `brief_header`."""
    if isinstance(score, Score):
        return score.label, interval(score), f"{score.rmse:.4g}"
    return score.label, interval(score), *(_number(one.value, 2) for one in (score.auprc, score.brier))


def brief_header(summary: AnalysisSummary) -> tuple[str, ...]:
    """Return the names of the columns of `brief_row`."""
    return score_header(summary)[: 3 if summary.event is None else 4]


def interval(score: Score | EventScore) -> str:
    """Write R² or AUROC with its 95 % interval, or a dash where it is not defined."""
    return _with_interval(*score.main, 3)


def estimate(one: Estimate) -> str:
    """Write a score with its 95 % interval, or a dash where it is not defined."""
    return _with_interval(one.value, one.low, one.high, 2)


def _with_interval(value: float, low: float, high: float, digits: int) -> str:
    shown = _number(value, digits)
    return shown if value != value else f"{shown} [{low:.{digits}f}, {high:.{digits}f}]"


def _number(value: float, digits: int) -> str:
    return "–" if value != value else f"{value:.{digits}f}"


def shuffle_sentence(summary: AnalysisSummary) -> str:
    """Describe the result of the runs on shuffled targets in one sentence."""
    shuffle = summary.shuffle
    label = LABELS[Family(shuffle.model)]
    reached = f"reaches {METRICS[shuffle.metric]} {shuffle.mean:.2f} (limit {shuffle.limit:.2f})"
    sentence = f"On targets shuffled between patients {label} {reached}"
    if shuffle.passed:
        return f"{sentence}: no leak is seen."
    return f"{sentence}: something leaks between the folds, or there are too few patients to tell."
