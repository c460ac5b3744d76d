"""What earlier runs of cxr wrote is left out of a listing and counted; nothing else is."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

import cxr
from cxr.data.sample.write import make_sample
from cxr.errors import InputError
from cxr.infer.listing.folder import Listing, list_folder
from cxr.infer.listing.own_outputs import own_outputs
from cxr.train.run_folder import BASELINE_SCORES, CARD, HISTORY, LAST, SCORES, SPLITS, WEIGHTS

Draw = Callable[..., Path]


@pytest.fixture
def images(tmp_path: Path, draw: Draw, rectangles: Any) -> Path:
    folder = tmp_path / "images"
    draw(folder / "a.png", rectangles)
    draw(folder / "sub" / "b.png", rectangles)
    return folder


def keys(listing: Listing) -> list[str]:
    return [entry.key for entry in listing.entries]


def files(*folders: Path) -> int:
    visible = (path for folder in folders for path in folder.rglob("*") if path.is_file())
    return sum(not path.name.startswith(".") for path in visible)


def test_masks_overlays_and_tables_of_a_run_are_counted_and_not_measured(images: Path, model: Path) -> None:
    cxr.infer_folder(images, model=model, out=images / "run1", masks="png", overlays=True, parquet=True)
    listing = list_folder(images)
    assert keys(listing) == ["a.png", "sub/b.png"]
    assert listing.earlier_outputs == files(images / "run1")
    assert not listing.skipped


@pytest.mark.parametrize("mask_format", ["png", "rle"])
def test_second_run_in_the_same_folder_measures_the_same_images(
    images: Path, model: Path, mask_format: str
) -> None:
    for name in ("run1", "run2"):
        cxr.infer_folder(images, model=model, out=images / name, masks=mask_format, overlays=True)
    first, second = ((images / name / "features.csv").read_bytes() for name in ("run1", "run2"))
    assert first == second


def test_own_outputs_of_the_run_are_left_out_without_being_counted(images: Path, model: Path) -> None:
    before = list_folder(images, out=images)
    cxr.infer_folder(images, model=model, out=images, masks="png", overlays=True)
    assert list_folder(images, out=images) == before


def test_images_beside_a_run_that_wrote_no_masks_are_measured(images: Path, model: Path, draw: Draw) -> None:
    draw(images / "masks" / "c.png")
    draw(images / "overlays" / "d.png")
    cxr.infer_folder(images, model=model, out=images)
    assert keys(list_folder(images)) == ["a.png", "masks/c.png", "overlays/d.png", "sub/b.png"]


def test_folder_in_masks_that_is_no_class_of_the_run_is_measured(
    images: Path, model: Path, draw: Draw
) -> None:
    cxr.infer_folder(images, model=model, out=images, masks="png")
    draw(images / "masks" / "ventilation" / "c.png")
    assert "masks/ventilation/c.png" in keys(list_folder(images))


def test_link_to_the_masks_of_a_run_elsewhere_is_not_followed(
    images: Path, model: Path, tmp_path: Path
) -> None:
    cxr.infer_folder(images, model=model, out=tmp_path / "run", masks="png")
    (images / "link").symlink_to(tmp_path / "run" / "masks" / "lesion")
    listing = list_folder(images)
    assert keys(listing) == ["a.png", "sub/b.png"]
    assert listing.earlier_outputs == 2


@pytest.mark.parametrize("place", ["masks", "masks/lesion", "masks/lesion/a.png", "overlays/a.png"])
def test_naming_the_outputs_of_a_run_is_an_input_error(images: Path, model: Path, place: str) -> None:
    run = images / "run"
    cxr.infer_folder(images, model=model, out=run, masks="png", overlays=True)
    with pytest.raises(InputError, match=r"written by a run of cxr|outputs of earlier runs: 4"):
        list_folder(run / place)


def test_masks_of_a_run_are_listed_where_outputs_are_asked_for(images: Path, model: Path) -> None:
    cxr.infer_folder(images, model=model, out=images / "run", masks="png")
    (images / "link").symlink_to(images / "run" / "masks" / "lung")
    for place in (images / "run" / "masks" / "lesion", images / "link"):
        assert keys(list_folder(place, keep_outputs=True)) == ["a.png", "sub/b.png"]
    assert "run/masks/lesion/a.png" in keys(list_folder(images, keep_outputs=True))


def test_tables_of_a_measurement_and_the_masks_below_them_are_left_out(images: Path, tmp_path: Path) -> None:
    (tmp_path / "masks" / "lung").mkdir(parents=True)
    assert cv2.imwrite(str(tmp_path / "masks" / "lung" / "a.png"), np.tri(64, dtype=np.uint8) * 255)
    cxr.measure_folder(tmp_path / "masks", out=images / "elsewhere")
    (tmp_path / "masks").rename(images / "masks")
    cxr.measure_folder(images / "masks", out=images)
    listing = list_folder(images)
    assert keys(listing) == ["a.png", "sub/b.png"]
    assert not listing.skipped


def test_files_that_an_analysis_wrote_are_left_out(images: Path, draw: Draw) -> None:
    draw(images / "cv_scatter_xgb.png")
    draw(images / "own.png")
    record = {"target": "lesion_ratio", "files": ["cv_scatter_xgb.png", "report.html"]}
    (images / "analysis.json").write_text(json.dumps(record))
    listing = list_folder(images)
    assert keys(listing) == ["a.png", "own.png", "sub/b.png"]
    assert listing.earlier_outputs == 2


def test_plots_of_a_training_run_are_left_out(images: Path, draw: Draw) -> None:
    run = images / "runs" / "20260101-120000-lungs"
    for name in ("learning_curve.png", "val_overlays.png"):
        draw(run / name)
        draw(images / name)  # of the same name, but beside no training run
    for name in (WEIGHTS, CARD, LAST, SPLITS, SCORES, BASELINE_SCORES, "training.json"):
        (run / name).touch()
    (run / HISTORY).write_text("epoch,train_loss,val_loss,val_dice,val_iou,lr,seconds\n")
    listing = list_folder(images)
    assert keys(listing) == ["a.png", "learning_curve.png", "sub/b.png", "val_overlays.png"]
    assert listing.earlier_outputs == files(run)


def test_masks_of_the_synthetic_sample_are_left_out(tmp_path: Path) -> None:
    make_sample(tmp_path / "sample", patients=2, size=64)
    listing = list_folder(tmp_path / "sample")
    assert all(key.startswith("images") for key in keys(listing))
    assert listing.earlier_outputs == files(tmp_path / "sample" / "masks") + 1


def test_what_a_result_saved_is_left_out(images: Path, model: Path, draw: Draw) -> None:
    saved = cxr.load(model)(images / "a.png").save(images / "saved")
    draw(saved / "own.png")
    listing = list_folder(images)
    assert keys(listing) == ["a.png", "saved/a.png/own.png", "sub/b.png"]
    assert listing.earlier_outputs == 5


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("run.json", "{}"),
        ("run.json", "not JSON"),
        ("run.json", '{"status": "done", "identity": 1}'),
        ("run.json", '{"identity": {"masks": "png"}}'),
        ("run.json", "[" * 100_000),
        ("analysis.json", '{"files": ["a.png"]}'),
        ("training_history.csv", "step,loss\n"),
        ("overlay.png", ""),
    ],
)
def test_files_of_other_programs_with_these_names_are_no_runs(tmp_path: Path, name: str, text: str) -> None:
    (tmp_path / name).write_text(text)
    (tmp_path / "features.csv").write_text("\nimage,lung_ratio\n")
    assert own_outputs(tmp_path, [name]).files == frozenset()
