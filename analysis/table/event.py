"""Yes/no columns: 0 and 1, true and false, or one of the pairs of texts that clinical tables use."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from ...errors import InputError
from ..records import Event
from .cells import MISSING_NUMBERS
from .selection import is_number

if TYPE_CHECKING:
    import pandas as pd

PAIRS = (
    ("yes", "no"),
    ("y", "n"),
    ("true", "false"),
    ("t", "f"),
    ("1", "0"),
    ("positive", "negative"),
    ("pos", "neg"),
    ("+", "-"),
    ("present", "absent"),
    ("abnormal", "normal"),
    ("case", "control"),
    ("dead", "alive"),
    ("died", "survived"),
    ("deceased", "alive"),
    ("death", "survival"),
    ("nonsurvivor", "survivor"),
    ("ja", "nein"),
    ("oui", "non"),
    ("si", "no"),
    ("sí", "no"),
)
"""The event and its opposite, in lower case."""


def find_event(column: pd.Series, name: str) -> Event | None:
    """Return the event of a yes/no column, or None.

    Numbers are an event only if they are 0 and 1. Of two texts that are no known pair, the rarer is the
    event; of equally frequent ones, the second in the alphabet. Words such as unknown are no third value.
    """
    known = column.dropna()
    values = sorted(known.unique(), key=str)
    if is_number(column):
        return Event(name, "1", "0") if [float(value) for value in values] == [0.0, 1.0] else None
    by_text = {str(value).lower(): str(value) for value in values}
    for yes, no in PAIRS:  # before the unknown ones are left out: + and - are a pair
        if len(values) == 2 and set(by_text) == {yes, no}:
            return Event(name, by_text[yes], by_text[no])
    if by_text.keys() & MISSING_NUMBERS:
        return find_event(known[~known.astype(str).str.lower().isin(MISSING_NUMBERS)], name)
    if len(values) != 2 or len(by_text) != 2:
        return None
    first, second = (str(value) for value in values)
    rarer = first if (known == first).sum() < (known == second).sum() else second
    return Event(name, rarer, second if rarer == first else first)


def is_known_pair(event: Event) -> bool:
    """Return whether the two values are a pair whose event is clear."""
    return (event.yes.lower(), event.no.lower()) in PAIRS


def event_values(column: pd.Series, event: Event) -> pd.Series:
    """Return 1.0 where the event is, 0.0 where it is not, NaN where it is unknown."""
    if is_number(column):
        return column.astype("float64")
    return column.map({event.yes: 1.0, event.no: 0.0}).astype("float64")


def check_events(
    frame: pd.DataFrame, target: str, event: Event, folds: int, path: Path, *, inner_folds: int
) -> None:
    """Check that both classes have at least two patients for each outer fold and for each inner one.

    Raises
    ------
    InputError
        With the numbers of patients.
    """
    counts = {
        shown: frame.loc[frame[target] == value, "patient_id"].nunique()
        for shown, value in ((event.yes, 1.0), (event.no, 0.0))
    }
    rarer = min(counts, key=lambda shown: counts[shown])
    fewest = 2 * inner_folds
    needed = max(2 * folds, fewest)
    if counts[rarer] >= needed:
        return
    advice = (
        f"at most --folds {counts[rarer] // 2}"
        if counts[rarer] >= fewest
        else f"too few for any number of folds ({fewest} are needed)"
    )
    numbers = ", ".join(f"{count} patients with {shown}" for shown, count in counts.items())
    raise InputError(
        f"{path}: {target}: {numbers}; {folds} folds need {needed} patients of the rarer class: {advice}"
    )
