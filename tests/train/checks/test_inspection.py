from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

from cxr.data.datasets.open import open_dataset
from cxr.data.datasets.splits import Split, Subset
from cxr.errors import InputError
from cxr.models.card import PixelSpec
from cxr.models.fingerprint import hash_pixels
from cxr.train.checks.inspection import InspectedImage, check_duplicates, check_presence, inspect_images
from cxr.train.images.dataset import load_example

CLASSES = ("lesion", "lung")
SPEC = PixelSpec(32, 32)
ROOT = Path("data")


def image(key: str, patient: str, content: bytes = b"") -> InspectedImage:
    return InspectedImage(key, patient, content or key.encode(), (0.1,), (True,))


def split(images: list[InspectedImage], *validation: str) -> Split:
    subsets = {one.key: Subset.VALIDATION if one.key in validation else Subset.TRAIN for one in images}
    return Split(subsets, {one.key: one.patient_id for one in images})


def test_images_are_inspected_in_order_and_resized_as_for_training(images: Path) -> None:
    records = open_dataset(images, classes=CLASSES).records
    pairs = list(inspect_images(records, CLASSES, SPEC))
    assert [inspected.key for inspected, _ in pairs] == [record.key for record in records]
    for record, (inspected, example) in zip(records, pairs, strict=True):
        for actual, expected in zip(example, load_example(record, CLASSES, SPEC), strict=True):
            np.testing.assert_array_equal(actual, expected)
        pixels = np.asarray(cv2.imread(str(record.path), cv2.IMREAD_GRAYSCALE), np.uint8)
        assert inspected.pixel_hash == hash_pixels(pixels)
    first, second = pairs[0][0], pairs[1][0]
    assert first.coverage == (0.0, None)
    assert second.coverage == pytest.approx((14 * 12 / (48 * 40), 40 * 32 / (48 * 40)))
    assert (first.present, second.present) == ((False, False), (True, True))


def test_mask_of_another_size_is_named(images: Path, tmp_path: Path) -> None:
    record = open_dataset(images, classes=CLASSES).records[1]
    mask = tmp_path / "mask.bmp"
    cv2.imwrite(str(mask), np.zeros((47, 40), np.uint8))
    wrong = replace(record, masks={**record.masks, "lung": mask})
    with pytest.raises(InputError, match=r"mask\.bmp: this mask is 40 x 47 pixels"):
        list(inspect_images([wrong], CLASSES, SPEC))


def test_same_pixels_under_two_patients_are_rejected() -> None:
    images = [image("a.png", "P1", b"x"), image("b.png", "P2", b"x"), image("c.png", "P3")]
    with pytest.raises(
        InputError, match=r"^data: .* a\.png \(patient P1\) and b\.png \(patient P2\)"
    ) as caught:
        check_duplicates(images, split(images), ROOT)
    assert "keep one" in str(caught.value)


def test_same_pixels_in_both_subsets_are_rejected() -> None:
    images = [image("a.png", "P1", b"x"), image("b.png", "P2", b"x")]
    with pytest.raises(InputError, match="the same image"):
        check_duplicates(images, split(images, "b.png"), ROOT)


@pytest.mark.parametrize("patients", [("P1", "P1"), ("7", "007")])
def test_same_pixels_of_one_patient_are_accepted(patients: tuple[str, str]) -> None:
    images = [image("a.png", patients[0], b"x"), image("b.png", patients[1], b"x")]
    check_duplicates(images, split(images), ROOT)


def test_absent_class_is_named() -> None:
    images = [replace(image("a.png", "P1"), present=(True, False))]
    check_presence(images, ("lesion",), "training")
    with pytest.raises(InputError, match="no training image shows lung"):
        check_presence(images, CLASSES, "training")
