from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pydicom
import pytest

from cxr.data.datasets.masks import load_masks
from cxr.data.datasets.open import open_dataset
from cxr.errors import InputError

MakeFolder = Callable[..., Path]
WriteSegmentation = Callable[..., Path]
SHAPE = (6, 8)
LEFT, RIGHT = (np.zeros(SHAPE, np.uint8) for _ in range(2))
LEFT[1:4, 1:3] = 1
RIGHT[2:5, 5:7] = 1
EMPTY = np.zeros(SHAPE, np.uint8)


def test_a_segmentation_belongs_to_the_image_that_it_refers_to(
    tmp_path: Path, write_segmentation: WriteSegmentation
) -> None:
    write_segmentation(
        tmp_path / "all.dcm", [("Lesion", [LEFT, EMPTY, RIGHT]), ("Lung", [RIGHT, LEFT, LEFT])]
    )
    (tmp_path / "index.csv").write_text(
        "image,patient_id\nsources/1.dcm,1\nsources/2.dcm,2\nsources/3.dcm,3\n"
    )
    dataset = open_dataset(
        tmp_path, masks="dicom-seg", annotations=[tmp_path / "all.dcm"], classes=["lesion", "lung"]
    )
    expected = [(LEFT, RIGHT), (EMPTY, LEFT), (RIGHT, LEFT)]
    for record, masks in zip(dataset.records, expected, strict=True):
        drawn, known = load_masks(record, dataset.classes, SHAPE)
        assert known == (True, True)
        np.testing.assert_array_equal(drawn, masks)


def test_other_images_are_matched_by_file_name_in_the_default_folder(
    make_folder: MakeFolder, write_segmentation: WriteSegmentation
) -> None:
    folder = make_folder()
    write_segmentation(folder / "segmentations" / "a.dcm", [("Lesion", LEFT), ("Lung", RIGHT)])
    write_segmentation(folder / "segmentations" / "deep" / "b.dcm", [("Lung", LEFT)])
    write_segmentation(folder / "segmentations" / "q.dcm", [("Lung", LEFT)])
    dataset = open_dataset(folder, masks="dicom-seg", classes=["lesion", "lung"])
    known = {record.key: load_masks(record, dataset.classes, SHAPE)[1] for record in dataset.records}
    assert known == {"images/a.png": (True, True), "images/b.png": (False, True)}
    assert dataset.notes == (
        f"1 DICOM Segmentations are of no image here, such as {folder / 'segmentations' / 'q.dcm'}",
        "1 images without annotations of lesion, lung are skipped",
    )


def test_a_segmentation_of_another_image_is_not_that_of_a_dicom_image_of_its_name(
    tmp_path: Path, write_dicom: Callable[..., Path], write_segmentation: WriteSegmentation
) -> None:
    for number, uid in ((1, "1.2.3.1"), (2, "1.2.3.99")):
        write_dicom(tmp_path / f"p{number}" / "1.dcm", EMPTY, SOPInstanceUID=uid)
    (tmp_path / "index.csv").write_text("image,patient_id\np1/1.dcm,1\np2/1.dcm,2\n")
    write_segmentation(tmp_path / "segmentations" / "p2" / "1.dcm", [("Lesion", LEFT)])
    dataset = open_dataset(tmp_path, masks="dicom-seg")
    assert [record.key for record in dataset.records] == ["p1/1.dcm"]


def test_images_of_one_file_name_are_told_apart_by_their_paths(
    make_folder: MakeFolder, write_segmentation: WriteSegmentation
) -> None:
    folder = make_folder(["p1/1.png", "p2/1.png"])
    write_segmentation(folder / "segmentations" / "p1" / "1.dcm", [("Lesion", LEFT)])
    dataset = open_dataset(folder, masks="dicom-seg")
    assert [record.key for record in dataset.records] == ["p1/1.png"]
    write_segmentation(folder / "segmentations" / "p3" / "1.dcm", [("Lesion", LEFT)])
    with pytest.raises(InputError, match=r"p3/1\.dcm: may be of p1/1\.png or p2/1\.png; give it the path"):
        open_dataset(folder, masks="dicom-seg")


def test_a_segmentation_that_refers_to_no_image_is_that_of_a_dicom_image_of_its_name(
    tmp_path: Path, write_dicom: Callable[..., Path], write_segmentation: WriteSegmentation
) -> None:
    write_dicom(tmp_path / "1.dcm", EMPTY)
    (tmp_path / "index.csv").write_text("image,patient_id\n1.dcm,1\n")
    write_segmentation(tmp_path / "segmentations" / "1.dcm", [("Lesion", LEFT)], refers=False)
    (record,) = open_dataset(tmp_path, masks="dicom-seg").records
    np.testing.assert_array_equal(load_masks(record, ["lesion"], SHAPE)[0][0], LEFT)


def test_segmentations_of_one_image_in_several_files_are_one_mask(
    make_folder: MakeFolder, write_segmentation: WriteSegmentation
) -> None:
    folder = make_folder()
    write_segmentation(folder / "first" / "a.dcm", [("Lesion", LEFT)])
    write_segmentation(folder / "second" / "a.dcm", [("Lesion", RIGHT)])
    dataset = open_dataset(folder, masks="dicom-seg", annotations=[folder / "first", folder / "second"])
    np.testing.assert_array_equal(load_masks(dataset.records[0], ["lesion"], SHAPE)[0][0], LEFT | RIGHT)


def test_a_segmentation_may_be_the_mask_file_of_an_index_and_is_read_once_for_all_classes(
    make_folder: MakeFolder, write_segmentation: WriteSegmentation, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = make_folder()
    write_segmentation(folder / "masks" / "a.dcm", [("Lesion", LEFT), ("Lung", RIGHT)])
    (folder / "index.csv").write_text(
        "image,mask_lesion,mask_lung,patient_id\nimages/a.png,masks/a.dcm,masks/a.dcm,1\n"
    )
    dataset = open_dataset(folder, classes=["lesion", "lung"])
    read, paths = pydicom.dcmread, []
    monkeypatch.setattr(
        pydicom, "dcmread", lambda path, **options: paths.append(path) or read(path, **options)
    )
    np.testing.assert_array_equal(load_masks(dataset.records[0], dataset.classes, SHAPE)[0], [LEFT, RIGHT])
    assert paths == [folder / "masks" / "a.dcm"]


def test_segmentations_of_other_images_only_are_an_error(
    make_folder: MakeFolder, write_segmentation: WriteSegmentation
) -> None:
    folder = make_folder()
    write_segmentation(folder / "segmentations" / "q.dcm", [("Lesion", LEFT)])
    with pytest.raises(InputError, match=r"none of its 1 DICOM Segmentations is of an image here; .*q\.dcm"):
        open_dataset(folder, masks="dicom-seg")


def test_a_place_without_segmentations_is_an_error(make_folder: MakeFolder) -> None:
    folder = make_folder()
    with pytest.raises(InputError, match="segmentations: does not exist; give the folder"):
        open_dataset(folder, masks="dicom-seg")
    with pytest.raises(InputError, match="images: holds no DICOM Segmentation"):
        open_dataset(folder, masks="dicom-seg", annotations=[folder / "images"])
