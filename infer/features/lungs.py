"""Tell the left lung from the right one, and measure masks inside the lungs."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from .components import ComponentRuns
from .lung_zones import BOTH, ZONES_DTYPE, Edges, count_in_zones, find_edges
from .moments import SUMS_DTYPE, Sums, sum_first_moments

_SECOND_LUNG = 0.25
"""A component is the other lung, not a fragment, from this part of the larger one's area on."""

_BOTH_LUNGS = 0.8
"""A component is both lungs from this width on, as a part of its height; one lung has about 0.5."""

_MAIN = 0.1
"""Components below this part of a lung's largest one do not make the lung taller."""


@dataclass(frozen=True)
class InLungs:
    """The pixels of a mask inside the lungs.

    Attributes
    ----------
    upper, middle, lower : int
        Those in each third of the height of the lung that they lie in.
    peripheral : int
        Those nearer to the lateral edge of their lung than to its medial edge, in their row.
    """

    upper: int
    middle: int
    lower: int
    peripheral: int

    @property
    def pixels(self) -> int:
        """All of them."""
        return self.upper + self.middle + self.lower


@dataclass(frozen=True)
class Lungs:
    """The two lungs in a mask, as they lie in a standard view: the patient's right is on the image's left.

    Two large components side by side are the two lungs. A single component that is nearly as wide as high is
    both lungs, cut at the middle of its width. Otherwise, one lung is missing, and the side is that of the
    image's half. Fragments belong to the side where they lie.

    Attributes
    ----------
    right_area, left_area : int
        Pixels of the patient's right and left lung.
    """

    right_area: int
    left_area: int
    _found: ComponentRuns
    _side_of: npt.NDArray[np.int8]
    _split: int
    _edges: Edges
    _heights: npt.NDArray[np.int64]

    @classmethod
    def find(cls, found: ComponentRuns, width: int) -> Lungs:
        """Find the lungs among the components of a mask of both, of this width."""
        sums = np.empty(found.count, SUMS_DTYPE)
        runs = (found.bands, found.runs, found.labels)
        sum_first_moments(*runs, sums)
        side_of, split = _sides(sums, width)
        edges = np.empty((2, int(found.bands[-1]["top"]), 2), np.int64)
        right, left = find_edges(*runs, side_of, split, edges)
        return cls(right, left, found, side_of, split, edges, _heights(sums, side_of))

    @property
    def area(self) -> int:
        """Pixels of both lungs."""
        return self.right_area + self.left_area

    def measure(self, mask: ComponentRuns) -> InLungs:
        """Count the pixels of a mask of the same size inside the lungs."""
        zones = np.zeros(1, ZONES_DTYPE)
        found = self._found
        count_in_zones(
            found.bands,
            found.runs,
            found.labels,
            self._side_of,
            self._split,
            self._edges,
            self._heights,
            mask.bands,
            mask.runs,
            zones,
        )
        upper, middle, lower = zones[0]["thirds"].tolist()
        return InLungs(upper, middle, lower, int(zones[0]["peripheral"]))


def _sides(sums: Sums, width: int) -> tuple[npt.NDArray[np.int8], int]:
    """Return the side of each component, and the column where one that is both lungs is cut."""
    if not len(sums):
        return np.zeros(0, np.int8), 0
    column = sums["column"] / (2 * sums["area"])
    by_area = np.argsort(sums["area"], kind="stable")[::-1]
    first, second = sums[by_area[0]], sums[by_area[min(1, len(sums) - 1)]]
    if len(sums) > 1 and second["area"] >= _SECOND_LUNG * first["area"] and _are_side_by_side(first, second):
        midline = column[by_area[:2]].mean()
        return (column > midline).astype(np.int8), 0
    if first["right"] - first["left"] < _BOTH_LUNGS * (first["bottom"] - first["top"]):
        return (column > (width - 1) / 2).astype(np.int8), 0
    split = int(first["left"] + first["right"] + 1) // 2
    side_of = (column >= split).astype(np.int8)
    side_of[by_area[0]] = BOTH
    return side_of, split


def _are_side_by_side(first: Sums, second: Sums) -> bool:
    """Return whether two components share less than half of the columns of the narrower one."""
    shared = min(first["right"], second["right"]) - max(first["left"], second["left"])
    narrower = min(first["right"] - first["left"], second["right"] - second["left"])
    return bool(2 * shared < narrower)


def _heights(sums: Sums, side_of: npt.NDArray[np.int8]) -> npt.NDArray[np.int64]:
    """Return the first row of either lung and the one after its last, without regard to fragments."""
    heights = np.array([[0, 1], [0, 1]])
    for side in range(2):
        components = sums[(side_of == side) | (side_of == BOTH)]
        if len(components):
            main = components[components["area"] >= _MAIN * components["area"].max()]
            heights[side] = main["top"].min(), main["bottom"].max()
    return heights
