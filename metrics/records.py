"""The metrics that a model card stores; imports nothing, so that a card is read without NumPy."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Interval:
    """A value with its 95 % confidence interval (bootstrap over patients)."""

    value: float
    low: float
    high: float


@dataclass(frozen=True)
class ClassMetrics:
    """Agreement of one class with the ground truth on the validation images, at their own resolution.

    Dice and IoU are means over the images that show the class (`positives`); specificity is the fraction of
    the images without it (`empties`) on which nothing is predicted. None: there are no such images.
    """

    positives: int
    empties: int
    dice: Interval | None = None
    iou: Interval | None = None
    specificity: Interval | None = None


@dataclass(frozen=True)
class BaselineMetrics:
    """A trivial prediction of one class on validation images that show it, compared with the model.

    Attributes
    ----------
    name : str
        Such as `mean mask`.
    images : int
        Number of images that were compared.
    dice : Interval
        Mean Dice of the baseline.
    difference : Interval
        Mean over the images of the Dice of the model minus that of the baseline.
    """

    name: str
    images: int
    dice: Interval
    difference: Interval
