"""The finished tables as Parquet, beside the CSV files that made them crash-safe."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ...data.columns import INTEGER_COLUMNS, TEXT_COLUMNS
from ...data.spreadsheet import GUARDED_TEXT
from ...machine.files import replacing

BLOCK = 64 << 20
"""Bytes that are read at once; a row must fit in, and the run lengths of a mask of noise are megabytes."""


def parquet_path(table: Path) -> Path:
    """Say where a table's Parquet form goes."""
    return table.with_suffix(".parquet")


def write_parquet(table: Path) -> Path:
    """Write a finished CSV table as Parquet; the same table gives the same bytes.

    Parameters
    ----------
    table : Path
        A table of `cxr-infer`. It is read in pieces, so memory does not grow with it.

    Returns
    -------
    Path
        The file, `features.parquet` for `features.csv`: text, int64 or float64 by the meaning of the column,
        empty cells as null, text without the guard that a spreadsheet needs.

    Raises
    ------
    OutputError
        If it cannot be written.
    """
    import pyarrow as pa
    import pyarrow.compute as pc
    import pyarrow.csv as pacsv
    import pyarrow.parquet as pq

    with table.open(encoding="utf-8") as lines:
        names = lines.readline().rstrip("\n").split(",")
    convert = pacsv.ConvertOptions(
        column_types={name: _type(name, pa) for name in names}, null_values=[""], strings_can_be_null=True
    )
    parse = pacsv.ParseOptions(newlines_in_values=True)
    read = pacsv.ReadOptions(block_size=BLOCK)

    def plain(column: Any) -> Any:
        if not pa.types.is_string(column.type):
            return column
        return pc.replace_substring_regex(column, GUARDED_TEXT, r"\1")

    target = parquet_path(table)
    with (
        replacing(target) as beside,
        pacsv.open_csv(table, read, parse, convert) as reader,
        pq.ParquetWriter(beside, reader.schema) as writer,
    ):
        for batch in reader:
            writer.write_batch(pa.record_batch([plain(column) for column in batch.columns], reader.schema))
    return target


def _type(name: str, pa: Any) -> Any:
    if name in TEXT_COLUMNS:
        return pa.string()
    return pa.int64() if INTEGER_COLUMNS.fullmatch(name) else pa.float64()
