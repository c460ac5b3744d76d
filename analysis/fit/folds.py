"""Folds that keep the rows of a patient together and, for events, the shares of both classes alike."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from ...errors import InputError
from ...machine.extras import require
from ..records import Floats

Ints = npt.NDArray[np.intp]
Split = tuple[Ints, Ints]

_ATTEMPTS = 50


def grouped_folds(
    patients: npt.NDArray[np.str_], folds: int, seed: int, events: Floats | None = None
) -> list[Split]:
    """Split rows by patient; with events, every side of every fold has rows of both classes.

    Raises
    ------
    InputError
        If no such folds are found.
    """
    selection = require("sklearn.model_selection", extra="analysis")
    if events is None:
        splitter = selection.GroupKFold(folds, shuffle=True, random_state=seed)
        return list(splitter.split(patients, groups=patients))
    # Stratification over groups is a greedy search: for few patients it may leave a fold without a class.
    for attempt in range(_ATTEMPTS):
        splitter = selection.StratifiedGroupKFold(folds, shuffle=True, random_state=seed + attempt)
        splits = list(splitter.split(patients, events, patients))
        if all(len(np.unique(events[side])) > 1 for split in splits for side in split):
            return splits
    raise InputError(
        f"no {folds} folds by patient were found that all hold both classes;"
        f" {int(events.sum())} of {len(events)} rows are events: use fewer --folds"
    )
