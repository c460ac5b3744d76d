"""The files of the tables."""

from __future__ import annotations

import csv
import io
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cxr.data.csv_files import csv_line, csv_text, unguard
from cxr.infer.outputs.table_files import TableFile, rewrite_table

CELLS = st.text("ab,\"'=\r\n\u2028 \u00e4", max_size=6)
ROWS = st.lists(st.tuples(CELLS, CELLS, st.integers()))


@given(rows=ROWS, data=st.data())
def test_rewritten_table_has_the_rows_of_the_keys_in_their_order(
    tmp_path_factory: pytest.TempPathFactory, rows: list[tuple[str, str, int]], data: st.DataObject
) -> None:
    folder = tmp_path_factory.mktemp("table")
    table, target = folder / "a.csv", folder / "b.csv"
    table.write_bytes(csv_text(("image", "text", "number"), rows).encode())
    keys = data.draw(st.permutations(sorted({row[0] for row in rows})))
    kept = data.draw(st.lists(st.sampled_from(keys), unique=True)) if keys else []
    rewritten = rewrite_table(table, target, kept)
    expected = [row for key in kept for row in rows if row[0] == key]
    assert target.read_bytes() == csv_text(("image", "text", "number"), expected).encode()
    assert rewritten.state == TableFile(target).read(target.stat().st_size).state
    cells = list(csv.reader(io.StringIO(target.read_bytes().decode(), newline="")))[1:]
    assert [unguard(cell) for cell, *_ in cells] == [row[0] for row in expected]


def test_cells_of_any_length_are_copied(tmp_path: Path) -> None:
    """Run lengths take megabytes, more than Python reads of a cell."""
    rows = [("b", "0" * 3_000_000), ("a", "1" * 3_000_000)]
    (tmp_path / "masks.csv").write_text(csv_text(("image", "rle"), rows))
    rewrite_table(tmp_path / "masks.csv", tmp_path / "new.csv", ["a", "b"])
    assert (tmp_path / "new.csv").read_text() == csv_text(("image", "rle"), rows[::-1])


def test_appended_text_continues_the_hash_of_what_was_read(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text(csv_line(("x", "y")) + "1,2\nuncommitted")
    table = TableFile(path).read(8)
    table.open()
    table.append("3,4\n")
    table.close()
    assert path.read_text() == "x,y\n1,2\n3,4\n"
    assert table.state == TableFile(path).read(12).state
