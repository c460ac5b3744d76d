"""Lesion-wise agreement: which connected components of a predicted mask find which of the ground truth."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from ..data.image import Gray
from .bootstrap import patient_bootstrap
from .records import Interval

IOU_LIMITS = (0.1, 0.3, 0.5)
"""A predicted component finds one of the ground truth if their IoU is at least this."""


@dataclass(frozen=True)
class LesionCounts:
    """The connected components (8-connectivity) of one image.

    Attributes
    ----------
    truth, predicted : int
        Number of components of the ground truth and of the prediction.
    matched : tuple of int
        The largest number of one-to-one pairs whose IoU is at least each of `IOU_LIMITS`.
    """

    truth: int
    predicted: int
    matched: tuple[int, ...]


def match_lesions(truth: Gray, predicted: Gray, limits: Sequence[float] = IOU_LIMITS) -> LesionCounts:
    """Match the connected components of two masks.

    Parameters
    ----------
    truth, predicted : ndarray of uint8, shape (height, width)
        Non-zero inside the class.
    limits : sequence of float
        Above 0.

    Raises
    ------
    ValueError
        If the shapes differ.
    """
    if truth.shape != predicted.shape:
        raise ValueError(f"masks differ in shape: {truth.shape} and {predicted.shape}")
    first, second = (_components(mask) for mask in (truth, predicted))
    overlaps = _overlaps(first, second)
    matched = (_count_pairs([pair for pair, iou in overlaps if iou >= limit]) for limit in limits)
    return LesionCounts(len(first.areas), len(second.areas), tuple(matched))


def lesion_f1(
    counts: Sequence[LesionCounts], patients: Sequence[str], limit_index: int, *, seed: int = 0
) -> Interval | None:
    """Compute F1 over the components of all images together, with its interval over patients.

    Parameters
    ----------
    counts : sequence of LesionCounts
        Of all images whose ground truth is known, also of those without a lesion.
    patients : sequence of str
    limit_index : int
        Position in `IOU_LIMITS`.

    Returns
    -------
    Interval or None
        None if there is no component at all.
    """
    matched = np.array([one.matched[limit_index] for one in counts], np.float64)
    components = np.array([one.truth + one.predicted for one in counts], np.float64)
    if not components.sum():
        return None

    def f1(sums: npt.NDArray[np.float64]) -> float:
        return float(2 * sums[0] / sums[1]) if sums[1] else float("nan")

    low, high = patient_bootstrap((matched, components), patients, f1, seed=seed)
    return Interval(f1(np.array([matched.sum(), components.sum()])), low, high)


@dataclass(frozen=True)
class _Components:
    """Labels from 1 on, 0 outside, and the area of each label."""

    labels: npt.NDArray[np.int32]
    areas: npt.NDArray[np.int32]


def _components(mask: Gray) -> _Components:
    _, labels, stats, _ = cv2.connectedComponentsWithStats((mask > 0).astype(np.uint8), connectivity=8)
    return _Components(np.asarray(labels, np.int32), np.asarray(stats[1:, cv2.CC_STAT_AREA], np.int32))


def _overlaps(first: _Components, second: _Components) -> list[tuple[tuple[int, int], float]]:
    """Return the pairs of components that overlap, counted from 0, and their IoU."""
    both = (first.labels > 0) & (second.labels > 0)
    width = len(second.areas)
    pairs = (first.labels[both] - 1).astype(np.int64) * width + (second.labels[both] - 1)
    found, common = np.unique(pairs, return_counts=True)
    rows, columns = found // max(1, width), found % max(1, width)
    iou = common / (first.areas[rows] + second.areas[columns] - common)
    return list(zip(zip(rows.tolist(), columns.tolist(), strict=True), iou.tolist(), strict=True))


def _count_pairs(allowed: Sequence[tuple[int, int]]) -> int:
    """Return the size of a maximum matching of rows and columns, by augmenting paths (Berge 1957)."""
    columns_of: dict[int, list[int]] = {}
    for row, column in allowed:
        columns_of.setdefault(row, []).append(column)
    row_of: dict[int, int] = {}
    column_of: dict[int, int] = {}
    return sum(_augment(row, columns_of, row_of, column_of) for row in columns_of)


def _augment(
    start: int, columns_of: dict[int, list[int]], row_of: dict[int, int], column_of: dict[int, int]
) -> bool:
    """Match one more row by a path that alternates between free and matched pairs, if there is one."""
    came_from: dict[int, int] = {}
    pending = deque([start])
    while pending:
        row = pending.popleft()
        for column in columns_of[row]:
            if column in came_from:
                continue
            came_from[column] = row
            if column in row_of:
                pending.append(row_of[column])
            else:
                _flip(column, came_from, row_of, column_of)
                return True
    return False


def _flip(column: int, came_from: dict[int, int], row_of: dict[int, int], column_of: dict[int, int]) -> None:
    """Match every row of the path with the column after it instead of the one before it."""
    while True:
        row = came_from[column]
        before = column_of.get(row)
        row_of[column], column_of[row] = row, column
        if before is None:
            return
        column = before
