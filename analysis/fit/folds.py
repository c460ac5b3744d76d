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
    patients: npt.NDArray[np.str_],
    folds: int,
    seed: int,
    events: Floats | None = None,
    *,
    fewest: int = 1,
) -> list[Split]:
    """Split rows by patient; with events, every side of every fold has both classes.

    Parameters
    ----------
    patients : ndarray of str, shape (n,)
    folds, seed : int
    events : ndarray of float64, shape (n,), optional
        0 or 1.
    fewest : int
        Patients of each class that each training side has at least.

    Raises
    ------
    InputError
        If no such folds are found.
    """
    selection = require("sklearn.model_selection", extra="analysis")
    if events is None:
        splitter = selection.GroupKFold(folds, shuffle=True, random_state=seed)
        return list(splitter.split(patients, groups=patients))
    rarer = min(_patients_by_class(patients, events))
    # Stratification over groups is a greedy search: for few patients it may leave a fold without a class.
    for attempt in range(_ATTEMPTS if rarer >= folds else 0):
        splitter = selection.StratifiedGroupKFold(folds, shuffle=True, random_state=seed + attempt)
        splits = list(splitter.split(patients, events, patients))
        if all(
            min(_patients_by_class(patients[side], events[side])) >= least
            for split in splits
            for side, least in zip(split, (fewest, 1), strict=True)
        ):
            return splits
    raise InputError(
        f"no {folds} folds by patient were found that all hold both classes: the rarer has {rarer} of"
        f" {len(np.unique(patients))} patients; more of them are needed"
    )


def _patients_by_class(patients: npt.NDArray[np.str_], events: Floats) -> tuple[int, int]:
    return len(np.unique(patients[events == 0])), len(np.unique(patients[events == 1]))
