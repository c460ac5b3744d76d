"""Which files are masks, and of which class."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from cxr.errors import InputError
from cxr.infer.mask_folder.config import MeasureConfig
from cxr.infer.mask_folder.listing import list_masks

DrawMask = Callable[..., Path]


def listed(root: Path, **settings: object) -> list[tuple[str, str | None]]:
    return [(mask.name, mask.class_name) for mask in list_masks(root, MeasureConfig(**settings)).files]


@pytest.mark.parametrize("name", ["lung", "masks_lung"])
def test_class_is_the_name_of_the_folder_without_its_prefix(
    tmp_path: Path, draw_mask: DrawMask, name: str
) -> None:
    draw_mask(tmp_path / name / "a.png")
    draw_mask(tmp_path / name / "sub" / "b.tif")
    expected = [("a.png", "lung"), ("sub/b.tif", "lung")]
    assert listed(tmp_path / name) == expected
    assert listed(tmp_path) == expected


def test_folder_of_folders_has_one_class_each(tmp_path: Path, draw_mask: DrawMask) -> None:
    draw_mask(tmp_path / "lung" / "a.png")
    draw_mask(tmp_path / "lesion" / "sub" / "a.png")
    assert listed(tmp_path) == [("sub/a.png", "lesion"), ("a.png", "lung")]


def test_folder_named_after_a_class_may_hold_nothing_but_folders(tmp_path: Path, draw_mask: DrawMask) -> None:
    draw_mask(tmp_path / "masks_lung" / "00" / "a.png")
    assert listed(tmp_path / "masks_lung") == [("00/a.png", "lung")]


def test_other_folders_of_a_data_set_are_left_out_and_named(
    tmp_path: Path, draw_mask: DrawMask, write_dicom: Callable[..., Path]
) -> None:
    for name in ("images", "masks_heart", "masks_lung"):
        draw_mask(tmp_path / name / "a.png")
    write_dicom(tmp_path / "odd" / "a.dcm", np.zeros((4, 4), np.uint8))
    (tmp_path / "index.csv").write_text("image,patient_id\n")
    listing = list_masks(tmp_path, MeasureConfig())
    assert [(mask.name, mask.class_name) for mask in listing.files] == [("a.png", "heart"), ("a.png", "lung")]
    assert listing.notes[-1] == "left out, as their names do not start with masks_: images, odd"


def test_named_class_is_that_of_every_mask_in_any_folder(tmp_path: Path, draw_mask: DrawMask) -> None:
    draw_mask(tmp_path / "a.png")
    draw_mask(tmp_path / "masks_lung" / "b.png")
    assert listed(tmp_path, class_name="heart") == [("a.png", "heart"), ("masks_lung/b.png", "heart")]


def test_label_images_have_no_class_of_their_own(tmp_path: Path, draw_mask: DrawMask) -> None:
    draw_mask(tmp_path / "reader" / "a.png")
    assert listed(tmp_path, values={1: "lung"}) == [("reader/a.png", None)]


def test_segmentations_name_their_classes_in_any_folder(
    tmp_path: Path, write_dicom: Callable[..., Path]
) -> None:
    pixels = np.zeros((4, 4), np.uint8)
    write_dicom(tmp_path / "lung" / "a.dcm.seg.dcm", pixels)
    write_dicom(tmp_path / "IM0001", pixels)
    assert listed(tmp_path) == [("IM0001", None), ("lung/a.dcm.seg.dcm", None)]


def test_single_file_has_the_class_of_its_folder(tmp_path: Path, draw_mask: DrawMask) -> None:
    assert listed(draw_mask(tmp_path / "masks_lung" / "a.png")) == [("a.png", "lung")]


@pytest.mark.parametrize("name", ["masks", "Masks", "mask", "masks_"])
def test_folder_whose_name_is_no_class_needs_one(tmp_path: Path, draw_mask: DrawMask, name: str) -> None:
    draw_mask(tmp_path / name / "a.png")
    with pytest.raises(InputError, match=rf"{name}: the name of this folder does not say .* --class NAME"):
        listed(tmp_path / name)


def test_output_folder_of_a_run_is_not_taken_for_a_class(tmp_path: Path, draw_mask: DrawMask) -> None:
    draw_mask(tmp_path / "masks" / "lung" / "a.png")
    with pytest.raises(InputError, match="--class NAME"):
        listed(tmp_path)


def test_folder_without_masks_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no images in this folder"):
        listed(tmp_path)
    with pytest.raises(InputError, match="no such folder"):
        listed(tmp_path / "missing")
