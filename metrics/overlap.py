"""Agreement of predicted masks with the ground truth: per image and class, and means with intervals."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from ..data.image import Gray
from .bootstrap import RESAMPLES, mean_interval
from .records import ClassMetrics, Interval


@dataclass(frozen=True)
class ImageScore:
    """Agreement of the predicted mask of one class with the ground truth on one image; areas in pixels."""

    key: str
    patient_id: str
    class_name: str
    truth_area: int
    predicted_area: int
    intersection: int

    @property
    def dice(self) -> float:
        """Dice coefficient; NaN if the class is absent (such images would distort the mean)."""
        if self.truth_area == 0:
            return float("nan")
        return 2 * self.intersection / (self.truth_area + self.predicted_area)

    @property
    def iou(self) -> float:
        """Intersection over union; NaN if the class is absent."""
        if self.truth_area == 0:
            return float("nan")
        return self.intersection / (self.truth_area + self.predicted_area - self.intersection)


def score(truth: Gray, predicted: Gray, *, key: str, patient_id: str, class_name: str) -> ImageScore:
    """Compare a predicted mask with the ground truth.

    Parameters
    ----------
    truth, predicted : ndarray of uint8 or bool, shape (height, width)
        Non-zero inside the class.

    Raises
    ------
    ValueError
        If the shapes differ.
    """
    if truth.shape != predicted.shape:
        raise ValueError(f"masks of {key} differ in shape: {truth.shape} and {predicted.shape}")
    in_truth, in_predicted = truth > 0, predicted > 0
    return ImageScore(
        key=key,
        patient_id=patient_id,
        class_name=class_name,
        truth_area=int(np.count_nonzero(in_truth)),
        predicted_area=int(np.count_nonzero(in_predicted)),
        intersection=int(np.count_nonzero(in_truth & in_predicted)),
    )


def class_metrics(scores: Sequence[ImageScore], *, seed: int = 0, resamples: int = RESAMPLES) -> ClassMetrics:
    """Summarize one class: Dice and IoU over the images that show it, specificity over those that do not.

    Parameters
    ----------
    scores : sequence of ImageScore
        All of the same class.
    seed : int
        Seed of the bootstrap.
    resamples : int
        Number of bootstrap samples.

    Returns
    -------
    ClassMetrics
        Means with 95 % confidence intervals.
    """
    positives = [item for item in scores if item.truth_area > 0]
    empties = [item for item in scores if item.truth_area == 0]

    def mean(images: Sequence[ImageScore], metric: Callable[[ImageScore], float]) -> Interval | None:
        values = np.array([metric(item) for item in images], np.float64)
        patients = [item.patient_id for item in images]
        return mean_interval(values, patients, seed=seed, resamples=resamples) if images else None

    return ClassMetrics(
        positives=len(positives),
        empties=len(empties),
        dice=mean(positives, lambda item: item.dice),
        iou=mean(positives, lambda item: item.iou),
        specificity=mean(empties, lambda item: float(item.predicted_area == 0)),
    )


def describe(metrics: ClassMetrics) -> str:
    """Describe the metrics of one class in one line."""
    phrases = []
    if metrics.dice and metrics.iou:
        dice, iou = _format(metrics.dice), _format(metrics.iou)
        phrases.append(f"Dice {dice}, IoU {iou} on {metrics.positives} images")
    if metrics.specificity:
        phrases.append(f"specificity {_format(metrics.specificity)} on {metrics.empties} without it")
    return "; ".join(phrases)


def _format(interval: Interval) -> str:
    return f"{interval.value:.3f} ({interval.low:.3f} to {interval.high:.3f})"
