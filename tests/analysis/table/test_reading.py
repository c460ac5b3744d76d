"""Tables as spreadsheets, R and pandas write them: no column shifts, or the table is rejected."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from cxr.analysis.table.reading import ROW_NAMES, read_table
from cxr.errors import InputError

EXPECTED = {"image": ["a.png", "b.png"], "age": ["50", "61"]}


def read(tmp_path: Path, text: str, name: str = "t.csv", encoding: str = "utf-8") -> pd.DataFrame:
    path = tmp_path / name
    path.write_bytes(text.encode(encoding))
    return read_table(path).frame


@pytest.mark.parametrize(
    ("text", "encoding"),
    [
        ("image,age\na.png,50\nb.png,61\n", "utf-8"),
        ("image;age\na.png;50\nb.png;61\n", "utf-8"),
        ("image\tage\r\na.png\t50\r\nb.png\t61\r\n", "utf-8"),
        ("sep=;\nimage;age\na.png;50\nb.png;61\n", "utf-8"),
        ("image,age\na.png,50\nb.png,61\n", "utf-8-sig"),
        ("image,age\na.png,50\nb.png,61\n", "utf-16"),
        ("image, age \n a.png , 50\n\nb.png,61\n", "utf-8"),
        ("image,age,,\na.png,50,,\nb.png,61,,\n", "utf-8"),
        ("image,age,age\na.png,50,50\nb.png,61,61\n", "utf-8"),
    ],
)
def test_separators_encodings_blanks_and_empty_columns(tmp_path: Path, text: str, encoding: str) -> None:
    assert read(tmp_path, text, encoding=encoding).to_dict("list") == EXPECTED


def test_comma_at_the_end_of_every_row_shifts_no_column(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_text("image,age\na.png,50,\nb.png,61,\n")
    table = read_table(path)
    assert table.frame.to_dict("list") == EXPECTED
    assert table.notes == ("t.csv: 2 rows end in empty cells without a column; they are dropped",)


def test_row_names_of_r_are_no_column(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_text('"image","age"\n"1","a.png",50\n"2","b.png",61\n')
    table = read_table(path)
    assert table.frame.to_dict("list") == EXPECTED
    assert "row names" in table.notes[0]


def test_first_column_without_a_name_is_called_row_names(tmp_path: Path) -> None:
    assert list(read(tmp_path, ",image\n0,a.png\n1,b.png\n").columns) == [ROW_NAMES, "image"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("image,age\na.png,50,1\nb.png,61\n", r"row 2 has 3 cells and the header 2 \(1 rows are longer\)"),
        ("image,age\nx,a.png,50\nx,b.png,61\n", "2 rows are longer"),
        ("image,age,age\na.png,50,51\n", "column 'age' occurs twice"),
        ('image,age\n"a.png,50\n', "is not a CSV table"),
    ],
)
def test_table_whose_columns_are_uncertain_is_rejected(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        read(tmp_path, text)


def test_short_rows_and_other_encodings_are_reported(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_bytes("image,ward\na.png,Köln\nb.png\n".encode("cp1252"))
    table = read_table(path)
    assert table.frame["ward"].tolist() == ["Köln", None]
    assert len(table.notes) == 2


def test_parquet_keeps_its_numbers(tmp_path: Path) -> None:
    pd.DataFrame({"image": ["a.png", "b.png"], "age": [50, 61]}).to_parquet(tmp_path / "t.parquet")
    frame = read_table(tmp_path / "t.parquet").frame
    assert frame["age"].tolist() == [50, 61]
    assert frame["image"].tolist() == EXPECTED["image"]


def test_excel_workbook_is_read(tmp_path: Path) -> None:
    pytest.importorskip("openpyxl", reason="needs the extra excel")
    pd.DataFrame({"image": ["a.png", "b.png"], "age": [50, 61]}).to_excel(tmp_path / "t.xlsx", index=False)
    assert read_table(tmp_path / "t.xlsx").frame.to_dict("list") == EXPECTED
