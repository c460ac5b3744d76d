from __future__ import annotations

import gzip
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from cxr.data.datasets.annotations.chestx_det import FINDINGS, read_chestx_det, read_nih_names
from cxr.data.datasets.index import read_index
from cxr.data.datasets.masks import load_masks
from cxr.data.datasets.open import open_dataset
from cxr.data.datasets.records import Record
from cxr.data.decode.reader import read_mask, read_samples
from cxr.errors import InputError

MakeFolder = Callable[..., Path]
SQUARE = [[0, 0], [512, 0], [512, 512], [0, 512]]
# ChestX-Det calls these 36199.png, 36200.png and 36201.png.
NAMES = ("00000003_003.png", "00000004_000.png", "00000005_006.png")


def entry(name: str, labels: list[str], polygons: Any = None) -> dict[str, Any]:
    """Write an entry as published: polygons are JSON within JSON, and boxes are not needed."""
    drawn = json.dumps([SQUARE] * len(labels)) if polygons is None else polygons
    return {"file_name": name, "syms": labels, "boxes": [], "polygons": drawn}


def write(path: Path, entries: list[dict[str, Any]]) -> Path:
    text = json.dumps(entries).encode()
    path.write_bytes(gzip.compress(text) if path.suffix == ".gz" else text)
    return path


def test_the_table_of_names_has_every_published_name_once() -> None:
    names = read_nih_names()
    assert len(names) == len(set(names.values())) == 3543
    assert names["36200.png"] == "00000004_000.png"


def test_files_beside_the_set_give_masks_by_nih_name(make_nih: MakeFolder) -> None:
    folder = make_nih(NAMES)
    write(folder / "ChestX_Det_train.json.gz", [entry("36200.png", ["Mass", "Pleural Thickening"])])
    write(folder / "ChestX_Det_test.json", [entry("36199.png", [])])
    dataset = open_dataset(folder, masks="chestx-det", classes=["mass", "pleural_thickening", "effusion"])
    assert [record.path.name for record in dataset.records] == list(NAMES[:2])
    assert [record.patient_id for record in dataset.records] == ["3", "4"]
    empty, drawn = (load_masks(record, dataset.classes, (32, 32)) for record in dataset.records)
    assert empty[1] == drawn[1] == (True, True, True)
    assert not empty[0].any()
    assert drawn[0].sum(axis=(1, 2)).tolist() == [256, 256, 0]
    assert drawn[0][0, :16, :16].all()
    assert "ChestX-Det" in dataset.license
    assert "NIH Clinical Center" in dataset.license
    assert dataset.notes == (
        "1 images without annotations of mass, pleural_thickening, effusion are skipped",
        "no image shows effusion",
    )


def test_opacity_is_the_default_and_the_union_of_six_findings(make_nih: MakeFolder) -> None:
    folder = make_nih(NAMES)
    labels = ["Consolidation", "Effusion", "Nodule"]
    squares = [[[x, 0], [x + 32, 0], [x + 32, 1024], [x, 1024]] for x in (0, 320, 640)]
    path = write(folder / "own.json", [entry("36200.png", labels, json.dumps(squares))])
    dataset = open_dataset(folder, masks="chestx-det", annotations=[path])
    masks, _ = load_masks(dataset.records[0], dataset.classes, (32, 32))
    assert dataset.classes == ("opacity",)
    assert np.flatnonzero(masks[0].any(axis=0)).tolist() == [0, 20]


def test_images_may_have_nih_names_and_polygons_may_be_plain_lists(tmp_path: Path) -> None:
    path = write(tmp_path / "a.json", [entry("00000004_000.png", ["Mass"], [SQUARE])])
    assert set(read_chestx_det([path]).images) == {"00000004_000.png"}


def test_images_without_a_known_name_are_counted_and_named(tmp_path: Path) -> None:
    path = write(tmp_path / "a.json", [entry("36200.png", []), entry("99999.png", [])])
    assert read_chestx_det([path]).notes == (
        "1 images of ChestX-Det have no known NIH name, such as 99999.png",
    )


