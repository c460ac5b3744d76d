"""Write CSV tables, and read them back unchanged; equal tables have equal bytes on every system.

Text that a spreadsheet would run as a formula is guarded by an apostrophe, which `read_csv_rows` removes:
https://owasp.org/www-community/attacks/CSV_Injection
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from ..machine.files import write_text

_FORMULA = re.compile(r"'*[=+\-@\t\r]")

GUARDED_TEXT = r"^'('*[=+\-@\t\r])"
"""Matches guarded text; its group is the start of the original text."""


def guard(text: str) -> str:
    """Put an apostrophe before text that a spreadsheet would run, or that looks guarded.

    Examples
    --------
    >>> guard("=1+1"), guard("a.png")
    ("'=1+1", 'a.png')
    """
    return f"'{text}" if _FORMULA.match(text) else text


def unguard(text: str) -> str:
    """Return the text that was given to `guard`."""
    return text[1:] if re.match(GUARDED_TEXT, text) else text


def csv_line(cells: Iterable[object]) -> str:
    r"""Write one line of a CSV table, ending in "\n".

    Text is guarded; cells with a comma, a quote, "\n" or "\r" are quoted. Floats are written by `repr`, None
    as an empty cell.
    """
    line = io.StringIO()
    # Python before 3.11.10 quotes only the characters of its own line end: with "\n" it leaves "\r" bare.
    csv.writer(line, lineterminator="\r\n").writerow(
        guard(cell) if isinstance(cell, str) else cell for cell in cells
    )
    return line.getvalue()[:-2] + "\n"


def csv_text(columns: Iterable[str], rows: Iterable[Iterable[object]]) -> str:
    """Write a table as text: its header, then its rows; see `csv_line`."""
    return csv_line(columns) + "".join(map(csv_line, rows))


def write_csv(path: Path, columns: Iterable[str], rows: Iterable[Iterable[object]]) -> None:
    """Write a table to a UTF-8 file, atomically; see `csv_line`.

    Raises
    ------
    OutputError
        If it cannot be written.
    """
    write_text(path, csv_text(columns, rows))


def read_csv_line(line: str) -> list[str]:
    """Return the cells of one line that `csv_line` wrote, as they were before formulas were guarded."""
    (cells,) = csv.reader(io.StringIO(line, newline=""))
    return _unguard_all(cells)


def read_csv_rows(path: Path) -> Iterator[dict[str, Any]]:
    """Read the rows of a table, as they were before formulas were guarded.

    Yields
    ------
    dict of str to str
        By column. As in `csv.DictReader`, a row that is too short has None in its last columns, and one that
        is too long a list under the key None.
    """
    with path.open(encoding="utf-8", newline="") as file:
        reader = csv.DictReader(file)
        reader.fieldnames = _unguard_all(reader.fieldnames or ())
        for row in reader:
            yield {name: unguard(cell) if isinstance(cell, str) else cell for name, cell in row.items()}


def _unguard_all(names: Sequence[str]) -> list[str]:
    return [unguard(name) for name in names]
