"""Tables as spreadsheets, R and pandas write them: no column shifts, or the table is rejected."""

from __future__ import annotations

import gzip
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
        ("image,age\ra.png,50\rb.png,61\r", "utf-8"),
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


@pytest.mark.parametrize(
    "text",
    [
        '"image","age"\n"1","a.png",50\n"2","b.png",61\n',
        '"image","age"\n"7","a.png",50\n"2","b.png",61\n',
        "image,age\n1,a.png,50\n2,b.png,61\n",
    ],
)
def test_row_names_of_r_are_no_column(tmp_path: Path, text: str) -> None:
    path = tmp_path / "t.csv"
    path.write_text(text)
    table = read_table(path)
    assert table.frame.to_dict("list") == EXPECTED
    assert "row names" in table.notes[0]


def test_row_names_of_r_may_be_words(tmp_path: Path) -> None:
    frame = read(tmp_path, '"age","sex"\n"Smith, J.",50,"M"\n"Doe",61,"F"\n')
    assert frame.to_dict("list") == {"age": ["50", "61"], "sex": ["M", "F"]}


@pytest.mark.parametrize(
    "text",
    [
        "age,sex\na.png,50,M\nb.png,61,F\n",
        "image,sex\na.png,50,M\nb.png,61,F\n",
        '"image","sex"\n"a.png",50,"M"\n"b.png",61,"F"\n',
        '"age","sex"\n"a.png","50","M"\n"b.png","61","F"\n',
        "age,sex\n8,50,M\n9,61,F\n",
    ],
)
def test_header_that_lost_a_name_is_rejected(tmp_path: Path, text: str) -> None:
    with pytest.raises(InputError, match=r"row 2 has 3 cells and the header 2 .*complete the header"):
        read(tmp_path, text)


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


@pytest.mark.parametrize("damage", ["cut", "changed"])
def test_damaged_gzip_is_one_line(tmp_path: Path, damage: str) -> None:
    data = gzip.compress(b"image,age\n" + bytes(range(48, 58)) * 40)
    path = tmp_path / "t.csv.gz"
    path.write_bytes(data[:-12] if damage == "cut" else data[:10] + b"\x07" + data[11:])
    with pytest.raises(InputError, match=r"t.csv.gz: cannot be read \(damaged or incomplete"):
        read_table(path)


def test_header_of_any_length_is_read(tmp_path: Path) -> None:
    names = ["image", *(f"column_{place}" for place in range(20_000))]
    frame = read(tmp_path, ";".join(names) + "\n" + ";".join(["a.png"] + ["1"] * 20_000) + "\n")
    assert list(frame.columns) == names


def test_lists_in_parquet_are_dropped_and_its_named_index_is_a_column(tmp_path: Path) -> None:
    path = tmp_path / "t.parquet"
    table = pd.DataFrame({"image": ["a.png", "b.png"], "age": [50, 61], "boxes": [[1, 2], [3]]})
    table.set_index("image").to_parquet(path)
    found = read_table(path)
    assert found.frame[["image", "age"]].to_dict("list") == {"image": ["a.png", "b.png"], "age": [50, 61]}
    assert set(found.frame.columns) == {"image", "age"}
    assert found.notes == ("t.parquet: boxes holds lists, records or row numbers and is dropped",)
    table.drop(columns="boxes").set_axis([4, 9]).to_parquet(path)
    assert list(read_table(path).frame.columns) == ["image", "age"]


def test_file_that_is_no_workbook_is_one_line(tmp_path: Path) -> None:
    pytest.importorskip("openpyxl", reason="needs the extra excel")
    (tmp_path / "t.xlsx").write_bytes(b"PK\x03\x04 and no more")
    with pytest.raises(InputError, match="cannot be read as an Excel workbook"):
        read_table(tmp_path / "t.xlsx")
