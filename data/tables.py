"""Read a CSV table with pyarrow, or say in one line what is wrong with it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.csv as pacsv

from ..errors import InputError


def read_header(path: Path) -> list[str]:
    """Read the cells of a CSV file's first line as they are, split at every comma (`.gz` too).

    Raises
    ------
    InputError
        If the file cannot be read or is empty.
    """
    try:
        with pa.input_stream(path, compression="detect") as stream:
            line = stream.read(65536).partition(b"\n")[0]
    except (OSError, pa.ArrowInvalid) as error:
        raise InputError(f"{path}: this table cannot be read ({_cause(error)})") from error
    if not line.strip():
        raise InputError(f"{path}: this table is empty")
    return [cell.strip().strip('"') for cell in line.decode("utf-8-sig", "replace").split(",")]


def read_csv(
    path: Path,
    *,
    types: Mapping[str, pa.DataType],
    columns: Sequence[str] = (),
    keep: Sequence[str] = (),
) -> pa.Table:
    """Read a CSV table, its empty cells as null.

    Parameters
    ----------
    path : Path
        `.csv` or `.csv.gz`, UTF-8.
    types : mapping of str to DataType
        Types of columns; those not named are inferred.
    columns : sequence of str
        Names to use in place of the first line's (where that line cannot be relied on).
    keep : sequence of str
        The columns to keep; all, where empty.

    Raises
    ------
    InputError
        If it cannot be read or a cell does not have the column's type.
    """
    read = pacsv.ReadOptions(column_names=list(columns) or None, skip_rows=1 if columns else 0)
    convert = pacsv.ConvertOptions(
        column_types=dict(types), include_columns=list(keep) or None, strings_can_be_null=True
    )
    try:
        with pa.input_stream(path, compression="detect") as stream:
            return pacsv.read_csv(stream, read_options=read, convert_options=convert)
    except (OSError, pa.ArrowException) as error:
        raise InputError(f"{path}: this table cannot be read ({_cause(error)})") from error


def require_columns(path: Path, present: Iterable[str], needed: Iterable[str]) -> None:
    """Check that a table has the columns that are needed.

    Raises
    ------
    InputError
        Naming the missing columns and those that are there.
    """
    there = list(present)
    missing = [name for name in needed if name not in there]
    if missing:
        named = ", ".join(there)
        raise InputError(f"{path}: no column {', '.join(missing)}; the columns there are: {named}")


def _cause(error: Exception) -> Any:
    return error.strerror if isinstance(error, OSError) and error.strerror else str(error).split("\n")[0]
