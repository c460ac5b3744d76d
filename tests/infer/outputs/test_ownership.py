"""No file that no run of cxr-infer wrote is overwritten or removed."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from cxr.errors import InputError, OutputError
from cxr.infer.outputs.journal import JOURNAL
from cxr.infer.run import infer_folder

Draw = Callable[..., Path]
Rectangles = list[tuple[int, int, int, int, int]]
MINE = b"drawn by hand"


@pytest.fixture
def folder(tmp_path: Path, draw: Draw, rectangles: Rectangles) -> Path:
    draw(tmp_path / "in" / "a.png", rectangles)
    draw(tmp_path / "in" / "b.jpg", rectangles)
    return tmp_path / "in"


def put(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(MINE)
    return path


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("masks/lesion/a.png", {"masks": "png"}),
        ("masks/lung/b.jpg.png", {"masks": "png"}),
        ("overlays/a.png", {"overlays": True}),
        ("masks.csv", {"masks": "rle"}),
        ("features.parquet", {"parquet": True}),
        ("failures.parquet", {"parquet": True}),
        ("report.html", {}),
        ("run.json", {}),
        ("components.csv", {}),
        ("masks", {"masks": "png"}),
        ("masks/lung", {"masks": "png"}),
        ("overlays", {"overlays": True}),
    ],
)
@pytest.mark.parametrize("overwrite", [False, True])
def test_own_file_is_named_before_the_first_image(
    model: Path, folder: Path, tmp_path: Path, name: str, options: dict[str, Any], overwrite: bool
) -> None:
    out = tmp_path / "out"
    mine = put(out / name)
    with pytest.raises(OutputError, match=rf"{name}: exists already.*--out"):
        infer_folder(folder, model=model, out=out, overwrite=overwrite, **options)
    assert [path for path in out.rglob("*") if path.is_file()] == [mine]
    assert mine.read_bytes() == MINE


@pytest.mark.parametrize(
    "name", ["masks/lesion/a.png", "overlays/a.png", "masks.csv", "features.parquet", "masks/lesion/c.png"]
)
def test_own_file_that_the_run_would_not_write_is_left_alone(
    model: Path, folder: Path, tmp_path: Path, name: str
) -> None:
    mine = put(tmp_path / "out" / name)
    for overwrite in (False, True):
        infer_folder(folder, model=model, out=tmp_path / "out", overwrite=overwrite)
    assert mine.read_bytes() == MINE


def test_link_to_an_own_file_is_not_replaced(model: Path, folder: Path, tmp_path: Path) -> None:
    mask = tmp_path / "out" / "masks" / "lesion" / "a.png"
    mask.parent.mkdir(parents=True)
    mask.symlink_to(tmp_path / "nowhere.png")
    with pytest.raises(OutputError, match=r"masks/lesion/a\.png: exists already"):
        infer_folder(folder, model=model, out=tmp_path / "out", masks="png")
    assert mask.is_symlink()


def test_own_mask_of_an_image_that_is_added_later_is_not_overwritten(
    model: Path, folder: Path, tmp_path: Path, draw: Draw
) -> None:
    out = tmp_path / "out"
    infer_folder(folder, model=model, out=out, masks="png")
    mine = put(out / "masks" / "lung" / "c.png")
    draw(folder / "c.png", [(8, 8, 4, 5, 250)])
    with pytest.raises(OutputError, match=r"masks/lung/c\.png: exists already"):
        infer_folder(folder, model=model, out=out, masks="png")
    assert mine.read_bytes() == MINE
    mine.unlink()
    assert infer_folder(folder, model=model, out=out, masks="png").rows == 3


def test_overwrite_removes_only_what_the_earlier_run_wrote(
    model: Path, folder: Path, tmp_path: Path, draw: Draw
) -> None:
    out = tmp_path / "out"
    infer_folder(folder, model=model, out=out, masks="png", overlays=True, parquet=True)
    mine = [put(out / name) for name in ("masks/lesion/c.png", "overlays/c.png", "notes.txt", "masks.csv")]
    (folder / "a.png").unlink()
    draw(folder / "c.png", [(8, 8, 4, 5, 250)])
    infer_folder(folder, model=model, out=out, overwrite=True)
    files = {path for path in out.rglob("*") if path.is_file() and path.name != JOURNAL}
    tables = {"features.csv", "components.csv", "failures.csv", "run.json", "report.html"}
    assert files == {*mine, *(out / name for name in tables)}
    assert all(path.read_bytes() == MINE for path in mine)


def test_overwrite_names_an_own_file_that_lies_among_those_of_the_earlier_run(
    model: Path, folder: Path, tmp_path: Path, draw: Draw, contents: Callable[[Path], dict[str, bytes]]
) -> None:
    out = tmp_path / "out"
    infer_folder(folder, model=model, out=out, masks="png")
    mine = put(out / "overlays" / "a.png")
    before = contents(out)
    with pytest.raises(OutputError, match=r"overlays/a\.png: exists already"):
        infer_folder(folder, model=model, out=out, masks="png", overlays=True, overwrite=True)
    assert contents(out) == before
    assert mine.read_bytes() == MINE
    assert infer_folder(folder, model=model, out=out, masks="png").processed == 0


def test_parquet_file_that_replaced_ours_is_not_overwritten(
    model: Path, folder: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    infer_folder(folder, model=model, out=out, parquet=True)
    put(out / "features.parquet")
    with pytest.raises(OutputError, match=r"features\.parquet: was written by another program"):
        infer_folder(folder, model=model, out=out, parquet=True)
    assert (out / "features.parquet").read_bytes() == MINE


@pytest.mark.parametrize("place", ["masks/lesion", "masks", "overlays"])
@pytest.mark.parametrize("overwrite", [False, True])
def test_input_in_the_mask_folder_of_the_output_folder_is_never_overwritten(
    model: Path, tmp_path: Path, draw: Draw, place: str, overwrite: bool
) -> None:
    name = "lesion/a.png" if place == "masks" else "a.png"
    image = draw(tmp_path / "out" / place / name, [(8, 8, 4, 5, 250)])
    before = image.read_bytes()
    with pytest.raises((InputError, OutputError)):
        infer_folder(
            tmp_path / "out" / place,
            model=model,
            out=tmp_path / "out",
            masks="png",
            overlays=True,
            overwrite=overwrite,
        )
    assert image.read_bytes() == before


def test_masks_of_an_earlier_run_as_input_survive_an_overwrite(
    model: Path, folder: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    infer_folder(folder, model=model, out=out, masks="png")
    masks = {path: path.read_bytes() for path in out.rglob("*.png")}
    with pytest.raises((InputError, OutputError)):
        infer_folder(out / "masks" / "lesion", model=model, out=out, masks="png", overwrite=True)
    assert {path: path.read_bytes() for path in out.rglob("*.png")} == masks


@pytest.mark.skipif(not hasattr(os, "symlink"), reason="needs symbolic links")
def test_mask_folder_that_is_a_link_to_the_images_does_not_cost_them(
    model: Path, folder: Path, tmp_path: Path
) -> None:
    before = {path: path.read_bytes() for path in folder.iterdir()}
    (tmp_path / "out" / "masks").mkdir(parents=True)
    (tmp_path / "out" / "masks" / "lesion").symlink_to(folder)
    with pytest.raises(OutputError, match=r"masks/lesion/a\.png: exists already"):
        infer_folder(folder, model=model, out=tmp_path / "out", masks="png")
    assert {path: path.read_bytes() for path in folder.iterdir()} == before


@pytest.fixture
def older_run(model: Path, folder: Path, tmp_path: Path) -> Path:
    """Return the results of a run by the version of cxr that wrote lesions.csv."""
    out = tmp_path / "out"
    infer_folder(folder, model=model, out=out, masks="png")
    (out / "components.csv").rename(out / "lesions.csv")
    sizes = {name: (out / name).stat().st_size for name in ("features.csv", "lesions.csv", "failures.csv")}
    (out / JOURNAL).write_text(json.dumps(sizes) + "\n")
    manifest = json.loads((out / "run.json").read_text())
    del manifest["outputs"], manifest["missing"]
    (out / "run.json").write_text(json.dumps(manifest))
    return out


def test_run_of_an_older_version_is_rejected_in_one_line(model: Path, folder: Path, older_run: Path) -> None:
    before = {path: path.read_bytes() for path in older_run.rglob("*") if path.is_file()}
    with pytest.raises(OutputError, match=r"another version of cxr.*--out.*--overwrite"):
        infer_folder(folder, model=model, out=older_run, masks="png")
    assert {path: path.read_bytes() for path in older_run.rglob("*") if path.is_file()} == before


def test_run_of_an_older_version_can_be_overwritten(model: Path, folder: Path, older_run: Path) -> None:
    assert infer_folder(folder, model=model, out=older_run, overwrite=True).rows == 2
    left = {path.name for path in older_run.rglob("*") if path.is_file() and path.name != JOURNAL}
    assert left == {"features.csv", "components.csv", "failures.csv", "run.json", "report.html"}
