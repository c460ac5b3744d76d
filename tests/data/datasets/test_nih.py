from __future__ import annotations

import gzip
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from cxr.data.datasets.masks import load_masks
from cxr.data.datasets.nih_layout import FINDINGS, find_images
from cxr.data.datasets.nih_tables import read_boxes, read_entries
from cxr.data.datasets.open import open_dataset
from cxr.data.datasets.records import Dataset
from cxr.data.datasets.shapes import Box
from cxr.errors import InputError

SavePng = Callable[[Path, npt.NDArray[Any]], Path]

HEADER_2020 = (
    "Image Index,Finding Labels,Follow-up #,Patient ID,Patient Age,Patient Gender,View Position,"
    "OriginalImage[Width,Height],OriginalImagePixelSpacing[x,y]"
)
ROWS_2020 = """\
00000001_000.png,Cardiomegaly|Pneumonia,0,1,57,M,PA,2682,2749,0.143,0.143
00000002_000.png,No Finding,0,2,80,F,AP,2500,2048,0.168,0.171
00000003_000.png,Infiltration,0,3,30,F,PA,2500,2048,0.168,0.168
00000003_001.png,Hernia,1,3,31,F,PA,2500,2048,0.168,0.168
00000004_000.png,No Finding,0,4,44,M,PA,2500,2048,0.168,0.168
00000005_000.png,No Finding,0,5,45,M,PA,2500,2048,0.168,0.168
"""
BOXES = """\
Image Index,Finding Label,Bbox [x,y,w,h],,,
00000001_000.png,Cardiomegaly,256,512,128.5,64
00000001_000.png,Pneumonia,0,0,64,64
00000003_000.png,Infiltrate,512,512,256,256
00000009_000.png,Mass,1,2,3,4
"""
NAMES = [row.split(",")[0] for row in ROWS_2020.splitlines()]


@pytest.fixture
def nih(tmp_path: Path, save_png: SavePng) -> Path:
    """Six images, two of them with boxes; one image with a box is missing."""
    (tmp_path / "BBox_List_2017.csv").write_text(BOXES)
    (tmp_path / "Data_Entry_2017_v2020.csv").write_text(f"{HEADER_2020}\n{ROWS_2020}")
    for name in NAMES:
        save_png(tmp_path / "images" / name, np.zeros((32, 32), np.uint8))
    return tmp_path


def names(dataset: Dataset) -> list[str]:
    return [record.path.name for record in dataset.records]


def test_entries_keep_the_columns_whose_header_contains_commas(nih: Path) -> None:
    table = read_entries(nih / "Data_Entry_2017_v2020.csv")
    assert table.slice(1, 1).to_pylist() == [
        {
            "image": "00000002_000.png",
            "patient_id": "2",
            "age": 80.0,
            "sex": "F",
            "view": "AP",
            "findings": "No Finding",
            "follow_up": 0,
            "width": 2500,
            "height": 2048,
            "spacing_x": 0.168,
            "spacing_y": 0.171,
        }
    ]


