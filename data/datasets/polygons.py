"""Fill polygons into a mask, by the centers of its pixels."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from ...errors import InputError
from ..image import Gray
from .shapes import Polygon

_MIN_VERTICES = 3
_FARTHEST = 1e9
"""Of a coordinate from the origin, in pixels: far beyond any image, and safe to compute with."""


def polygon_of(points: object, frame: tuple[int, int] | None = None) -> Polygon:
    """Return a polygon from a list of (x, y) pairs, as JSON holds it.

    Raises
    ------
    InputError
        If it is none; the message does not name the file.
    """
    if not isinstance(points, list) or len(points) < _MIN_VERTICES:
        raise InputError(f"a polygon has at least {_MIN_VERTICES} points, not {_shown(points)}")
    return Polygon(tuple(_point(point) for point in points), frame)


def draw_polygon(polygon: Polygon, mask: Gray) -> None:
    """Fill a polygon into a mask of 0 and 1.

    A pixel belongs to the polygon if its center lies inside, by the even-odd rule; a center on the left or
    upper edge counts as inside, one on the right or lower edge as outside, so that polygons which share an
    edge share no pixel. A polygon that covers no center covers the pixel where the mean of its vertices lies.
    What lies outside the mask is cut off. `cv2.fillPoly` paints the outline too and rounds it to rows, which
    makes small lesions larger.

    Raises
    ------
    InputError
        If it lies outside the mask as a whole; the message does not name the file.
    """
    height, width = mask.shape
    scale = (1.0, 1.0) if polygon.frame is None else (height / polygon.frame[0], width / polygon.frame[1])
    points = np.array(polygon.points, np.float64) * (scale[1], scale[0])
    (left, top), (right, bottom) = points.min(axis=0), points.max(axis=0)
    if right <= 0 or bottom <= 0 or left >= width or top >= height:
        raise InputError(
            f"a polygon at x {left:g} to {right:g}, y {top:g} to {bottom:g} lies outside the image of "
            f"{width} x {height} pixels; are its points of another image, or of another size of it?"
        )
    rows, columns = _crossings(points - 0.5, height, width)
    if len(rows):
        box = np.s_[rows.min() : rows.max() + 1, columns.min() : columns.max()]
        inside = _inside(rows - rows.min(), columns - columns.min())
        mask[box] |= inside
        if inside.any():
            return
    x, y = points.mean(axis=0)
    if 0 <= x < width and 0 <= y < height:
        mask[int(y), int(x)] = 1


def _crossings(
    points: npt.NDArray[np.float64], height: int, width: int
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Return where edges cross the rows of pixel centers: the row, and the first column at or right of it.

    The points are in units in which pixel centers are whole numbers.
    """
    ends = np.roll(points, -1, axis=0)
    first = np.clip(np.ceil(np.minimum(points[:, 1], ends[:, 1])), 0, height).astype(np.int64)
    last = np.clip(np.ceil(np.maximum(points[:, 1], ends[:, 1])), 0, height).astype(np.int64)
    counts = last - first
    edge = np.repeat(np.arange(len(points)), counts)
    rows = np.arange(counts.sum()) - np.repeat(np.cumsum(counts) - counts, counts) + first[edge]
    (x, y), (end_x, end_y) = points[edge].T, ends[edge].T
    crossed = x + (rows - y) * (end_x - x) / (end_y - y)
    return rows, np.clip(np.ceil(crossed), 0, width).astype(np.int64)


def _inside(rows: npt.NDArray[np.int64], columns: npt.NDArray[np.int64]) -> Gray:
    """Fill between crossings: a pixel is inside if the crossings at or left of it are odd in number."""
    crossings = np.zeros((rows.max() + 1, columns.max() + 1), np.uint8)
    np.add.at(crossings, (rows, columns), 1)
    # The sums may wrap around at 256, which is even.
    return np.cumsum(crossings, axis=1, dtype=np.uint8)[:, :-1] & np.uint8(1)


def _point(point: object) -> tuple[float, float]:
    if isinstance(point, Sequence) and len(point) == 2 and all(map(_is_number, point)):
        return float(point[0]), float(point[1])
    raise InputError(f"a point of a polygon is [x, y], two numbers, not {_shown(point)}")


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) <= _FARTHEST


def _shown(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:59]}…"
