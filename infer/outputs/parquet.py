"""The finished tables as Parquet, next to the CSV files from which they are made."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

from ...data.column_table import Kind, Table
from ...data.columns import find_column
from ...data.csv_files import GUARDED_TEXT, read_csv_line
from ...machine.files import replacing

if TYPE_CHECKING:
    import pyarrow as pa

_DIGEST = b"cxr.table"

BLOCK_BYTES = 64 << 20
"""Bytes read at once. A row must fit into a block, and the run lengths of a noisy mask take megabytes."""


def parquet_path(table: Path) -> Path:
    """Return the path of a table's Parquet file."""
    return table.with_suffix(".parquet")


def write_parquet(table: Path, digest: str = "") -> Path:
    """Write a finished CSV table as Parquet; equal tables give equal bytes.

    Parameters
    ----------
    table : Path
        A table of `cxr-infer`. It is read in pieces, so memory does not grow with it.
    digest : str
        The hash of the table, which is stored in the Parquet file.

    Returns
    -------
    Path
        The Parquet file: `features.parquet` for `features.csv`. Its columns are text, int64 or float64,
        its empty cells null, its text without the guard against spreadsheet formulas.

    Raises
    ------
    OutputError
        If it cannot be written.
    """
    import pyarrow.parquet as pq

    target = parquet_path(table)
    schema, batches = _read_batches(table)
    schema = schema.with_metadata({_DIGEST: digest.encode()}) if digest else schema
    with (
        replacing(target) as temporary,
        temporary.open("wb") as file,  # pyarrow opens no path that is not UTF-8
        pq.ParquetWriter(file, schema) as writer,
    ):
        for batch in batches:
            writer.write_batch(batch)
    return target


def digest_of_parquet(table: Path) -> str | None:
    """Return the hash of the CSV table that a table's Parquet file was made from.

    Returns
    -------
    str or None
        Empty if the file states none, so another program wrote it; None if there is no file.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    path = parquet_path(table)
    if not path.exists():
        return None
    try:
        with path.open("rb") as file:
            metadata = pq.read_schema(file).metadata
        return str((metadata or {}).get(_DIGEST, b"").decode())
    except (pa.ArrowException, OSError):
        return ""


def read_table(table: Path) -> pa.Table:
    """Read a CSV table of `cxr-infer` whole, with the types that `write_parquet` gives its columns."""
    import pyarrow as pa

    schema, batches = _read_batches(table)
    return pa.Table.from_batches(batches, schema)


def _read_batches(table: Path) -> tuple[pa.Schema, Iterator[pa.RecordBatch]]:
    import pyarrow as pa
    import pyarrow.csv as pacsv

    with table.open(encoding="utf-8", newline="") as file:
        names = read_csv_line(file.readline())
    convert = pacsv.ConvertOptions(
        column_types={name: _type(Table(table.stem), name, pa) for name in names},
        null_values=[""],
        strings_can_be_null=True,
    )
    parse = pacsv.ParseOptions(newlines_in_values=True)
    stream = table.open("rb")
    reader = pacsv.open_csv(stream, pacsv.ReadOptions(block_size=BLOCK_BYTES), parse, convert)
    return reader.schema, _batches(stream, reader)


def _batches(stream: BinaryIO, reader: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    with stream:
        for batch in reader:
            yield _without_guards(batch)


def _without_guards(batch: pa.RecordBatch) -> pa.RecordBatch:
    import pyarrow as pa
    import pyarrow.compute as pc

    columns = [
        pc.replace_substring_regex(column, GUARDED_TEXT, r"\1") if pa.types.is_string(column.type) else column
        for column in batch.columns
    ]
    return pa.record_batch(columns, batch.schema)


def _type(table: Table, name: str, pa: Any) -> Any:
    found = find_column(table, name)
    assert found is not None, name
    return {Kind.TEXT: pa.string(), Kind.INTEGER: pa.int64(), Kind.FLOAT: pa.float64()}[found[0].kind]
