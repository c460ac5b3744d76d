"""The components of a mask, as the runs they are made of: what every measurement starts from."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from .bits import Words
from .labels import Labels, join
from .moments import Boxes, Sums, centroids, first_moments
from .runs import Columns, Counts, list_runs, pack


@dataclass(frozen=True)
class Components:
    """A mask's runs, and which component each belongs to.

    Attributes
    ----------
    words, tops, first : ndarray
        The mask in bands of equal rows, as `runs.pack` gives it.
    starts, ends : ndarray of int32, shape (runs,)
        First and last column of each run.
    labels : ndarray of int32, shape (runs,)
        Component of each run, from 0.
    count : int
        Number of components.
    diagonal : bool
        Whether pixels that meet by a corner are connected.
    """

    words: Words
    tops: Counts
    first: Counts
    starts: Columns
    ends: Columns
    labels: Labels
    count: int
    diagonal: bool


def find_components(mask: npt.NDArray[np.uint8], *, diagonal: bool) -> Components:
    """Find the components of a mask of bytes, shape (height, width), C-contiguous; not 0 is foreground."""
    height, width = mask.shape
    words, tops, first = pack(mask.reshape(-1), height, width)
    starts, ends = list_runs(words, first)
    labels, count = join(words, first, diagonal)
    return Components(words, tops, first, starts, ends, labels, count, diagonal)


def locate(parts: Components) -> tuple[Boxes, Sums]:
    """Run the first pass over the components: `moments.first_moments`.

    Here and in `passes` what has one row a component is made by numpy, which asks for huge pages where it is
    large: half a million components would else cost more in page faults than in arithmetic.
    """
    boxes, sums = np.empty((parts.count, 5), np.int32), np.empty((parts.count, 2), np.int64)
    first_moments(parts.starts, parts.ends, parts.first, parts.tops, parts.labels, boxes, sums)
    return boxes, sums


def components(mask: npt.NDArray[np.uint8], *, diagonal: bool) -> tuple[Boxes, npt.NDArray[np.float64]]:
    """Give what cv2.connectedComponentsWithStats gives of each component, and no more.

    Returns
    -------
    boxes : ndarray of int32, shape (count, 5)
        area, min_row, min_column, max_row, max_column; the box is half open.
    centroids : ndarray of float64, shape (count, 2)
        Row and column.
    """
    boxes, sums = locate(find_components(mask, diagonal=diagonal))
    places = np.empty((boxes.shape[0], 2))
    centroids(boxes, sums, places)
    return boxes, places
