"""Find columns that leak the target: it is computed from them, or they reveal where it is 0.

A lesion ratio is the number of lesions times their mean area, divided by the image's size. A regressor given
all three "predicts" a definition: R² is near 1 and nothing is learned.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from ...data.columns import size_family
from ..records import Floats

if TYPE_CHECKING:
    import pandas as pd

_UNEXPLAINED = 1e-6
"""Share of the variance that an exact relation may leave unexplained: files hold six or more digits."""
_SPARE_ROWS = 6
_FEW_GAPS = 0.2
_NEARLY_ALL = 0.97
_MANY_LEVELS = 10
_UNLIKELY = math.log(1e6)
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
        The columns to check, numbers and texts.

    Returns
    -------
    dict of str to str
        Reason by column.
    """
    goal = frame[target].to_numpy(dtype=np.float64)
    texts = [name for name in candidates if frame[name].dtype.kind not in "iufb"]
    values = {
        name: frame[name].to_numpy(dtype=np.float64, na_value=np.nan)
        for name in candidates
        if name not in texts
    }
    found: dict[str, str] = {}
    for name in texts:
        if frame[name].nunique() * _FEW <= len(frame) and (
            reason := ordered_copy(_by_mean_target(frame[name], goal), goal)
        ):
            found[name] = reason
    for name, column in values.items():
        reason = (
            _same_mask_size(name, target) or reveals_zero_target(column, goal) or ordered_copy(column, goal)
        )
        if reason:
            found[name] = reason
    # Columns found above are out of the search: an honest column must not be blamed for completing them.
    rest = {name: column for name, column in values.items() if name not in found}
    for relation, ways in (
        ("product of powers", [_logarithms(rest, goal, share=share) for share in (1.0, _MOST_ROWS)]),
        ("weighted sum", [_without_gaps(rest, goal), _complete_rows(rest, goal)]),
    ):
        strict, lenient = ways
        # The same columns have the same rows: the second way would find the same.
        for columns, y in ways if lenient[0].keys() != strict[0].keys() else [strict]:
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


def ordered_copy(column: Floats, target: Floats) -> str | None:
    """Return how a column orders the rows as the target does: a copy, a rounded or a binned one; else None.

    Sorted by the target, such a column never falls (or never rises). Of columns and targets with many
    different values, three rows in a hundred may be out of order: a copy with corrections. An order that
    chance would give more often than once in a million is no finding.
    """
    known = ~np.isnan(column)
    x, y = column[known], target[known]
    counts = [np.unique(values, return_counts=True)[1] for values in (x, y)]
    if min(map(len, counts)) < 2 or min(map(_log_arrangements, counts)) < _UNLIKELY:
        return None
    many = min(map(len, counts)) >= _MANY_LEVELS and counts[1].max() <= len(y) / 2
    if not many and not (_is_function(x, y) or _is_function(y, x)):
        return None  # who is intubated is in intensive care, but not all there are intubated: no copy
    needed = math.ceil(_NEARLY_ALL * len(x)) if many else len(x)
    for sign, verb in ((1, "rises with the target"), (-1, "falls as the target rises")):
        in_order = _longest_rise((sign * x)[np.lexsort((sign * x, y))])
        if in_order >= needed:
            where = "in every row" if in_order == len(x) else f"in {in_order} of {len(x)} rows"
            return f"{verb} {where}: a copy of it, perhaps rounded or in groups"
    return None


def find_identical_measurements(
    frame: pd.DataFrame, columns: Sequence[str], target: str
) -> list[tuple[str, str]]:
    """Find pairs of images of different patients whose measurements agree to the last digit.

    Images whose masks all have the size 0, or whose target is a size and 0, are skipped: nothing was measured
    on them.

    Returns
    -------
    list of (str, str)
        The keys of the two images.
    """
    sizes = [name for name in columns if size_family(name) is not None]
    measured = frame
    if sizes:
        measured = measured.loc[(measured[sizes].fillna(0) != 0).any(axis=1)]
    if size_family(target) is not None:
        measured = measured.loc[measured[target] != 0]
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


def _log_arrangements(counts: npt.NDArray[np.intp]) -> float:
    """Return the logarithm of the number of orders that values with these counts can have."""
    return math.lgamma(int(counts.sum()) + 1) - sum(math.lgamma(int(count) + 1) for count in counts)


def _is_function(x: Floats, y: Floats) -> bool:
    """Return whether rows with the same `x` have the same `y`."""
    return len(np.unique(np.column_stack([x, y]), axis=0)) == len(np.unique(x))


def _longest_rise(values: Floats) -> int:
    """Return the length of the longest subsequence that never falls (patience sorting)."""
    tails: list[float] = []
    for value in values.tolist():
        place = bisect_right(tails, value)
        tails[place : place + 1] = [value]
    return len(tails)


def _same_mask_size(name: str, target: str) -> str | None:
    family = size_family(target)
    if family is not None and size_family(name) == family:
        return f"a size of the same mask as {target}: one is computed from the other"
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


def _complete_rows(values: dict[str, Floats], goal: Floats) -> tuple[dict[str, Floats], Floats]:
    """Take the columns with few gaps, and the rows where none of them has one."""
    few = {name: column for name, column in values.items() if np.isnan(column).mean() <= _FEW_GAPS}
    rows = np.ones(len(goal), dtype=bool)
    for column in few.values():
        rows &= ~np.isnan(column)
    return {name: column[rows] for name, column in few.items()}, goal[rows]


def _by_mean_target(column: pd.Series, goal: Floats) -> Floats:
    """Replace the levels of a text column by the mean target of their rows."""
    levels = column.dropna().unique()
    means = column.map({level: goal[(column == level).to_numpy()].mean() for level in levels})
    return means.to_numpy(dtype=np.float64, na_value=np.nan)


def _is_exact(columns: dict[str, Floats], names: Sequence[str], target: Floats) -> bool:
    # Divided by their largest values first: the squares of values near 1e-300 vanish.
    matrix = np.column_stack([columns[name] / np.abs(columns[name]).max() for name in names])
    matrix = (matrix - matrix.mean(axis=0)) / matrix.std(axis=0)
    centered = target - target.mean()
    total = float(centered @ centered)
    if total == 0:
        return False
    weights, *_ = np.linalg.lstsq(matrix, centered, rcond=None)
    rest = centered - matrix @ weights
    return float(rest @ rest) <= _UNEXPLAINED * total
