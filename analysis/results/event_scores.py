"""Scores of predicted events, each with a 95 % interval by a bootstrap over patients."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial

import numpy as np
import numpy.typing as npt

from ...metrics.bootstrap import RESAMPLES, patient_resamples, percentile_interval
from ..records import Estimate, EventScore, Floats

Statistic = Callable[[Floats], float]
"""A score as a function of the rows' weights."""

Ranks = npt.NDArray[np.intp]

_EDGE = 1e-3
"""Probabilities are taken at least this far from 0 and 1 before their log-odds are computed."""
_NEWTON_STEPS = 25
_STEEPEST = 100.0


def auroc(events: Floats, predicted: Floats, weights: Floats) -> float:
    """Compute the area under the ROC curve, ties counting half; NaN where a class is missing."""
    return _auroc(events, _ranks(predicted), weights)


def _auroc(events: Floats, ranks: Ranks, weights: Floats) -> float:
    yes, no = _weights_by_rank(events, ranks, weights)
    total = float(yes.sum() * no.sum())
    below = np.cumsum(no) - no
    return float((yes * (below + no / 2)).sum() / total) if total else float("nan")


def auprc(events: Floats, predicted: Floats, weights: Floats) -> float:
    """Compute the average precision; NaN without events."""
    return _auprc(events, _ranks(predicted), weights)


def _auprc(events: Floats, ranks: Ranks, weights: Floats) -> float:
    yes, no = (one[::-1] for one in _weights_by_rank(events, ranks, weights))
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
    ranks = _ranks(predicted)  # sorted once, not in each resample
    statistics: Mapping[str, Statistic] = {
        "auroc": partial(_auroc, events, ranks),
        "auprc": partial(_auprc, events, ranks),
        "brier": partial(brier, events, predicted),
        "calibration_slope": partial(calibration_slope, events, predicted),
        "sensitivity": partial(sensitivity, events, alarms),
        "specificity": partial(specificity, events, alarms),
    }
    return EventScore(model, label, **_estimates(statistics, patients, seed=seed, resamples=resamples))


def score_prevalence(
    model: str,
    label: str,
    events: Floats,
    predicted: Floats,
    patients: npt.NDArray[np.str_],
    *,
    seed: int,
    resamples: int = RESAMPLES,
) -> EventScore:
    """Score the share of events in the training folds: only its Brier score is defined.

    The shares differ between folds, and are lower where the held-out rows have more events: as a ranking of
    all rows they are worse than chance, which says nothing.
    """
    undefined = Estimate(float("nan"), float("nan"), float("nan"))
    names = ("auroc", "auprc", "calibration_slope", "sensitivity", "specificity")
    scores = _estimates(
        {"brier": partial(brier, events, predicted)}, patients, seed=seed, resamples=resamples
    )
    return EventScore(model, label, **dict.fromkeys(names, undefined), **scores)


def _estimates(
    statistics: Mapping[str, Statistic], patients: npt.NDArray[np.str_], *, seed: int, resamples: int
) -> dict[str, Estimate]:
    names, index = np.unique(patients, return_inverse=True)
    draws = np.array(
        [
            [statistic(drawn[index].astype(np.float64)) for statistic in statistics.values()]
            for drawn in patient_resamples(len(names), seed=seed, resamples=resamples)
        ]
    )
    ones = np.ones(len(patients))
    return {
        name: Estimate(statistic(ones), *percentile_interval(draws[:, column]))
        for column, (name, statistic) in enumerate(statistics.items())
    }


def _ranks(predicted: Floats) -> Ranks:
    """Return the place of each prediction among the distinct ones, lowest first."""
    return np.unique(predicted, return_inverse=True)[1]


def _weights_by_rank(events: Floats, ranks: Ranks, weights: Floats) -> tuple[Floats, Floats]:
    """Sum the weights of both classes for each distinct prediction, lowest first."""
    yes = np.bincount(ranks, weights=weights * events)
    no = np.bincount(ranks, weights=weights * (1 - events))
    return yes.astype(np.float64), no.astype(np.float64)
