"""The column to predict: chosen where none is named, and checked."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from ...errors import InputError
from ..records import Table
from ..text import some_of
from .event import event_values, find_event, is_known_pair
from .roles import nearest
from .selection import Role, is_number, role_of

if TYPE_CHECKING:
    import pandas as pd

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
    """Keep the rows whose target is known; a yes/no target becomes 0 and 1, and the table names its event.

    Raises
    ------
    InputError
        If the target is neither numeric nor a yes/no column, is known in too few rows, or does not vary.
    """
    frame = table.frame
    usable = [
        name
        for name in frame.columns
        if (is_number(frame[name]) or find_event(frame[name], name) is not None)
        and role_of(name, table.spatial, tuple(frame.columns)) is not Role.BOOKKEEPING
    ]
    if target not in usable:
        problem = "is not a column of the table"
        if target in frame.columns:
            problem = f"is not a column of numbers, nor one of yes and no ({_values(frame[target])})"
        raise InputError(
            f"{path}: the target {target} {problem}; there are {', '.join(usable)}{nearest(target, usable)}"
        )
    event = find_event(frame[target], target)
    notes: tuple[str, ...] = ()
    if event is not None:
        frame = frame.assign(**{target: event_values(frame[target], event)})
        if not is_known_pair(event):
            notes = (f"{target}: {event.yes} is predicted as the event, {event.no} is not one",)
    known = frame.loc[frame[target].notna()].reset_index(drop=True)
    if len(known) < _FEWEST_ROWS:
        raise InputError(f"{path}: {target} is known for {len(known)} images; {_FEWEST_ROWS} are needed")
    if known[target].nunique() < 2:
        value = known[target].iloc[0]
        raise InputError(
            f"{path}: {target} is {value:g} in all {len(known)} images; there is nothing to learn"
        )
    unknown = len(frame) - len(known)
    if unknown:
        notes = (*notes, f"{unknown} images without {target} are left out")
    return replace(table, frame=known, event=event, notes=(*table.notes, *notes))


def _values(column: pd.Series) -> str:
    counts = column.value_counts()
    return f"{len(counts)} different texts: {some_of([repr(value) for value in counts.index])}"
