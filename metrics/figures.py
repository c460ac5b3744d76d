"""The figures that a model card stores; light, so that a card is read without NumPy."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Interval:
    """A figure with its 95 % interval (bootstrap over patients)."""

    value: float
    low: float
    high: float


@dataclass(frozen=True)
class ClassMetrics:
    """How well one class is found on the validation split, at the images' own resolution.

    Dice and IoU are means over the images where the class is present (`positives`); specificity is the
    share of images without it (`empties`) on which nothing was found. None: there were no such images.
    """

    positives: int
    empties: int
    dice: Interval | None = None
    iou: Interval | None = None
    specificity: Interval | None = None
