"""The forms that a run's results can take besides CSV tables and PNG masks."""

from __future__ import annotations

import csv
import json
import math
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner

from cxr.cli import main
from cxr.errors import InputError
from cxr.infer.rle import decode
from cxr.infer.run import infer_folder

Draw = Callable[..., Path]
Fill = Callable[[Path, int], Path]

SPOTS = [(8, 8, 4, 5, 250), (40, 40, 10, 10, 250), (20, 0, 8, 64, 120)]


def rows(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as handle:
        return list(csv.DictReader(handle))


def test_masks_as_rle_are_the_masks_as_png(model: Path, tmp_path: Path, draw_many: Fill) -> None:
    folder = draw_many(tmp_path / "in", 5)
    infer_folder(folder, model=model, out=tmp_path / "png", masks="png")
    summary = infer_folder(folder, model=model, out=tmp_path / "rle", masks="rle")
    assert "masks.csv" in summary.files
    told = rows(tmp_path / "rle" / "masks.csv")
    assert [(row["image"], row["class"]) for row in told[:3]] == [
        ("00/00000000_000.png", "lesion"),
        ("00/00000000_000.png", "lung"),
        ("00/00000001_000.png", "lesion"),
    ]
    assert len(told) == 10
    for row in told:
        written = cv2.imread(
            str(tmp_path / "png" / "masks" / row["class"] / row["image"]), cv2.IMREAD_UNCHANGED
        )
        mask = decode(row["rle"], (int(row["height"]), int(row["width"])))
        np.testing.assert_array_equal(mask > 0, written > 0)
    assert not (tmp_path / "rle" / "masks").exists()


def test_an_interrupted_run_of_rle_goes_on_to_the_same_bytes(
    model: Path, tmp_path: Path, draw_many: Fill
) -> None:
    folder = draw_many(tmp_path / "in", 12)

    def stop(done: int, _total: int) -> None:
        if done == 7:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        infer_folder(folder, model=model, out=tmp_path / "out", masks="rle", progress=stop)
    infer_folder(folder, model=model, out=tmp_path / "out", masks="rle")
    infer_folder(folder, model=model, out=tmp_path / "whole", masks="rle")
    assert (tmp_path / "out" / "masks.csv").read_bytes() == (tmp_path / "whole" / "masks.csv").read_bytes()


def test_masks_of_another_form_are_refused_with_the_choices(model: Path, tmp_path: Path, draw: Draw) -> None:
    draw(tmp_path / "in" / "a.png")
    with pytest.raises(InputError, match="masks can be png, rle, dicom-seg; got 'nifti'"):
        infer_folder(tmp_path / "in", model=model, out=tmp_path / "out", masks="nifti")


def test_parquet_holds_the_same_tables_with_their_types(model: Path, tmp_path: Path, draw: Draw) -> None:
    draw(tmp_path / "in" / "a.png", SPOTS)
    draw(tmp_path / "in" / "dark.png")
    (tmp_path / "in" / "broken.png").write_bytes(b"no picture, but\na line end")
    out = tmp_path / "out"
    ran = CliRunner().invoke(
        main,
        ["infer", str(tmp_path / "in"), "--model", str(model), "--out", str(out), "--format", "parquet"],
    )
    assert ran.exit_code == 3, ran.output
    for name in ("features", "lesions", "failures"):
        whole = pq.read_table(out / f"{name}.parquet").to_pylist()
        for told, kept in zip(rows(out / f"{name}.csv"), whole, strict=True):
            assert list(told) == list(kept)
            for column, cell in told.items():
                value = kept[column]
                if isinstance(value, float):
                    assert math.isclose(value, float(cell), abs_tol=1e-9)
                else:
                    assert ("" if value is None else str(value)) == cell
    types = {field.name: str(field.type) for field in pq.read_schema(out / "features.parquet")}
    assert (types["image"], types["num_lesions"], types["lung_area"]) == ("string", "int64", "int64")
    assert (types["mean_area"], types["total_area_mm2"], types["spacing_mm"]) == (
        *("double", "double"),
        "string",
    )


def test_a_name_that_a_spreadsheet_would_run_is_guarded_and_stays_the_key(
    model: Path, tmp_path: Path, draw: Draw
) -> None:
    draw(tmp_path / "in" / "=1+1.png", SPOTS)
    (tmp_path / "in" / "@broken.png").write_bytes(b"x")
    out = tmp_path / "out"
    infer_folder(tmp_path / "in", model=model, out=out, parquet=True, masks="png")
    assert rows(out / "features.csv")[0]["image"] == "'=1+1.png"
    assert rows(out / "lesions.csv")[0]["image"] == "'=1+1.png"
    assert rows(out / "failures.csv")[0]["path"] == "'@broken.png"
    assert pq.read_table(out / "features.parquet")["image"].to_pylist() == ["=1+1.png"]
    assert (out / "masks" / "lesion" / "=1+1.png").exists()
    again = infer_folder(tmp_path / "in", model=model, out=out, parquet=True, masks="png")
    assert again.treated == 0


def test_strict_stops_at_the_first_failure_and_a_mended_file_goes_on(
    model: Path, tmp_path: Path, draw: Draw
) -> None:
    draw(tmp_path / "in" / "a.png")
    (tmp_path / "in" / "b.png").write_bytes(b"")
    draw(tmp_path / "in" / "c.png")
    out = tmp_path / "out"
    with pytest.raises(InputError, match=r"b\.png: decode: the file is empty"):
        infer_folder(tmp_path / "in", model=model, out=out, strict=True)
    assert [row["image"] for row in rows(out / "features.csv")] == ["a.png"]
    assert rows(out / "failures.csv") == []
    draw(tmp_path / "in" / "b.png")
    assert infer_folder(tmp_path / "in", model=model, out=out, strict=True).treated == 2
    assert [row["image"] for row in rows(out / "features.csv")] == ["a.png", "b.png", "c.png"]


def test_the_limit_of_pixels_is_the_users(model: Path, tmp_path: Path, draw: Draw) -> None:
    draw(tmp_path / "in" / "small.png", size=(40, 40))
    draw(tmp_path / "in" / "large.png", size=(41, 41))
    infer_folder(tmp_path / "in", model=model, out=tmp_path / "out", max_pixels=1600)
    (failure,) = rows(tmp_path / "out" / "failures.csv")
    assert failure["path"] == "large.png"
    assert "41 x 41 pixels, more than the limit of 1,600" in failure["error"]


def test_the_salt_is_told_nowhere(model: Path, tmp_path: Path, draw: Draw) -> None:
    draw(tmp_path / "in" / "a.png")
    out = tmp_path / "out"
    infer_folder(tmp_path / "in", model=model, out=out, salt="correct horse battery")
    assert all(b"correct horse" not in path.read_bytes() for path in out.iterdir())
    assert json.loads((out / "run.json").read_text())["identity"]["salt"]
