"""The tables as Parquet."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path

import pyarrow.parquet as pq
from click.testing import CliRunner

from cxr.cli import main
from cxr.data.csv_files import write_csv
from cxr.infer.outputs.parquet import write_parquet
from cxr.infer.run import infer_folder

Draw = Callable[..., Path]
Rectangles = list[tuple[int, int, int, int, int]]
ReadTable = Callable[[Path], list[dict[str, str]]]


def test_parquet_tables_equal_the_csv_tables(
    model: Path, tmp_path: Path, draw: Draw, rectangles: Rectangles, read_table: ReadTable
) -> None:
    draw(tmp_path / "in" / "a.png", rectangles)
    draw(tmp_path / "in" / "dark.png")
    (tmp_path / "in" / "broken.png").write_bytes(b"no image, but\na line end")
    out = tmp_path / "out"
    arguments = ["infer", tmp_path / "in", "--model", model, "--out", out, "--format", "parquet"]
    ran = CliRunner().invoke(main, [str(argument) for argument in arguments])
    assert ran.exit_code == 3, ran.output
    for name in ("features", "components", "failures"):
        expected = read_table(out / f"{name}.csv")
        rows = pq.read_table(out / f"{name}.parquet").to_pylist()
        for csv_row, row in zip(expected, rows, strict=True):
            assert list(csv_row) == list(row)
            for column, cell in csv_row.items():
                value = row[column]
                if isinstance(value, float):
                    assert math.isclose(value, float(cell), abs_tol=1e-9)
                else:
                    assert ("" if value is None else str(value)) == cell


def test_columns_have_the_types_of_their_values(
    model: Path, tmp_path: Path, draw: Draw, rectangles: Rectangles
) -> None:
    draw(tmp_path / "in" / "a.png", rectangles)
    infer_folder(tmp_path / "in", model=model, out=tmp_path / "out", parquet=True)
    schema = pq.read_schema(tmp_path / "out" / "features.parquet")
    types = {field.name: str(field.type) for field in schema}
    assert (types["image"], types["spacing_mm"]) == ("string", "string")
    assert (types["lesion_count"], types["lung_total_area"]) == ("int64", "int64")
    assert (types["lesion_mean_area"], types["lung_total_area_mm2"]) == ("double", "double")


def test_parquet_requested_later_is_written_from_the_finished_tables(
    model: Path, tmp_path: Path, draw: Draw, rectangles: Rectangles
) -> None:
    draw(tmp_path / "in" / "a.png", rectangles)
    infer_folder(tmp_path / "in", model=model, out=tmp_path / "out")
    summary = infer_folder(tmp_path / "in", model=model, out=tmp_path / "out", parquet=True)
    assert summary.processed == 0
    assert "features.parquet" in summary.files
    assert pq.read_table(tmp_path / "out" / "features.parquet")["image"].to_pylist() == ["a.png"]


def test_long_cells_and_names_that_look_like_missing_values_are_kept(tmp_path: Path) -> None:
    table = tmp_path / "masks.csv"
    long = "0" * 3_000_000
    table.write_text(f"image,class,height,width,rle\nNULL,nan,1,1,{long}\n")
    rows = pq.read_table(write_parquet(table)).to_pylist()
    assert rows == [{"image": "NULL", "class": "nan", "height": 1, "width": 1, "rle": long}]


def test_line_ends_in_names_are_kept(tmp_path: Path) -> None:
    table = tmp_path / "failures.csv"
    names = ["a\rb.png", "c\r\nd.png", "\r.png", "e\nf.png"]
    write_csv(table, ("path", "stage", "error"), [(name, "decode", "broken") for name in names])
    assert pq.read_table(write_parquet(table))["path"].to_pylist() == names


def test_formulas_are_guarded_in_csv_but_not_in_parquet(
    model: Path, tmp_path: Path, draw: Draw, rectangles: Rectangles, read_table: ReadTable
) -> None:
    draw(tmp_path / "in" / "=1+1.png", rectangles)
    (tmp_path / "in" / "@broken.png").write_bytes(b"x")
    out = tmp_path / "out"
    infer_folder(tmp_path / "in", model=model, out=out, parquet=True, masks="png")
    assert read_table(out / "features.csv")[0]["image"] == "'=1+1.png"
    assert read_table(out / "components.csv")[0]["image"] == "'=1+1.png"
    assert read_table(out / "failures.csv")[0]["path"] == "'@broken.png"
    assert pq.read_table(out / "features.parquet")["image"].to_pylist() == ["=1+1.png"]
    assert (out / "masks" / "lesion" / "=1+1.png").exists()


def test_guarded_name_is_recognized_as_finished(
    model: Path, tmp_path: Path, draw: Draw, rectangles: Rectangles
) -> None:
    draw(tmp_path / "in" / "=1+1.png", rectangles)
    infer_folder(tmp_path / "in", model=model, out=tmp_path / "out")
    assert infer_folder(tmp_path / "in", model=model, out=tmp_path / "out").processed == 0
