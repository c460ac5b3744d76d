"""What the cells of a column hold: numbers in their various spellings, true and false, or texts."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ...machine.extras import require
from ..text import some_of
from .reading import TableText
from .roles import snake_case

if TYPE_CHECKING:
    import pandas as pd

MISSING = frozenset(
    {"", "na", "n/a", "#n/a", "nan", "null", "<na>", "nat", "-nan", "#div/0!", "#value!", "#ref!"}
)
"""Cells that are unknown in every column, in lower case."""

_PYTHON_NONE = "None"
"""Unknown as Python writes it; in lower case, it is a level such as none, mild, severe."""

MISSING_NUMBERS = MISSING | {
    "none",
    "unknown",
    "missing",
    "not available",
    "not known",
    "nd",
    "n.d.",
    "-",
    "--",
    ".",
    "?",
}
"""Cells that are unknown in a column of numbers, in lower case; in a column of texts, they are texts."""


@dataclass(frozen=True)
class TypedTable:
    """A table with typed columns, the names of all columns in the file, and what was guessed or converted."""

    frame: pd.DataFrame
    names: tuple[str, ...]
    notes: tuple[str, ...]


_MOST_ODD = 0.1
"""Share of cells that are no numbers in a column that is still one of numbers."""

_YEARS = {"Y": 1.0, "M": 1 / 12, "W": 7 / 365.25, "D": 1 / 365.25}
_DICOM_AGE = re.compile(r"\d{3}[YMWD]")
_AGE = re.compile(r"\d{1,3}(?:\.\d+)?\s*[YMWD]", re.IGNORECASE)
_AGE_COLUMN = re.compile(r"(?<![a-z])age(?![a-z])|patientage")
_DECIMAL_COMMA = re.compile(r"[-+]?\d*,\d+(?:[eE][-+]?\d+)?")
_THOUSANDS = re.compile(r"[-+]?[1-9]\d{0,2}(?:,\d{3})+(?:\.\d+)?")
_WITH_UNIT = re.compile(r"([-+]?\d[\d.,]*)\s*([^\W\d_]{1,8}(?:/[^\W\d_]{1,4})?|%|°C?)")
_BOOLEANS = {"true": 1, "false": 0}


@dataclass(frozen=True)
class _Spelling:
    """A spelling of numbers: how it is recognized, converted and named in a note."""

    pattern: re.Pattern[str]
    convert: Callable[[str], float]
    what: str


def typed_frame(
    table: TableText, *, texts: Collection[str] = (), name: str
) -> tuple[pd.DataFrame, tuple[str, ...]]:
    """Type the columns of a table.

    Parameters
    ----------
    table : TableText
    texts : collection of str
        Columns that stay text, such as identifiers and the categories that a user names.
    name : str
        The name of the file, for the notes.

    Returns
    -------
    frame : DataFrame
        Numbers as int64 (whole, no gaps) or float64; texts as objects with None where unknown.
    notes : tuple of str
        What was converted, with counts.
    """
    columns: dict[str, Any] = {}
    notes: list[str] = list(table.notes)
    for column in table.frame.columns:
        series = table.frame[column]
        if series.dtype.kind in "iufb" and column not in texts:
            columns[column] = series.astype("int64") if series.dtype.kind == "b" else series
            continue
        cells = series.map(_known, na_action="ignore")
        cells = cells.astype("object").where(cells.notna(), None)
        if column in texts:
            columns[column] = cells.map(_text, na_action="ignore")
            continue
        columns[column], note = _typed(cells, str(column), comma_decimals=table.comma_decimals)
        if note:
            notes.append(f"{name}: {column}: {note}")
    return table.frame.assign(**columns), tuple(notes)


def _known(cell: Any) -> Any:
    return None if isinstance(cell, str) and (cell.lower() in MISSING or cell == _PYTHON_NONE) else cell


def _text(cell: Any) -> str:
    return str(int(cell)) if isinstance(cell, float) and cell.is_integer() else str(cell)


def _typed(cells: pd.Series, name: str, *, comma_decimals: bool) -> tuple[pd.Series, str]:
    """Return the column as numbers if nearly all of its cells are numbers; else as it is."""
    known = [cell for cell in cells if cell is not None]
    if known and {cell.lower() for cell in known} <= _BOOLEANS.keys():
        return _whole(
            cells.map(lambda cell: _BOOLEANS[cell.lower()], na_action="ignore").astype("float64")
        ), ""
    numbers = _plain_numbers(cells)
    plain = int(numbers.notna().sum())
    if plain == len(known):
        return (_whole(numbers), "") if known else (numbers, "")
    texts = [cell for cell in known if cell.lower() not in MISSING_NUMBERS]
    converted, what = _other_spelling(cells, texts, name, comma_decimals=comma_decimals)
    numbers = numbers.where(numbers.notna(), converted)
    odd = [cell for cell, number in zip(cells, numbers, strict=True) if cell is not None and number != number]
    strange = sum(cell.lower() not in MISSING_NUMBERS for cell in odd)
    if strange > _MOST_ODD * len(texts) or not numbers.notna().any():
        return cells, ""
    found = int(numbers.notna().sum()) - plain
    notes = ([f"{found} cells {what}"] if found else []) + ([_unknown(odd)] if odd else [])
    return _whole(numbers), "; ".join(notes)


def _plain_numbers(cells: pd.Series) -> pd.Series:
    pandas = require("pandas", extra="analysis")
    numbers: pd.Series = pandas.to_numeric(cells, errors="coerce").astype("float64")
    return numbers


def _unknown(odd: Sequence[str]) -> str:
    examples = [repr(cell) for cell, _ in Counter(odd).most_common()]
    return f"{len(odd)} cells are no numbers and count as unknown ({some_of(examples)})"


def _other_spelling(
    cells: pd.Series, texts: Sequence[str], name: str, *, comma_decimals: bool
) -> tuple[pd.Series, str]:
    """Convert ages as DICOM writes them, thousands, decimal commas and numbers with one unit; else to NaN."""
    enough = (1 - _MOST_ODD) * len(texts)
    age = _DICOM_AGE if _AGE_COLUMN.search(snake_case(name)) is None else _AGE
    commas = _comma_spelling(texts, decimals=comma_decimals)
    for spelling in (_Spelling(age, _years, "such as 058Y are ages, converted to years"), commas):
        matching = [bool(spelling.pattern.fullmatch(text)) for text in texts]
        if any(matching) and sum(map(max, matching, map(_is_number, texts))) >= enough:
            return _converted(cells, spelling), spelling.what
    units = Counter(match[2] for text in texts if (match := _WITH_UNIT.fullmatch(text)))
    if len(units) != 1 or units.total() < enough:
        return _converted(cells, None), ""
    bare = cells.map(_before_unit, na_action="ignore")
    commas = _comma_spelling([text for text in bare if text is not None], decimals=comma_decimals)
    numbers = _plain_numbers(bare)
    return (
        numbers.where(numbers.notna(), _converted(bare, commas)),
        f"are numbers, read without their unit {next(iter(units))!r}",
    )


def _comma_spelling(texts: Sequence[str], *, decimals: bool) -> _Spelling:
    """Return what commas mean: thousands, unless they separate no cells or one cell can only be a decimal."""
    only_decimal = (_DECIMAL_COMMA.fullmatch(text) and not _THOUSANDS.fullmatch(text) for text in texts)
    if decimals or any(only_decimal):
        return _Spelling(_DECIMAL_COMMA, _decimal, "with a decimal comma are numbers")
    return _Spelling(_THOUSANDS, _without_commas, "with commas between thousands are numbers")


def _converted(cells: pd.Series, spelling: _Spelling | None) -> pd.Series:
    return cells.map(
        lambda cell: spelling.convert(cell) if spelling and spelling.pattern.fullmatch(cell) else None,
        na_action="ignore",
    ).astype("float64")


def _years(cell: str) -> float:
    return float(cell[:-1]) * _YEARS[cell[-1].upper()]


def _without_commas(cell: str) -> float:
    return float(cell.replace(",", ""))


def _decimal(cell: str) -> float:
    return float(cell.replace(",", "."))


def _before_unit(cell: str) -> str:
    match = _WITH_UNIT.fullmatch(cell)
    return match[1] if match else cell


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _whole(numbers: pd.Series) -> pd.Series:
    """Return whole numbers without gaps as integers, as the file wrote them."""
    whole = bool(((numbers % 1 == 0) & (numbers.abs() < 2**53)).all()) and len(numbers) > 0
    return numbers.astype("int64") if whole else numbers
