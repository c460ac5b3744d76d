"""Find columns that leak the target: it is computed from them, or they reveal where it is 0.

A lesion ratio is the number of lesions times their mean area, divided by the image's size. A regressor given
all three "predicts" a definition: R² is near 1 and nothing is learned.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from ...data.columns import size_family
from ..records import Floats

if TYPE_CHECKING:
    import pandas as pd

_UNEXPLAINED = 1e-6
"""Share of the variance that an exact relation may leave unexplained: files hold six or more digits."""
_SPARE_ROWS = 6
_MOST_ROWS = 0.5
_FEW = 5
_CHANCE = 1e-3


def find_leaky_columns(frame: pd.DataFrame, target: str, candidates: Sequence[str]) -> dict[str, str]:
    """Find the columns that leak the target, each with the reason.

    Parameters
    ----------
    frame : DataFrame
        One row per image; the target is known in every row.
    target : str
        A numeric column.
    candidates : sequence of str
        The numeric columns to check.

    Returns
    -------
    dict of str to str
        Reason by column.
    """
    values = {name: frame[name].to_numpy(dtype=np.float64, na_value=np.nan) for name in candidates}
    goal = frame[target].to_numpy(dtype=np.float64)
    found: dict[str, str] = {}
    for name, column in values.items():
        reason = (
            _same_mask_size(name, target) or reveals_zero_target(column, goal) or _monotonic(column, goal)
        )
        if reason:
            found[name] = reason
    # Columns found above are out of the search: an honest column must not be blamed for completing them.
    rest = {name: column for name, column in values.items() if name not in found}
    for relation, (columns, y) in (
        ("product of powers", _logarithms(rest, goal, share=1.0)),
        ("product of powers", _logarithms(rest, goal, share=_MOST_ROWS)),
        ("weighted sum", _without_gaps(rest, goal)),
    ):
        for parents in exact_relations(columns, y):
            for name in parents:
                found.setdefault(name, f"the target is a {relation} of {' and '.join(parents)}")
    return found


def exact_relations(columns: dict[str, Floats], target: Floats) -> list[tuple[str, ...]]:
    """Find the smallest sets of columns of which the target is an exact linear combination.

    When a set is found, its member that correlates most with the target is removed and the search is
    repeated, so that a second way to compute the target is also found.

    Parameters
    ----------
    columns : dict of str to ndarray of float64, shape (n,)
        Without missing values.
    target : ndarray of float64, shape (n,)

    Returns
    -------
    list of tuple of str
    """
    names = [name for name, column in columns.items() if len(column) and np.ptp(column) > 0]
    found: list[tuple[str, ...]] = []
    while names and len(target) >= len(names) + _SPARE_ROWS and _is_exact(columns, names, target):
        smallest = list(names)
        for name in names:
            fewer = [other for other in smallest if other != name]
            if fewer and _is_exact(columns, fewer, target):
                smallest = fewer
        found.append(tuple(smallest))
        names.remove(max(smallest, key=lambda name: abs(np.corrcoef(columns[name], target)[0, 1])))
    return found


def reveals_zero_target(column: Floats, target: Floats) -> str | None:
    """Return how a column reveals where the target is 0: by its gaps or by one threshold; else None."""
    zero = target == 0
    if not zero.any() or zero.all():
        return None
    empty = np.isnan(column)
    if empty.any() and zero[empty].all():
        by_chance = float(zero.mean()) ** int(empty.sum())
        if np.array_equal(empty, zero) or by_chance < _CHANCE:
            return "empty only where the target is 0, so its gaps reveal the target"
    low, high = column[zero & ~empty], column[~zero & ~empty]
    if min(len(low), len(high)) < _FEW:
        return None
    if low.max() < high.min() or high.max() < low.min():
        return "one threshold on it separates exactly the rows where the target is 0"
    return None


def find_identical_measurements(
    frame: pd.DataFrame, columns: Sequence[str], target: str
) -> list[tuple[str, str]]:
    """Find pairs of images of different patients whose measurements agree to the last digit.

    Images whose target is 0 are skipped: nothing was measured on them.

    Returns
    -------
    list of (str, str)
        The keys of the two images.
    """
    measured = frame.loc[frame[target] != 0]
    names = [name for name in columns if measured[name].nunique() > _FEW]
    if len(names) < 2:
        return []
    duplicated = measured.loc[measured.duplicated(names, keep=False)]
    pairs: list[tuple[str, str]] = []
    for _, group in duplicated.groupby(names, dropna=False, sort=True):
        if group["patient_id"].nunique() > 1:
            images = group["image"].tolist()
            pairs.extend((images[0], other) for other in images[1:])
    return pairs


def _same_mask_size(name: str, target: str) -> str | None:
    family = size_family(target)
    if family is not None and size_family(name) == family:
        return f"a size of the same mask as {target}: one is computed from the other"
    return None


def _monotonic(column: Floats, target: Floats) -> str | None:
    known = ~np.isnan(column)
    x, y = column[known], target[known]
    if len(np.unique(x)) < 2 * _FEW or len(np.unique(x)) != len(np.unique(y)):
        return None
    order = np.lexsort((y, x))
    steps_x, steps_y = np.diff(x[order]), np.diff(y[order])
    if np.array_equal(steps_x > 0, steps_y > 0) and (steps_y >= 0).all():
        return "rises with the target in every row"
    if np.array_equal(steps_x > 0, steps_y < 0) and (steps_y <= 0).all():
        return "falls as the target rises in every row"
    return None


def _logarithms(values: dict[str, Floats], goal: Floats, *, share: float) -> tuple[dict[str, Floats], Floats]:
    """Take the columns that are positive in at least `share` of the rows; keep the rows where all are."""
    rows = goal > 0
    factors = {
        name: column
        for name, column in values.items()
        if rows.any() and float((column[rows] > 0).mean()) >= share
    }
    for column in factors.values():
        rows = rows & (column > 0)
    return {name: np.log(column[rows]) for name, column in factors.items()}, np.log(goal[rows])


def _without_gaps(values: dict[str, Floats], goal: Floats) -> tuple[dict[str, Floats], Floats]:
    return {name: column for name, column in values.items() if not np.isnan(column).any()}, goal


def _is_exact(columns: dict[str, Floats], names: Sequence[str], target: Floats) -> bool:
    matrix = np.column_stack([columns[name] for name in names])
    matrix = (matrix - matrix.mean(axis=0)) / matrix.std(axis=0)
    centered = target - target.mean()
    total = float(centered @ centered)
    if total == 0:
        return False
    weights, *_ = np.linalg.lstsq(matrix, centered, rcond=None)
    rest = centered - matrix @ weights
    return float(rest @ rest) <= _UNEXPLAINED * total