@pytest.mark.parametrize(
    ("entries", "why"),
    [
        ({"images": []}, "not ChestX-Det's list of images"),
        ([{"file_name": "36200.png"}], "not ChestX-Det's list of images .*syms"),
        ([entry("36200.png", []), entry("36200.png", [])], "36200.png is listed twice"),
        ([entry("36200.png", ["Mass"], "[]")], r"entry 0 \(36200.png\): .*one polygon for each"),
        ([entry("36200.png", ["Mass"], "[[")], r"entry 0 \(36200.png\): "),
        ([entry("36200.png", ["Mass"], "[[[1, 2]]]")], "at least 3 points"),
        ([entry("36200.png", ["Mass"], "[" * 100_000)], r"entry 0 \(36200.png\): "),
        ([entry("36200.png", ["Hernia"])], "'Hernia' is none of ChestX-Det's findings: atelectasis"),
    ],
)
def test_another_file_is_an_error_that_names_file_and_entry(entries: Any, why: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=rf"a\.json: .*{why}"):
        read_chestx_det([write(tmp_path / "a.json", entries)])


def test_a_missing_or_damaged_file_is_an_error_that_says_where_it_is_from(make_nih: MakeFolder) -> None:
    folder = make_nih(NAMES)
    with pytest.raises(InputError, match=r"contains none of ChestX_Det_train.json, .*--annotations .*github"):
        open_dataset(folder, masks="chestx-det")
    path = write(folder / "ChestX_Det_train.json.gz", [entry("36200.png", ["Mass"])])
    path.write_bytes(path.read_bytes()[:-12])
    with pytest.raises(InputError, match=r"train\.json\.gz: this compressed file is damaged"):
        open_dataset(folder, masks="chestx-det")


def test_a_folder_without_a_list_of_patients_is_an_error(tmp_path: Path) -> None:
    write(tmp_path / "ChestX_Det_train.json", [])
    with pytest.raises(
        InputError, match=r"neither index\.csv nor Data_Entry_2017_v2020\.csv; write an index"
    ):
        open_dataset(tmp_path, masks="chestx-det")


@pytest.fixture(scope="module")
def nih_rows(cxr_dev: Path) -> list[dict[str, Any]]:
    """Return the rows of the NIH images with ChestX-Det masks that were filled at 1024 and reduced."""
    folder = cxr_dev.parent / "cxr_more"
    if not folder.is_dir():
        pytest.skip(f"the research data is not there: {folder}")
    rows = read_index(folder / "index.csv").to_pylist()
    return [{**row, "root": folder} for row in rows if row["chestx_det_name"] is not None]


@pytest.mark.real
def test_masks_agree_with_those_that_were_filled_at_full_size_and_reduced(
    cxr_dev: Path, nih_rows: list[dict[str, Any]]
) -> None:
    files = [cxr_dev / "nih" / f"ChestX_Det_{part}.json.gz" for part in ("train", "test")]
    images = read_chestx_det(files).images
    assert len(nih_rows) == 95
    scores = []
    for row in nih_rows:
        masks = images[row["orig_name"]]
        record = Record(row["image"], row["root"] / row["image"], row["patient_id"], masks)
        for name in ("effusion", "consolidation", "atelectasis", "fibrosis", "opacity", "pleural_thickening"):
            if row[f"mask_{name}"] is None:
                continue
            path = row["root"] / row[f"mask_{name}"]
            reference = read_mask(path, read_samples(path).shape[:2])
            drawn, known = load_masks(record, [name], reference.shape)
            assert known == (True,)
            if total := int(reference.sum()) + int(drawn.sum()):
                scores.append(2 * int((reference & drawn[0]).sum()) / total)
    assert len(scores) > 100
    assert np.median(scores) >= 0.97
    assert np.quantile(scores, 0.05) >= 0.9


@pytest.mark.real
def test_a_copy_of_nih_gets_the_polygons_of_every_image_that_has_some(
    cxr_dev: Path, nih_rows: list[dict[str, Any]], tmp_path: Path
) -> None:
    (tmp_path / "images").mkdir()
    for row in nih_rows:
        (tmp_path / "images" / row["orig_name"]).symlink_to(row["root"] / row["image"])
    (tmp_path / "images" / "00000001_000.png").symlink_to(cxr_dev / "nih" / "images" / "00000001_000.png")
    for name in ("Data_Entry_2017_v2020.csv.gz", "ChestX_Det_train.json.gz", "ChestX_Det_test.json.gz"):
        (tmp_path / name).symlink_to(cxr_dev / "nih" / name)
    dataset = open_dataset(tmp_path, masks="chestx-det", classes=FINDINGS)
    assert len(dataset.records) == 95
    assert {record.patient_id for record in dataset.records} == {row["patient_id"][3:] for row in nih_rows}
    assert "1 images without annotations of atelectasis" in " ".join(dataset.notes)
    assert "35 images of ChestX-Det have no known NIH name, such as" in " ".join(dataset.notes)
