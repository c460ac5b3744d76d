"""Read CSV tables with pyarrow; one-line errors for tables that cannot be read."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.csv as pacsv

from ..errors import InputError
from ..machine.files import check_is_file


def read_header(path: Path) -> list[str]:
    """Read the column names in the first line of a CSV file (`.gz` too), without blanks around them.

    Raises
    ------
    InputError
        If the file cannot be read or is empty.
    """
    try:
        with _open(path) as stream:
            line = stream.read(65536).partition(b"\n")[0]
    except (OSError, pa.ArrowInvalid) as error:
        raise InputError(f"{path}: this table cannot be read ({_cause(error)})") from error
    if not line.strip():
        raise InputError(f"{path}: this table is empty")
    text = line.decode("utf-8-sig", "replace").rstrip("\r")
    return [cell.strip() for cell in next(csv.reader([text], skipinitialspace=True))]


def read_csv(
    path: Path,
    *,
    types: Mapping[str, pa.DataType],
    columns: Sequence[str] = (),
    keep: Sequence[str] = (),
) -> pa.Table:
    """Read a CSV table; empty cells become null.

    Parameters
    ----------
    path : Path
        `.csv` or `.csv.gz`, UTF-8.
    types : mapping of str to DataType
        Types by column name; the types of other columns are inferred.
    columns : sequence of str
        Column names that replace the first line, for tables whose header is unreliable.
    keep : sequence of str
        The columns to keep; all if empty.

    Raises
    ------
    InputError
        If it cannot be read or a cell does not match its column's type.
    """
    reading = pacsv.ReadOptions(column_names=list(columns) or None, skip_rows=1 if columns else 0)
    conversion = pacsv.ConvertOptions(
        column_types=dict(types), include_columns=list(keep) or None, strings_can_be_null=True
    )
    try:
        with _open(path) as stream:
            return pacsv.read_csv(stream, read_options=reading, convert_options=conversion)
    except (OSError, pa.ArrowException) as error:
        raise InputError(f"{path}: this table cannot be read ({_cause(error)})") from error


def require_columns(path: Path, present: Iterable[str], required: Iterable[str]) -> None:
    """Check that a table has the required columns.

    Raises
    ------
    InputError
        Naming the missing and the present columns.
    """
    found = list(present)
    missing = [name for name in required if name not in found]
    if missing:
        raise InputError(f"{path}: no column {', '.join(missing)}; the table has: {', '.join(found)}")


@contextmanager
def _open(path: Path) -> Iterator[pa.NativeFile]:
    """Open a table; through Python, since pyarrow opens no path that is not UTF-8."""
    check_is_file(path)
    with path.open("rb") as file:
        yield pa.input_stream(file, compression="gzip" if path.suffix.lower() == ".gz" else None)


def _cause(error: Exception) -> Any:
    return error.strerror if isinstance(error, OSError) and error.strerror else str(error).split("\n")[0]
