from __future__ import annotations

import numpy as np
import pytest
import torch

from cxr.data.datasets.open import open_dataset
from cxr.data.datasets.records import Dataset
from cxr.models.card import PixelSpec
from cxr.models.preprocess import prepare, prepare_mask
from cxr.train.images.augmentation import augment
from cxr.train.images.dataset import IGNORE, Draw, SegmentationDataset, load_example

CLASSES = ("lesion", "lung")
SPEC = PixelSpec(64, 64)


@pytest.fixture
def dataset(images: object) -> Dataset:
    return open_dataset(str(images), classes=CLASSES)


def test_image_and_masks_are_preprocessed_alike(dataset: Dataset) -> None:
    import cv2

    record = dataset.records[1]
    pixels, masks = load_example(record, CLASSES, SPEC)
    image = np.asarray(cv2.imread(str(record.path), cv2.IMREAD_GRAYSCALE), np.uint8)
    lesion = np.asarray(cv2.imread(str(record.path).replace("1.png", "1-lesion.png"), 0), np.uint8)
    np.testing.assert_array_equal(pixels[0], prepare(image, SPEC)[0])
    np.testing.assert_array_equal(masks[0], prepare_mask(lesion, SPEC))


def test_unknown_class_is_marked_in_every_pixel(dataset: Dataset) -> None:
    _, masks = load_example(dataset.records[0], CLASSES, SPEC)
    assert (masks[0] == 0).all()
    assert (masks[1] == IGNORE).all()


def test_images_in_memory_equal_those_read_from_disk(dataset: Dataset) -> None:
    in_memory, from_disk = (SegmentationDataset(dataset.records, CLASSES, SPEC) for _ in range(2))
    in_memory.keep_in_memory([load_example(record, CLASSES, SPEC) for record in dataset.records])
    assert in_memory.nbytes == len(in_memory) * 3 * 64 * 64
    for index in range(len(from_disk)):
        for one, other in zip(in_memory.arrays(index), from_disk.arrays(index), strict=True):
            np.testing.assert_array_equal(one, other)


def test_image_taken_by_its_number_is_not_changed(dataset: Dataset) -> None:
    images = SegmentationDataset(dataset.records, CLASSES, SPEC, augment=augment)
    pixels, masks = images[3]
    expected = load_example(dataset.records[3], CLASSES, SPEC)
    np.testing.assert_array_equal(pixels, expected[0])
    np.testing.assert_array_equal(masks, expected[1])


def test_draw_decides_the_changes_and_not_who_takes_it(dataset: Dataset) -> None:
    images, others = (SegmentationDataset(dataset.records, CLASSES, SPEC, augment=augment) for _ in range(2))
    first, same, other = images[Draw(3, (0, 1))], others[Draw(3, (0, 1))], images[Draw(3, (0, 2))]
    assert torch.equal(first[0], same[0])
    assert torch.equal(first[1], same[1])
    assert not torch.equal(first[0], other[0])


def test_changed_images_have_the_shapes_and_types_of_unchanged_ones(dataset: Dataset) -> None:
    images = SegmentationDataset(dataset.records, CLASSES, SPEC, augment=augment)
    for seed in range(4):
        for plain, changed in zip(images[1], images[Draw(1, (seed,))], strict=True):
            assert (plain.dtype, plain.shape) == (changed.dtype, changed.shape)


def test_unknown_class_stays_unknown_under_augmentation(dataset: Dataset) -> None:
    images = SegmentationDataset(dataset.records, CLASSES, SPEC, augment=augment)
    for seed in range(8):
        _, masks = images[Draw(0, (seed,))]
        assert (masks[1] == IGNORE).all()
        assert set(masks[0].unique().tolist()) <= {0, 1}
