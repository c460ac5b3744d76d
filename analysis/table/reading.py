"""Read a table as people have it: CSV, TSV, semicolons, Excel, Parquet."""

from __future__ import annotations

import csv
import gzip
import io
import re
import zipfile
import zlib
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any
from xml.etree.ElementTree import ParseError

from ...data.csv_files import unguard
from ...errors import InputError
from ...machine.extras import require
from ...machine.files import check_is_file
from ..text import some_of
from .roles import is_identifier

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa

EXCEL = (".xlsx", ".xlsm")
PARQUET = (".parquet", ".pq")
ROW_NAMES = "row names"
"""Name of a first column that the file leaves without a name."""

_DELIMITERS = (",", ";", "\t")
_ENCODINGS = {b"\xff\xfe": "utf-16", b"\xfe\xff": "utf-16", b"\xef\xbb\xbf": "utf-8-sig"}
_FALLBACK = "cp1252"


@dataclass(frozen=True)
class TableText:
    """A table whose text cells are not interpreted yet.

    Attributes
    ----------
    frame : DataFrame
        Columns of text have str and None; columns that the file itself types have their type.
    comma_decimals : bool
        Whether a comma inside a number can only be a decimal one: commas do not separate the cells.
    notes : tuple of str
        What was guessed or dropped, with counts.
    """

    frame: pd.DataFrame
    comma_decimals: bool = False
    notes: tuple[str, ...] = ()


def read_table(path: Path) -> TableText:
    """Read a table by its suffix: Excel, Parquet, else text with commas, semicolons or tabs (`.gz` too).

    Raises
    ------
    InputError
        If it cannot be read, a row has more cells than the header, or two different columns have one name.
    """
    try:
        check_is_file(path)
        if path.suffix.lower() in EXCEL:
            return _read_excel(path)
        if path.suffix.lower() in PARQUET:
            return _read_parquet(path)
        data = path.read_bytes()
        data = gzip.decompress(data) if path.suffix.lower() == ".gz" else data
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror or error})") from error
    except (EOFError, zlib.error) as error:
        raise InputError(f"{path}: cannot be read (damaged or incomplete: {error}); copy it again") from error
    text, notes = _decoded(path, data)
    lines = list(io.StringIO(text, newline=""))
    delimiter = None
    if lines and lines[0].strip().lower() in ("sep=;", "sep=,", "sep=\t"):  # Excel's own first line
        delimiter = lines.pop(0).rstrip("\r\n")[-1]
    delimiter = delimiter or _delimiter(lines)
    rows, starts = _rows(path, lines, delimiter)
    if not rows:
        raise InputError(f"{path}: is not a CSV table (it is empty)")
    like_r = _quotes_like_r(rows, starts, delimiter)
    header, cells, more = _aligned(path, rows[0], rows[1:], like_r=like_r)
    return _table(path, header, cells, comma_decimals=delimiter != ",", notes=(*notes, *more))


def _rows(path: Path, lines: Sequence[str], delimiter: str) -> tuple[list[list[str]], list[str]]:
    """Return the rows that are not empty, and the line on which each begins."""
    rows: list[list[str]] = []
    starts: list[str] = []
    reader = csv.reader(lines, delimiter=delimiter, strict=True)
    first = 0
    try:
        for row in reader:
            if any(row):
                rows.append(row)
                starts.append(lines[first])
            first = reader.line_num
    except csv.Error as error:
        raise InputError(f"{path}: is not a CSV table ({error})") from error
    return rows, starts


def _quotes_like_r(rows: Sequence[Sequence[str]], starts: Sequence[str], delimiter: str) -> bool:
    """Return whether the header and the first cell of each row are quoted, but not all cells of all rows."""
    quoted = [_quoted(row, delimiter) == line.strip() for row, line in zip(rows, starts, strict=True)]
    return quoted[0] and not all(quoted) and all(line.lstrip().startswith('"') for line in starts)


def _quoted(row: Sequence[str], delimiter: str) -> str:
    escaped = (cell.replace('"', '""') for cell in row)
    return delimiter.join(f'"{cell}"' for cell in escaped)


def _decoded(path: Path, data: bytes) -> tuple[str, tuple[str, ...]]:
    encoding = next((name for mark, name in _ENCODINGS.items() if data.startswith(mark)), "utf-8")
    notes: tuple[str, ...] = ()
    try:
        text = data.decode(encoding)
    except UnicodeDecodeError:
        text = data.decode(_FALLBACK, "replace")
        notes = (f"{path.name} is not UTF-8; read as {_FALLBACK}",)
    if "\0" in text:
        raise InputError(f"{path}: is not a CSV table (it holds NUL characters)")
    return text, notes


def _delimiter(lines: Sequence[str]) -> str:
    """Return what separates most cells of the first line."""
    first = next((line for line in lines if line.strip()), "")
    unquoted = re.sub(r'"[^"]*"', "", first)
    counts = {one: unquoted.count(one) for one in _DELIMITERS}
    return max(_DELIMITERS, key=lambda one: counts[one])