def test_the_first_edition_is_read_like_the_second(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Its header and rows end in a comma, and its ages have units."""
    rows = [("058Y", 58.0), ("011M", 11 / 12), ("007D", 7 / 365.25), ("414Y", 414.0), ("", None), ("x", None)]
    text = "".join(
        f"{i:08d}_000.png,Mass,0,{i},{age},F,PA,10,20,0.1,0.2,\n" for i, (age, _) in enumerate(rows, 1)
    )
    path = tmp_path / "Data_Entry_2017.csv.gz"
    path.write_bytes(gzip.compress(f"{HEADER_2020},\n{text}".encode()))
    table = read_entries(path)
    assert table["age"].to_pylist() == pytest.approx([age for _, age in rows])
    assert table["patient_id"].to_pylist() == ["1", "2", "3", "4", "5", "6"]
    assert table["spacing_y"].to_pylist() == [0.2] * 6
    assert "1 ages cannot be read" in caplog.text
    assert "1 ages are above 120" in caplog.text


def test_leading_zeros_of_patient_ids_are_dropped(tmp_path: Path) -> None:
    path = tmp_path / "Data_Entry_2017.csv"
    path.write_text(f"{HEADER_2020}\n00000013_000.png,Mass,0,00000013,50,F,PA,10,20,0.1,0.2\n")
    assert read_entries(path)["patient_id"].to_pylist() == ["13"]


def test_boxes_are_read_although_the_header_has_more_cells_than_the_rows(nih: Path) -> None:
    table = read_boxes(nih / "BBox_List_2017.csv")
    assert table.column_names == ["image", "label", "x", "y", "width", "height"]
    assert table["label"].to_pylist() == ["Cardiomegaly", "Pneumonia", "Infiltration", "Mass"]
    assert table["width"].to_pylist() == [128.5, 64.0, 256.0, 3.0]


@pytest.mark.parametrize("read", [read_boxes, read_entries])
@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "empty"),
        ("a,b\n1,2\n", "no column Image Index.*the table has: a, b"),
        (None, "No such file"),
    ],
)
def test_an_invalid_table_is_an_error_that_names_the_file(
    read: Callable[[Path], object], text: str | None, why: str, tmp_path: Path
) -> None:
    path = tmp_path / "table.csv"
    if text is not None:
        path.write_text(text)
    with pytest.raises(InputError, match=f"table.csv: .*{why}"):
        read(path)


def test_a_box_that_is_not_a_number_is_an_error(tmp_path: Path) -> None:
    path = tmp_path / "BBox_List_2017.csv"
    path.write_text("Image Index,Finding Label,Bbox [x,y,w,h],,,\na.png,Mass,1,2,three,4\n")
    with pytest.raises(InputError, match="cannot be read"):
        read_boxes(path)


def test_images_with_boxes_and_as_many_without_findings_are_selected(nih: Path) -> None:
    dataset = open_dataset(nih)
    assert dataset.classes == ("lesion",)
    boxed = [record for record in dataset.records if record.masks["lesion"]]
    empty = [record for record in dataset.records if record.masks["lesion"] == ()]
    assert [record.path.name for record in boxed] == ["00000001_000.png", "00000003_000.png"]
    assert len(empty) == 2
    assert {record.finding for record in empty} == {"No Finding"}
    assert names(open_dataset(nih)) == names(dataset)
    assert "1 images with a box are not on disk" in dataset.notes
    assert "attribution" in dataset.license


def test_a_record_has_key_patient_and_boxes(nih: Path) -> None:
    record = open_dataset(nih).records[0]
    assert (record.key, record.patient_id, record.fold) == ("images/00000001_000.png", "1", None)
    assert record.path == nih / record.key
    assert record.finding == "Cardiomegaly|Pneumonia"
    assert record.masks["lesion"] == (Box(256, 512, 128.5, 64, 1024), Box(0, 0, 64, 64, 1024))


def test_findings_select_the_boxes_of_the_class_lesion(nih: Path) -> None:
    dataset = open_dataset(nih, findings=["Infiltration"])
    assert [record.path.name for record in dataset.records if record.masks["lesion"]] == ["00000003_000.png"]
    assert len(dataset.records) == 2


def test_a_finding_as_class_is_known_only_on_images_with_its_box_or_without_findings(nih: Path) -> None:
    dataset = open_dataset(nih, classes=["Pneumonia", "Infiltration"])
    assert dataset.classes == ("Pneumonia", "Infiltration")
    known = {record.path.name: load_masks(record, dataset.classes, (32, 32))[1] for record in dataset.records}
    assert known["00000001_000.png"] == (True, False)
    assert known["00000003_000.png"] == (False, True)
    assert [flags for name, flags in known.items() if not name.startswith(("00000001", "00000003"))] == [
        (True, True)
    ] * 2


def test_boxes_become_masks_at_the_size_of_the_image(nih: Path) -> None:
    record = open_dataset(nih, findings=["Infiltration"]).records
    boxed = next(one for one in record if one.masks["lesion"])
    masks, known = load_masks(boxed, ["lesion"], (32, 32))
    assert masks.shape == (1, 32, 32)
    assert masks.dtype == np.uint8
    assert known == (True,)
    assert np.argwhere(masks[0]).min(0).tolist() == [16, 16]
    assert masks.sum() == 64


def test_pixel_masks_take_precedence_over_boxes(nih: Path, save_png: SavePng) -> None:
    inside = np.zeros((32, 32), np.uint8)
    inside[3:9, 4:6] = 255
    for name in ("00000001_000.png", "00000002_000.png", "00000004_000.png"):
        save_png(nih / "masks" / name, inside if name.startswith("00000001") else inside * 0)
    dataset = open_dataset(nih)
    truth = {record.path.name: record.masks["lesion"] for record in dataset.records}
    assert truth["00000001_000.png"] == nih / "masks" / "00000001_000.png"
    assert isinstance(truth["00000003_000.png"], tuple)
    assert {"00000002_000.png", "00000004_000.png"} <= truth.keys()
    assert "3 images have a pixel mask, which is used instead of boxes" in dataset.notes
    np.testing.assert_array_equal(load_masks(dataset.records[0], ["lesion"], (32, 32))[0][0], inside > 0)


def test_pixel_masks_are_used_only_for_all_findings_together(nih: Path, save_png: SavePng) -> None:
    save_png(nih / "masks" / "00000001_000.png", np.zeros((32, 32), np.uint8))
    assert isinstance(open_dataset(nih, findings=["Pneumonia"]).records[0].masks["lesion"], tuple)
    assert isinstance(open_dataset(nih, findings=FINDINGS).records[0].masks["lesion"], Path)


@pytest.mark.parametrize(
    "folder", ["images", "images1", "images12", "images_001/images", "images_012/images"]
)
def test_images_are_found_in_every_folder_of_the_layout(
    folder: str, tmp_path: Path, save_png: SavePng
) -> None:
    save_png(tmp_path / folder / "00000001_000.png", np.zeros((4, 4), np.uint8))
    assert find_images(tmp_path) == {"00000001_000.png": f"{folder}/00000001_000.png"}


def test_a_data_set_without_any_image_with_a_box_is_an_error(nih: Path) -> None:
    for name in ("00000001_000.png", "00000003_000.png"):
        (nih / "images" / name).unlink()
    with pytest.raises(InputError, match="none of the 3 images with a box"):
        open_dataset(nih)


def test_an_image_with_a_box_but_without_a_clinical_row_is_an_error(nih: Path, save_png: SavePng) -> None:
    save_png(nih / "images" / "00000009_000.png", np.zeros((4, 4), np.uint8))
    with pytest.raises(InputError, match=r"00000009_000\.png: .*not in the clinical table"):
        open_dataset(nih)


@pytest.mark.parametrize("options", [{"findings": ["Hernia"]}, {"classes": ["lung"]}])
def test_a_finding_without_boxes_is_an_error_that_lists_the_findings(
    options: dict[str, Any], nih: Path
) -> None:
    with pytest.raises(InputError, match=r"no boxes for .*only for Atelectasis, .*Pneumothorax"):
        open_dataset(nih, **options)


def test_a_data_set_without_a_clinical_table_is_an_error(nih: Path) -> None:
    (nih / "Data_Entry_2017_v2020.csv").unlink()
    with pytest.raises(InputError, match=r"Data_Entry_2017_v2020\.csv"):
        open_dataset(nih)


@pytest.mark.parametrize("make", [True, False])
def test_a_folder_without_a_data_set_is_an_error_that_says_how_to_get_one(make: bool, tmp_path: Path) -> None:
    folder = tmp_path / "NIH-Chest-X-ray-dataset"
    if make:
        folder.mkdir()
    with pytest.raises(InputError) as caught:
        open_dataset(folder)
    assert "cxr sample NIH-Chest-X-ray-dataset" in str(caught.value)
    assert "https://nihcc.app.box.com/v/ChestXray-NIHCC" in str(caught.value)
