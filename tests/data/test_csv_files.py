from __future__ import annotations

import csv
import io
from pathlib import Path

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cxr.data.csv_files import csv_line, csv_text, guard, read_csv_rows, unguard, write_csv
from cxr.errors import OutputError

CELLS = st.text(alphabet="'=+-@\t\r\n\",;ab ä", max_size=6)
ROWS = st.lists(st.tuples(CELLS, CELLS), max_size=5)


@given(st.text(alphabet="'=+-@\t\rab", max_size=6))
def test_guarded_text_is_never_a_formula_and_unguarding_restores_it(text: str) -> None:
    guarded = guard(text)
    assert not guarded.startswith(("=", "+", "-", "@", "\t", "\r"))
    assert unguard(guarded) == text


@pytest.mark.parametrize("text", ["", "00000001_000.png", "a=b", "it's", "''quoted''"])
def test_other_text_is_not_changed(text: str) -> None:
    assert guard(text) == unguard(text) == text


@pytest.mark.parametrize(
    ("cells", "line"),
    [
        (("a.png", 3, 0.5, None, True), "a.png,3,0.5,,True\n"),
        (("=1+1", -2.5), "'=1+1,-2.5\n"),
        (("a\rb.png", "c\nd", 'e"f', "g,h"), '"a\rb.png","c\nd","e""f","g,h"\n'),
        (("\r=1",), '"\'\r=1"\n'),
        (("",), '""\n'),
    ],
)
def test_cells_are_guarded_and_quoted_where_necessary(cells: tuple[object, ...], line: str) -> None:
    assert csv_line(cells) == line


@given(st.lists(st.text(alphabet="abä', ;.\"\n", max_size=6) | st.integers() | st.floats(), min_size=1))
def test_ordinary_cells_are_written_as_the_csv_module_writes_them(cells: list[object]) -> None:
    expected = io.StringIO()
    csv.writer(expected, lineterminator="\n").writerow(cells)
    assert csv_line(cells) == expected.getvalue()


@given(ROWS)
def test_written_rows_are_read_back_unchanged(tmp_path_factory: pytest.TempPathFactory, rows: list) -> None:
    path = tmp_path_factory.mktemp("tables") / "table.csv"
    write_csv(path, ("key", "=patient"), rows)
    assert [tuple(row.values()) for row in read_csv_rows(path)] == rows
    assert all(list(row) == ["key", "=patient"] for row in read_csv_rows(path))


@given(ROWS)
def test_pandas_reads_the_same_guarded_cells(rows: list[tuple[str, str]]) -> None:
    text = csv_text(("key", "patient"), rows)
    frame = pd.read_csv(io.StringIO(text, newline=""), dtype=str, keep_default_na=False)
    assert [tuple(map(unguard, row)) for row in frame.itertuples(index=False, name=None)] == rows


def test_line_ends_are_the_same_on_every_system(tmp_path: Path) -> None:
    write_csv(tmp_path / "table.csv", ("key",), [("a",), ("b\r\nc",)])
    assert (tmp_path / "table.csv").read_bytes() == b'key\na\n"b\r\nc"\n'


def test_a_short_row_has_none_and_a_long_row_a_list(tmp_path: Path) -> None:
    (tmp_path / "table.csv").write_text("a,b\n'=1\n1,2,3\n")
    assert list(read_csv_rows(tmp_path / "table.csv")) == [
        {"a": "=1", "b": None},
        {"a": "1", "b": "2", None: ["3"]},
    ]


def test_a_table_that_cannot_be_written_is_an_error_that_names_it(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match=r"table\.csv|file"):
        write_csv(tmp_path / "file" / "table.csv", ("a",), [])
