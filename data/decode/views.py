"""Choose, among the ways to turn sample values into gray values, the first that fits the pixels.

The rule of `docs/dicom.md`, followed by every format. Headers state a window, a look-up table or a number of
bits; files are converted, cropped and shifted after these were written. A view that the pixels contradict
would leave a nearly black, white or gray image, so each is checked against the pixels.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from ...errors import DecodeError
from ..image import Gray, GrayFrom, Note

Integers = npt.NDArray[np.int64]
Reals = npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]

_IGNORED = 0.005
"""Part of the pixels at either end whose gray is not considered: labels, dead pixels."""
MIN_SPAN = 32
"""Gray values that the other pixels must span, an eighth of the range."""
FULL_RANGE_SPAN = 85
"""The same for the range of the declared bits, a third: most files of 16 bits hold fewer."""
_NEARLY_BLACK, _NEARLY_WHITE = 85, 170
"""At least one pixel must be brighter, and one darker, than this: a third and two thirds of the range."""
MAX_OUTSIDE = 3 / 4
"""Part of the pixels that a window may clip."""
_MIN_VALUES = 16
"""Distinct values that are needed to stretch the range in use."""


@dataclass(frozen=True)
class View:
    """One way to turn sample values into gray values.

    Attributes
    ----------
    source : str
        For `Radiograph.gray_from`.
    brightness : ndarray of float64, shape (n,)
        For each sample value, 0 for black to 1 for white; clipped beyond.
    outside : ndarray of bool, shape (n,)
        Whether each sample value lies outside the window or table.
    max_outside : float
        Part of the pixels that may lie outside.
    min_span : int
        Gray values that the pixels must span.
    """

    source: str
    brightness: Reals
    outside: Flags
    max_outside: float = MAX_OUTSIDE
    min_span: int = MIN_SPAN

    @cached_property
    def gray(self) -> Gray:
        """The gray value of each sample value."""
        return np.rint(255 * np.clip(self.brightness, 0, 1)).astype(np.uint8)


@dataclass(frozen=True)
class Samples:
    """The sample values that an image can have, and how many of its pixels have each.

    Attributes
    ----------
    values : ndarray of float64, shape (n,)
        In any order.
    counts : ndarray of int64, shape (n,)
        Without padding.
    """

    values: Reals
    counts: Integers

    @cached_property
    def present(self) -> Integers:
        """Indices of the values that occur, in ascending order of the values."""
        index = np.flatnonzero(self.counts)
        return np.asarray(index[np.argsort(self.values[index], kind="stable")])

    @cached_property
    def in_use(self) -> Integers:
        """Indices of the values that occur, without isolated ones: padding that no header declares.

        The lowest or highest value is isolated if it is further from the others than those from each other.
        """
        index = self.present
        if len(index) <= _MIN_VALUES:
            return index
        values = self.values[index]
        spread = values[-2] - values[1]
        first, last = int(values[1] - values[0] > spread), int(values[-1] - values[-2] > spread)
        return index[first : len(index) - last]

    def fits(self, view: View) -> bool:
        """Return whether a view shows the pixels: they are neither nearly of one gray nor mostly clipped."""
        low, high = self.gray_range(view.gray)
        if high - low < view.min_span or high < _NEARLY_BLACK or low > _NEARLY_WHITE:
            return False
        inner = self.in_use[1:-1]  # the lowest and the highest value may be a background
        counts = self.counts[inner]
        return int(counts[view.outside[inner]].sum()) <= view.max_outside * int(counts.sum())

    def first_that_fits(self, views: Iterable[View]) -> View | None:
        """Return the first view that fits the pixels."""
        return next((view for view in views if self.fits(view)), None)

    def gray_range(self, gray: Gray) -> tuple[int, int]:
        """Return the darkest and brightest gray, without the few darkest and brightest pixels."""
        index = self.in_use
        histogram = np.bincount(gray[index], weights=self.counts[index], minlength=256)
        return ends(histogram)

    def range_in_use(self) -> View:
        """Return the view that stretches the pixels' own range to all gray values.

        Raises
        ------
        DecodeError
            If the pixels have too few values to be an image.
        """
        values = self.values[self.in_use]
        if len(values) < _MIN_VALUES:
            raise DecodeError(
                f"its pixels have only {len(values)} different values, from {values[0]:g} to {values[-1]:g}, "
                "which is little of the range that its header declares; export it again"
            )
        view = range_view(GrayFrom.RANGE_IN_USE, self.values, values[0], values[-1])
        if self.fits(view):
            return view
        low, high = ends(self.counts[self.in_use])
        if low == high:
            return view
        return range_view(GrayFrom.RANGE_IN_USE, self.values, values[low], values[high])


def ramp(values: Reals, center: float, width: float) -> Reals:
    """Map a window linearly, its lower edge to 0 and its upper edge to 1; one of no width is a threshold."""
    if width == 0:
        return np.asarray(values > center, np.float64)
    return np.asarray((values - center) / width + 0.5)


def full_range(values: Reals, black: float, white: float) -> View:
    """Return the view of all values that the declared bits can hold."""
    return replace(range_view(GrayFrom.FULL_RANGE, values, black, white), min_span=FULL_RANGE_SPAN)


def range_view(source: str, values: Reals, black: float, white: float) -> View:
    """Return the view that maps `black` to 0 and `white` to 1 linearly."""
    brightness = ramp(values, (black + white) / 2, white - black)
    return View(source, brightness, (values < black) | (values > white))


def ends(histogram: npt.NDArray[Any]) -> tuple[int, int]:
    """Return the first and last bin of a histogram, without `_IGNORED` of the pixels at either end."""
    below = np.cumsum(histogram)
    low = np.searchsorted(below, _IGNORED * below[-1], side="right")
    high = np.searchsorted(below, (1 - _IGNORED) * below[-1], side="left")
    return int(low), int(high)


def count_samples(samples: npt.NDArray[Any]) -> Integers:
    """Count the pixels with each bit pattern of uint8 or uint16 samples, shape (256,) or (65536,)."""
    bins = 1 << 8 * samples.itemsize
    return np.asarray(cv2.calcHist([samples], [0], None, [bins], [0, bins]).ravel(), np.int64)


def fill_table(counts: Integers, present: Integers, gray: Gray) -> Gray:
    """Return the gray value of each bit pattern, 0 where none is given, to look pixels up in.

    Parameters
    ----------
    counts : ndarray of int64, shape (256,) or (65536,)
        As from `count_samples`.
    present : ndarray of int64, shape (n,)
        The patterns that occur.
    gray : ndarray of uint8, shape (n,)
        Their gray values.
    """
    table = np.zeros(len(counts), np.uint8)
    table[present] = gray
    return table


def notes_on(histogram: npt.NDArray[Any]) -> tuple[Note, ...]:
    """Return what is unusual about an image with these counts of its 256 gray values."""
    low, high = ends(histogram)
    return (Note.NEARLY_ONE_GRAY,) if high - low < MIN_SPAN else ()


def check_one_gray(gray: Gray) -> None:
    """Check that an image has more than one gray value.

    Raises
    ------
    DecodeError
        If it has one.
    """
    if gray.min() == gray.max():
        raise DecodeError(
            f"every pixel has the same gray value ({gray.min()}), so it holds no image; export it again"
        )
