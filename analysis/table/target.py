"""The column to predict: chosen where none is named, and checked."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from ...errors import InputError
from ..records import Table
from .selection import Role, is_number, role_of

TARGET = "lesion_ratio"
_FEWEST_ROWS = 10


def default_target(columns: Sequence[str], classes: Sequence[str], lung_classes: Sequence[str]) -> str:
    """Return `lesion_ratio`, else the ratio of the first class that is no lung class, else of the first.

    Parameters
    ----------
    columns : sequence of str
        The measured columns.
    classes : sequence of str
        The model's classes; where they are unknown, those that have a ratio and a count among the columns.
    lung_classes : sequence of str

    Returns
    -------
    str
        `lesion_ratio` also where there is no ratio.

    Examples
    --------
    >>> default_target(("lung_ratio", "nodule_ratio"), ("lung", "nodule"), ("lung",))
    'nodule_ratio'
    """
    if TARGET in columns:
        return TARGET
    measured = [name.removesuffix("_ratio") for name in columns if name.endswith("_ratio")]
    measured = [name for name in measured if name in classes or not name.startswith(("left_", "right_"))]
    known = [name for name in classes if name in measured]
    known = known or [name for name in measured if f"{name}_count" in columns]
    ordered = [name for name in known if name not in lung_classes] or known
    return f"{ordered[0]}_ratio" if ordered else TARGET


def rows_with_target(table: Table, target: str, path: Path) -> Table:
    """Keep the rows whose target is known.

    Raises
    ------
    InputError
        If the target is no numeric column, is known in too few rows, or does not vary.
    """
    frame = table.frame
    usable = [
        name
        for name in frame.columns
        if is_number(frame[name]) and role_of(name, table.spatial) is not Role.BOOKKEEPING
    ]
    if target not in usable:
        problem = "is not a column of numbers" if target in frame.columns else "is not a column of the table"
        raise InputError(f"{path}: the target {target} {problem}; there are {', '.join(usable)}")
    known = frame.loc[frame[target].notna()].reset_index(drop=True)
    if len(known) < _FEWEST_ROWS:
        raise InputError(f"{path}: {target} is known for {len(known)} images; {_FEWEST_ROWS} are needed")
    if known[target].nunique() < 2:
        value = known[target].iloc[0]
        raise InputError(
            f"{path}: {target} is {value:g} in all {len(known)} images; there is nothing to learn"
        )
    unknown = len(frame) - len(known)
    notes = (f"{unknown} images without {target} are left out",) if unknown else ()
    return replace(table, frame=known, notes=(*table.notes, *notes))