def _aligned(
    path: Path, header: list[str], rows: list[list[str]], *, like_r: bool
) -> tuple[list[str], list[list[str]], tuple[str, ...]]:
    """Give every row as many cells as the header, or reject the table: a shifted column is a wrong result.

    One cell more in every row is R's row names if these are 1, 2, 3 and so on, or distinct in a file that is
    quoted as R quotes. Otherwise the header has lost a name, and nobody knows which.
    """
    width = len(header)
    longer = [row for row in rows if len(row) > width]
    if not longer:
        short = sum(len(row) < width for row in rows)
        note = f"{path.name}: {short} rows have fewer cells than the header; the last are unknown"
        return header, [row + [""] * (width - len(row)) for row in rows], (note,) if short else ()
    if all(not "".join(row[width:]).strip() for row in longer):
        note = f"{path.name}: {len(longer)} rows end in empty cells without a column; they are dropped"
        return header, [(row + [""] * width)[:width] for row in rows], (note,)
    names = [row[0] for row in rows]
    if all(len(row) == width + 1 for row in rows) and _are_row_names(names, header, like_r=like_r):
        note = (
            f"{path.name}: each row has one cell more than the header; the first cells are taken as row names"
        )
        return header, [row[1:] for row in rows], (note,)
    place, row = next((place, row) for place, row in enumerate(rows, start=2) if len(row) > width)
    raise InputError(
        f"{path}: row {place} has {len(row)} cells and the header {width} ({len(longer)} rows are longer);"
        " quote cells that hold the separator, or complete the header"
    )


def _are_row_names(names: Sequence[str], header: Sequence[str], *, like_r: bool) -> bool:
    if list(names) == [str(number) for number in range(1, len(names) + 1)]:
        return True
    # Words before a column of images or patients may be that column, and the lost name one further right.
    numbers = all(name.isdecimal() for name in names)
    return like_r and len(set(names)) == len(names) and (numbers or not is_identifier(header[0]))


def _table(
    path: Path,
    header: Sequence[str],
    rows: Sequence[Sequence[str]],
    *,
    comma_decimals: bool,
    notes: Sequence[str],
) -> TableText:
    pandas = require("pandas", extra="analysis")
    columns = [[_cell(row[place]) for row in rows] for place in range(len(header))]
    names, kept, more = _names(path, [unguard(name.strip()) for name in header], columns)
    frame = pandas.DataFrame(
        {name: pandas.Series(columns[place], dtype="object") for name, place in zip(names, kept, strict=True)}
    )
    return TableText(frame, comma_decimals, (*notes, *more))


def _cell(text: str) -> str | None:
    stripped = text.strip()
    return unguard(stripped) if stripped else None


def _names(
    path: Path, header: Sequence[str], columns: Sequence[Sequence[Any]]
) -> tuple[list[str], list[int], list[str]]:
    """Return the names of the columns, their places in the file and the notes."""
    names: list[str] = []
    kept: list[int] = []
    notes: list[str] = []
    first = {name: place for place, name in reversed(list(enumerate(header)))}
    for place, name in enumerate(header):
        if not name and all(cell is None for cell in columns[place]):
            continue
        if name and first[name] != place:
            if list(columns[first[name]]) != list(columns[place]):
                raise InputError(
                    f"{path}: the column {name!r} occurs twice with different cells; keep or rename one"
                )
            notes.append(f"{path.name}: the column {name!r} occurs twice with the same cells; one is dropped")
            continue
        names.append(name or (ROW_NAMES if place == 0 else f"column {place + 1}"))
        kept.append(place)
    unnamed = [name for name, place in zip(names, kept, strict=True) if not header[place]]
    if unnamed:
        notes.append(f"{path.name}: columns without a name are called {some_of(unnamed)}")
    return names, kept, notes


def _read_excel(path: Path) -> TableText:
    require("openpyxl", extra="excel")
    pandas = require("pandas", extra="analysis")
    try:
        sheets = pandas.read_excel(path, sheet_name=None, header=None, dtype=object)
    except (ValueError, KeyError, OSError, EOFError, zipfile.BadZipFile, zlib.error, ParseError) as error:
        raise InputError(f"{path}: cannot be read as an Excel workbook ({error})") from error
    name, sheet = next(iter(sheets.items()))
    if sheet.empty:
        raise InputError(f"{path}: the sheet {name!r} is empty")
    rows = [["" if cell != cell or cell is None else str(cell) for cell in row] for row in sheet.to_numpy()]
    notes = (f"{path.name}: the first of {len(sheets)} sheets, {name!r}, is read",) if len(sheets) > 1 else ()
    return _table(path, rows[0], [row for row in rows[1:] if any(row)], comma_decimals=False, notes=notes)


def _read_parquet(path: Path) -> TableText:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        table = pq.read_table(path)
    except pa.ArrowException as error:
        raise InputError(f"{path}: cannot be read as Parquet ({str(error).splitlines()[0]})") from error
    repeated = [name for name, count in Counter(table.column_names).items() if count > 1]
    if repeated:
        raise InputError(f"{path}: the column {repeated[0]!r} occurs twice; keep or rename one")
    dropped = [field.name for field in table.schema if _is_no_column(field)]
    notes = [f"{path.name}: {name} holds lists, records or row numbers and is dropped" for name in dropped]
    # pandas' metadata would hide a column that was the index when the file was written, such as the image.
    frame: pd.DataFrame = table.drop_columns(dropped).to_pandas(ignore_metadata=True)
    texts = {
        name: frame[name].map(_text_cell).astype("object")
        for name in frame.columns
        if frame[name].dtype.kind not in "iufb"
    }
    return TableText(frame.assign(**texts).rename(columns=str.strip), notes=tuple(notes))


def _is_no_column(field: pa.Field) -> bool:
    import pyarrow as pa

    return pa.types.is_nested(field.type) or re.fullmatch(r"__index_level_\d+__", field.name) is not None


def _text_cell(value: Any) -> str | None:
    return None if value is None or value != value else _cell(str(value))
