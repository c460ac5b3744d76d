"""The components of a mask as the runs they consist of: the input of every measurement."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from .bits import Words
from .labels import Labels, label_runs
from .runs import Bands, Runs, find_runs, pack_rows


@dataclass(frozen=True)
class ComponentRuns:
    """A mask's runs, and the component of each.

    Attributes
    ----------
    words, bands
        The mask's rows, as returned by `runs.pack_rows`.
    runs : Runs
        As returned by `runs.find_runs`.
    labels : ndarray of int32, shape (runs,)
        Component of each run, from 0.
    count : int
        Number of components.
    eight_connected : bool
        Whether pixels that share only a corner are connected.
    """

    words: Words
    bands: Bands
    runs: Runs
    labels: Labels
    count: int
    eight_connected: bool


def find_components(mask: npt.NDArray[np.uint8], *, eight_connected: bool) -> ComponentRuns:
    """Find the components of a C-contiguous mask of shape (height, width); nonzero is foreground."""
    height, width = mask.shape
    words, bands = pack_rows(mask.reshape(-1), height, width)
    runs = find_runs(words, bands)
    labels, count = label_runs(words, bands, eight_connected)
    return ComponentRuns(words, bands, runs, labels, count, eight_connected)
