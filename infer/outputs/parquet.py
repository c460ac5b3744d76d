"""The finished tables as Parquet, next to the CSV files from which they are made."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ...data.columns import INTEGER_COLUMNS, TEXT_COLUMNS
from ...data.csv_files import GUARDED_TEXT
from ...machine.files import replacing

BLOCK_BYTES = 64 << 20
"""Bytes read at once. A row must fit into a block, and the run lengths of a noisy mask take megabytes."""


def parquet_path(table: Path) -> Path:
    """Return the path of a table's Parquet file."""
    return table.with_suffix(".parquet")


def write_parquet(table: Path) -> Path:
    """Write a finished CSV table as Parquet; equal tables give equal bytes.

    Parameters
    ----------
    table : Path
        A table of `cxr-infer`. It is read in pieces, so memory does not grow with it.

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
    import pyarrow as pa
    import pyarrow.compute as pc
    import pyarrow.csv as pacsv
    import pyarrow.parquet as pq

    with table.open(encoding="utf-8") as file:
        names = file.readline().rstrip("\n").split(",")
    convert = pacsv.ConvertOptions(
        column_types={name: _type(name, pa) for name in names}, null_values=[""], strings_can_be_null=True
    )
    parse = pacsv.ParseOptions(newlines_in_values=True)
    read = pacsv.ReadOptions(block_size=BLOCK_BYTES)

    def unguarded(column: Any) -> Any:
        if not pa.types.is_string(column.type):
            return column
        return pc.replace_substring_regex(column, GUARDED_TEXT, r"\1")

    target = parquet_path(table)
    with (
        replacing(target) as temporary,
        pacsv.open_csv(table, read, parse, convert) as reader,
        pq.ParquetWriter(temporary, reader.schema) as writer,
    ):
        for batch in reader:
            writer.write_batch(
                pa.record_batch([unguarded(column) for column in batch.columns], reader.schema)
            )
    return target


def _type(name: str, pa: Any) -> Any:
    if name in TEXT_COLUMNS:
        return pa.string()
    return pa.int64() if INTEGER_COLUMNS.fullmatch(name) else pa.float64()
