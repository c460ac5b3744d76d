"""Distances between the outlines of two masks: what Dice hardly sees."""

from __future__ import annotations

import math
from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from ..data.image import Gray

PER_MILLE = 1000.0
_PERCENTILE = 95
_SAME_SPACING = 1e-6
_CROSS = cv2.getStructuringElement(cv2.MORPH_CROSS, (3, 3))

Distances = npt.NDArray[np.float32]


@dataclass(frozen=True)
class SurfaceDistances:
    """Distances between the outlines of two masks; NaN if one of them is empty.

    Attributes
    ----------
    assd : float
        Average symmetric surface distance: the mean, over the outline pixels of both masks, of the distance
        to the nearest outline pixel of the other (Heimann et al. 2009, https://doi.org/10.1109/TMI.2009.2013851).
    hd95 : float
        The larger of the two 95th percentiles of those distances, one per direction (Maier-Hein et al. 2024,
        https://doi.org/10.1038/s41592-023-02151-z).
    """

    assd: float
    hd95: float

    def scaled(self, factor: float) -> SurfaceDistances:
        """Return the distances in another unit."""
        return SurfaceDistances(self.assd * factor, self.hd95 * factor)


UNDEFINED = SurfaceDistances(math.nan, math.nan)


def surface_distances(
    truth: Gray, predicted: Gray, spacing: tuple[float, float] = (1.0, 1.0)
) -> SurfaceDistances:
    """Measure how far the outlines of two masks are apart.

    The outline of a mask are its pixels with one of their four neighbors outside the mask; beyond the image
    everything is outside.

    Parameters
    ----------
    truth, predicted : ndarray of uint8 or bool, shape (height, width)
        Non-zero inside the class.
    spacing : tuple of float
        Distance between the centers of adjacent pixels, (vertical, horizontal); its unit is that of the
        result.

    Raises
    ------
    ValueError
        If the shapes differ.
    """
    if truth.shape != predicted.shape:
        raise ValueError(f"masks differ in shape: {truth.shape} and {predicted.shape}")
    masks = [(mask > 0).astype(np.uint8) for mask in (truth, predicted)]
    if not all(mask.any() for mask in masks):
        return UNDEFINED
    left, top, width, height = cv2.boundingRect(masks[0] | masks[1])
    outlines = [_outline(mask[top : top + height, left : left + width]) for mask in masks]
    first, second = outlines
    if has_square_pixels(spacing):
        forth, back = _transformed(first, second) * spacing[0], _transformed(second, first) * spacing[0]
    else:
        forth, back = _nearest(first, second, spacing), _nearest(second, first, spacing)
    mean = (float(forth.sum(dtype=np.float64)) + float(back.sum(dtype=np.float64))) / (len(forth) + len(back))
    return SurfaceDistances(mean, max(float(np.percentile(one, _PERCENTILE)) for one in (forth, back)))


def has_square_pixels(spacing: tuple[float, float]) -> bool:
    """Return whether distances are those in pixels times the spacing."""
    return abs(spacing[0] - spacing[1]) <= _SAME_SPACING * spacing[0]


def _outline(mask: Gray) -> Gray:
    inner = cv2.erode(mask, _CROSS, borderType=cv2.BORDER_CONSTANT, borderValue=0)
    return np.asarray(mask - inner, np.uint8)


def _transformed(outline: Gray, other: Gray) -> Distances:
    """Return the distance in pixels from each pixel of one outline to the other, by an exact transform."""
    distance = cv2.distanceTransform(1 - other, cv2.DIST_L2, cv2.DIST_MASK_PRECISE)
    return np.asarray(distance[outline > 0], np.float32)


def _nearest(outline: Gray, other: Gray, spacing: tuple[float, float]) -> Distances:
    """Return the same distances for pixels that are not square, which OpenCV's transform lacks.

    The nearest pixel of the other outline is the nearest one in its column, so each pixel is compared with
    one pixel per column, not with all.
    """
    vertical = (_distance_in_column(other) * spacing[0]) ** 2
    columns = np.flatnonzero(other.any(axis=0))
    found = []
    for row in np.flatnonzero(outline.any(axis=1)):
        own = np.flatnonzero(outline[row])
        horizontal = ((own[:, None] - columns) * spacing[1]) ** 2
        found.append(np.sqrt((horizontal + vertical[row, columns]).min(axis=1)))
    return np.concatenate(found).astype(np.float32)


def _distance_in_column(outline: Gray) -> npt.NDArray[np.float64]:
    """Return the distance in pixels from each pixel to the outline in its column, infinite if it has none."""
    rows = np.arange(len(outline), dtype=np.float64)[:, None]
    above = np.maximum.accumulate(np.where(outline > 0, rows, -np.inf), axis=0)
    below = np.minimum.accumulate(np.where(outline > 0, rows, np.inf)[::-1], axis=0)[::-1]
    return np.minimum(rows - above, below - rows)
