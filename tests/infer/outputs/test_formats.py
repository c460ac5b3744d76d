"""The forms that a run's results can take besides CSV tables and PNG masks."""

from __future__ import annotations

import csv
import json
import math
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner
from PIL import Image

from cxr.cli import main
from cxr.data.decode import isolation
from cxr.data.decode.options import DecodeOptions
from cxr.data.image import Radiograph
from cxr.errors import InputError, MachineError
from cxr.infer.outputs.parquet import write_parquet
from cxr.infer.outputs.rle import decode
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
    (tmp_path / "in" / "broken.png").write_bytes(b"no image, but\na line end")
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


@pytest.mark.parametrize("form", ["png", "rle", "dicom-seg"])
def test_the_command_takes_every_form_by_its_name(form: str, model: Path, tmp_path: Path, draw: Draw) -> None:
    draw(tmp_path / "in" / "a.png", SPOTS)
    out = tmp_path / "out"
    arguments = ["infer", str(tmp_path / "in"), "--model", str(model), "--out", str(out), "--masks-as", form]
    ran = CliRunner().invoke(main, arguments)
    assert ran.exit_code == (3 if form == "dicom-seg" else 0), ran.output
    assert {"png": "masks/", "rle": "masks.csv", "dicom-seg": "masks/"}[form] in ran.output


def test_parquet_asked_for_later_is_written_then(model: Path, tmp_path: Path, draw: Draw) -> None:
    draw(tmp_path / "in" / "a.png", SPOTS)
    infer_folder(tmp_path / "in", model=model, out=tmp_path / "out")
    summary = infer_folder(tmp_path / "in", model=model, out=tmp_path / "out", parquet=True)
    assert summary.treated == 0
    assert "features.parquet" in summary.files
    assert pq.read_table(tmp_path / "out" / "features.parquet")["image"].to_pylist() == ["a.png"]


def test_parquet_takes_rows_of_megabytes_and_names_that_look_like_nothing(tmp_path: Path) -> None:
    table = tmp_path / "masks.csv"
    long = "0" * 3_000_000
    table.write_text(f"image,class,height,width,rle\nNULL,nan,1,1,{long}\n")
    told = pq.read_table(write_parquet(table)).to_pylist()
    assert told == [{"image": "NULL", "class": "nan", "height": 1, "width": 1, "rle": long}]


def test_overwriting_leaves_nothing_of_the_run_before(model: Path, tmp_path: Path, draw: Draw) -> None:
    draw(tmp_path / "in" / "a.png", SPOTS)
    out = tmp_path / "out"
    infer_folder(tmp_path / "in", model=model, out=out, masks="rle", parquet=True, overlays=True)
    draw(out / "masks" / "lung" / "a.png")  # written, and killed before its row was certain
    infer_folder(tmp_path / "in", model=model, out=out, overwrite=True)
    left = {path.name for path in out.rglob("*") if path.is_file() and not path.name.startswith(".")}
    assert left == {"features.csv", "lesions.csv", "failures.csv", "run.json", "report.html"}


@pytest.mark.parametrize("damage", ["torn row", "no table", "another run.json"])
def test_a_damaged_folder_can_be_overwritten(damage: str, model: Path, tmp_path: Path, draw: Draw) -> None:
    draw(tmp_path / "in" / "a.png", SPOTS)
    draw(tmp_path / "in" / "b.png", SPOTS)
    out = tmp_path / "out"
    infer_folder(tmp_path / "in", model=model, out=out)
    whole = (out / "features.csv").read_bytes()
    if damage == "torn row":
        (out / "features.csv").write_bytes(whole[:-60])
    elif damage == "no table":
        (out / "features.csv").unlink()
    else:
        (out / "run.json").write_text('{"identity": {}}')
    infer_folder(tmp_path / "in", model=model, out=out, overwrite=True)
    assert (out / "features.csv").read_bytes() == whole


def test_a_mask_that_would_be_a_file_and_a_folder_is_refused_first(
    model: Path, tmp_path: Path, draw: Draw
) -> None:
    draw(tmp_path / "in" / "a.jpg.png" / "x.png")
    draw(tmp_path / "in" / "a.jpg")
    with pytest.raises(InputError, match=r"would both write a\.jpg\.png"):
        infer_folder(tmp_path / "in", model=model, out=tmp_path / "out", masks="png")


def test_want_of_memory_ends_the_run_and_is_no_image_s_failure(
    model: Path, tmp_path: Path, draw_many: Fill, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, out = draw_many(tmp_path / "in", 6), tmp_path / "out"
    whole = isolation.read_image

    def starve(path: Path, reading: DecodeOptions) -> Radiograph:
        if path.name.startswith("00000003"):
            raise MemoryError
        return whole(path, reading)

    with monkeypatch.context() as patch:
        patch.setattr(isolation, "read_image", starve)
        with pytest.raises(
            MachineError, match=r"00000003_000\.png: not enough memory; what is finished is safe"
        ):
            infer_folder(folder, model=model, out=out)
    assert rows(out / "failures.csv") == []
    infer_folder(folder, model=model, out=out)
    assert len(rows(out / "features.csv")) == 6


def test_a_script_without_a_guard_is_told_so_and_loses_nothing(model: Path, tmp_path: Path) -> None:
    folder, out = tmp_path / "in", tmp_path / "out"
    folder.mkdir()
    Image.new("L", (64, 64)).save(folder / "a.tif")
    script = tmp_path / "script.py"
    script.write_text(
        f"import cxr\ncxr.infer_folder({str(folder)!r}, model={str(model)!r}, out={str(out)!r})\n"
    )
    ran = subprocess.run([sys.executable, str(script)], capture_output=True, text=True, check=False)
    assert ran.returncode != 0
    assert "__main__" in ran.stderr
    assert not (out / "failures.csv").exists() or rows(out / "failures.csv") == []
    assert infer_folder(folder, model=model, out=out).rows == 1
