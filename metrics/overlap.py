"""How well masks agree with the truth: a score an image and class, and their means with intervals."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from ..data.image import Gray
from .bootstrap import RESAMPLES, mean_interval
from .figures import ClassMetrics, Interval


@dataclass(frozen=True)
class ImageScore:
    """How one class of one image was found; areas are pixels of the image."""

    key: str
    patient_id: str
    class_name: str
    truth_area: int
    predicted_area: int
    intersection: int

    @property
    def dice(self) -> float:
        """Dice; NaN where the class is not there (a mean over such images would hide failure)."""
        if self.truth_area == 0:
            return float("nan")
        return 2 * self.intersection / (self.truth_area + self.predicted_area)

    @property
    def iou(self) -> float:
        """Intersection over union; NaN where the class is not there."""
        if self.truth_area == 0:
            return float("nan")
        return self.intersection / (self.truth_area + self.predicted_area - self.intersection)


def score(truth: Gray, predicted: Gray, *, key: str, patient_id: str, class_name: str) -> ImageScore:
    """Compare two masks.

    Parameters
    ----------
    truth, predicted : ndarray of uint8 or bool, shape (height, width)
        Non-zero where the class is.

    Raises
    ------
    ValueError
        If the shapes differ.
    """
    if truth.shape != predicted.shape:
        raise ValueError(f"masks of {key} differ in shape: {truth.shape} and {predicted.shape}")
    here, found = truth > 0, predicted > 0
    return ImageScore(
        key=key,
        patient_id=patient_id,
        class_name=class_name,
        truth_area=int(np.count_nonzero(here)),
        predicted_area=int(np.count_nonzero(found)),
        intersection=int(np.count_nonzero(here & found)),
    )


def class_metrics(scores: Sequence[ImageScore], *, seed: int = 0, resamples: int = RESAMPLES) -> ClassMetrics:
    """Sum up one class: Dice and IoU over the images that show it, specificity over those that do not.

    Parameters
    ----------
    scores : sequence of ImageScore
        Of one class.
    seed : int
        Of the bootstrap.
    resamples : int
        Number of bootstrap samples; each draws whole patients.

    Returns
    -------
    ClassMetrics
        With 95 % intervals.
    """
    positives = [item for item in scores if item.truth_area > 0]
    empties = [item for item in scores if item.truth_area == 0]

    def mean(of: Sequence[ImageScore], figure: Callable[[ImageScore], float]) -> Interval | None:
        values = np.array([figure(item) for item in of], np.float64)
        patients = [item.patient_id for item in of]
        return mean_interval(values, patients, seed=seed, resamples=resamples) if of else None

    return ClassMetrics(
        positives=len(positives),
        empties=len(empties),
        dice=mean(positives, lambda item: item.dice),
        iou=mean(positives, lambda item: item.iou),
        specificity=mean(empties, lambda item: float(item.predicted_area == 0)),
    )


def describe(figures: ClassMetrics) -> str:
    """Put one class's figures into a line for a reader."""
    parts = []
    if figures.dice and figures.iou:
        parts.append(f"Dice {_text(figures.dice)}, IoU {_text(figures.iou)} on {figures.positives} images")
    if figures.specificity:
        parts.append(f"specificity {_text(figures.specificity)} on {figures.empties} without it")
    return "; ".join(parts)


def _text(figure: Interval) -> str:
    return f"{figure.value:.3f} ({figure.low:.3f} to {figure.high:.3f})"
