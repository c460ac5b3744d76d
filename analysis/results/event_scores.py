"""Scores of predicted events, each with a 95 % interval by a bootstrap over patients."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
import numpy.typing as npt

from ...metrics.bootstrap import RESAMPLES
from ..records import Estimate, EventScore, Floats

Statistic = Callable[[Floats, Floats, Floats], float]
"""Of events (0 or 1), predicted probabilities and the rows' weights."""

_PERCENTILES = (2.5, 97.5)
_EDGE = 1e-3
"""Probabilities are taken at least this far from 0 and 1 before their log-odds are computed."""
_NEWTON_STEPS = 25
_STEEPEST = 100.0


def auroc(events: Floats, predicted: Floats, weights: Floats) -> float:
    """Compute the area under the ROC curve, ties counting half; NaN where a class is missing."""
    yes, no = _weights_by_value(events, predicted, weights)
    total = float(yes.sum() * no.sum())
    below = np.cumsum(no) - no
    return float((yes * (below + no / 2)).sum() / total) if total else float("nan")


def auprc(events: Floats, predicted: Floats, weights: Floats) -> float:
    """Compute the average precision; NaN without events."""
    yes, no = (one[::-1] for one in _weights_by_value(events, predicted, weights))
    found, alarms = np.cumsum(yes), np.cumsum(yes + no)
    if found[-1] == 0:
        return float("nan")
    precision = np.divide(found, alarms, out=np.zeros_like(found), where=alarms > 0)
    return float((precision * yes).sum() / found[-1])


def brier(events: Floats, predicted: Floats, weights: Floats) -> float:
    """Compute the mean squared difference of probability and event."""
    return float(weights @ (predicted - events) ** 2 / weights.sum())


def calibration_slope(events: Floats, predicted: Floats, weights: Floats) -> float:
    """Compute the slope of a logistic regression of the event on the predicted log-odds; 1 is right.

    Below 1, predictions are too extreme. NaN where the predictions do not vary, or separate the classes.
    Source: Van Calster et al., Calibration: the Achilles heel of predictive analytics, BMC Medicine 17, 230.
    """
    clipped = np.clip(predicted, _EDGE, 1 - _EDGE)
    odds = np.log(clipped / (1 - clipped))
    if np.ptp(odds[weights > 0]) == 0 or len(np.unique(events[weights > 0])) < 2:
        return float("nan")
    matrix = np.column_stack([np.ones_like(odds), odds])
    beta = np.zeros(2)
    for _ in range(_NEWTON_STEPS):
        fitted = 1 / (1 + np.exp(-np.clip(matrix @ beta, -30, 30)))
        hessian = (matrix * (weights * fitted * (1 - fitted))[:, None]).T @ matrix
        if not np.isfinite(hessian).all() or np.linalg.cond(hessian) > 1e12:
            return float("nan")
        step = np.linalg.solve(hessian, matrix.T @ (weights * (events - fitted)))
        beta += step
        if np.abs(beta).max() > _STEEPEST:
            return float("nan")
        if np.abs(step).max() < 1e-8:
            break
    return float(beta[1])


def sensitivity(events: Floats, alarms: Floats, weights: Floats) -> float:
    """Compute the share of events with an alarm (0 or 1); NaN without events or alarms."""
    total = float(weights @ events)
    return float(weights @ (events * alarms)) / total if total else float("nan")


def specificity(events: Floats, alarms: Floats, weights: Floats) -> float:
    """Compute the share of rows without the event that have no alarm."""
    return sensitivity(1 - events, 1 - alarms, weights)


def score_event(
    model: str,
    label: str,
    events: Floats,
    predicted: Floats,
    alarms: Floats,
    patients: npt.NDArray[np.str_],
    *,
    seed: int,
    resamples: int = RESAMPLES,
) -> EventScore:
    """Score held-out predictions of all folds; the intervals are over patients, with the models fixed.

    Parameters
    ----------
    model, label : str
    events, predicted : ndarray of float64, shape (n,)
        0 or 1, and the probabilities of 1.
    alarms : ndarray of float64, shape (n,)
        1 where the probability reaches the threshold of the row's fold; NaN without thresholds.
    patients : ndarray of str, shape (n,)
    seed, resamples : int
    """
    statistics: Mapping[str, tuple[Statistic, Floats]] = {
        "auroc": (auroc, predicted),
        "auprc": (auprc, predicted),
        "brier": (brier, predicted),
        "calibration_slope": (calibration_slope, predicted),
        "sensitivity": (sensitivity, alarms),
        "specificity": (specificity, alarms),
    }
    names, index = np.unique(patients, return_inverse=True)
    rng = np.random.default_rng(seed)
    draws = {name: np.empty(resamples) for name in statistics}
    for place in range(resamples):
        drawn = np.bincount(rng.integers(len(names), size=len(names)), minlength=len(names))
        weights = drawn[index].astype(np.float64)
        for name, (statistic, values) in statistics.items():
            draws[name][place] = statistic(events, values, weights)
    ones = np.ones_like(events)
    return EventScore(
        model,
        label,
        **{
            name: _estimate(statistic(events, values, ones), draws[name])
            for name, (statistic, values) in statistics.items()
        },
    )


def _estimate(value: float, draws: Floats) -> Estimate:
    defined = draws[~np.isnan(draws)]
    low, high = np.percentile(defined, _PERCENTILES) if len(defined) else (np.nan, np.nan)
    return Estimate(value, float(low), float(high))


def _weights_by_value(events: Floats, predicted: Floats, weights: Floats) -> tuple[Floats, Floats]:
    """Sum the weights of both classes for each distinct prediction, lowest first."""
    values, index = np.unique(predicted, return_inverse=True)
    yes = np.bincount(index, weights=weights * events, minlength=len(values))
    no = np.bincount(index, weights=weights * (1 - events), minlength=len(values))
    return yes.astype(np.float64), no.astype(np.float64)
