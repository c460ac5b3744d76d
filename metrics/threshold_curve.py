"""Dice and specificity of probability maps as a function of the threshold, and the best threshold."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ..data.image import Gray
from .bootstrap import mean_interval
from .records import Interval

THRESHOLDS = tuple(step / 20 for step in range(1, 20))
"""0.05 to 0.95 in steps of 0.05."""

_DEFAULT = 0.5


@dataclass(frozen=True)
class ThresholdCounts:
    """Pixels of one class on one image: of the ground truth, and at each threshold.

    Attributes
    ----------
    truth_area : int
    predicted_areas, intersections : tuple of int
        One per threshold.
    """

    truth_area: int
    predicted_areas: tuple[int, ...]
    intersections: tuple[int, ...]

    @property
    def dice(self) -> tuple[float, ...]:
        """Dice coefficient at each threshold; NaN if the class is absent."""
        if not self.truth_area:
            return (float("nan"),) * len(self.predicted_areas)
        pairs = zip(self.predicted_areas, self.intersections, strict=True)
        return tuple(2 * common / (self.truth_area + area) for area, common in pairs)


@dataclass(frozen=True)
class ThresholdPoint:
    """One point of the curve: mean Dice on images that show the class, specificity on those that do not."""

    threshold: float
    dice: Interval | None
    specificity: Interval | None


def count_at_thresholds(
    truth: Gray, probability: npt.NDArray[np.float32], thresholds: Sequence[float] = THRESHOLDS
) -> ThresholdCounts:
    """Count the pixels whose probability is at least each threshold.

    Parameters
    ----------
    truth : ndarray of uint8, shape (height, width)
        Non-zero inside the class.
    probability : ndarray of float32, shape (height, width)
    thresholds : sequence of float
    """
    inside = probability[truth > 0]
    return ThresholdCounts(
        truth_area=inside.size,
        predicted_areas=tuple(int(np.count_nonzero(probability >= one)) for one in thresholds),
        intersections=tuple(int(np.count_nonzero(inside >= one)) for one in thresholds),
    )


def threshold_curve(
    counts: Sequence[ThresholdCounts],
    patients: Sequence[str],
    thresholds: Sequence[float] = THRESHOLDS,
    *,
    seed: int = 0,
) -> tuple[ThresholdPoint, ...]:
    """Summarize images at each threshold, with intervals over patients.

    Parameters
    ----------
    counts : sequence of ThresholdCounts
        One per image.
    patients : sequence of str
        Of the images.
    thresholds : sequence of float
        Those of `counts`.
    seed : int
        Seed of the bootstrap.
    """
    pairs = list(zip(counts, patients, strict=True))
    shown = [(one.dice, patient) for one, patient in pairs if one.truth_area]
    absent = [(one.predicted_areas, patient) for one, patient in pairs if not one.truth_area]

    def mean(values: list[float], group: Sequence[tuple[object, str]]) -> Interval | None:
        names = [patient for _, patient in group]
        return mean_interval(np.array(values, np.float64), names, seed=seed) if names else None

    return tuple(
        ThresholdPoint(
            threshold,
            dice=mean([dice[index] for dice, _ in shown], shown),
            specificity=mean([float(areas[index] == 0) for areas, _ in absent], absent),
        )
        for index, threshold in enumerate(thresholds)
    )


def best_threshold(curve: Sequence[ThresholdPoint]) -> float | None:
    """Return the threshold of the highest mean Dice; of equal ones the nearest to 0.5, without Dice None."""
    defined = [(one.dice.value, one.threshold) for one in curve if one.dice is not None]
    if not defined:
        return None
    return max(defined, key=lambda pair: (pair[0], -abs(pair[1] - _DEFAULT)))[1]
