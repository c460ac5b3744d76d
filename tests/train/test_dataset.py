from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor
from torchvision import tv_tensors

from cxr.data.datasets.open import open_dataset
from cxr.data.datasets.records import Dataset
from cxr.models.card import PixelSpec
from cxr.models.preprocess import prepare, prepare_mask
from cxr.train.augment import augmentation
from cxr.train.dataset import IGNORE, SegmentationDataset, load_example

CLASSES = ("lesion", "lung")
SPEC = PixelSpec(64, 64)


@pytest.fixture
def dataset(images: object) -> Dataset:
    return open_dataset(str(images), classes=CLASSES)


def square(channels: int = 1) -> tuple[Tensor, Tensor]:
    """A bright square and its mask."""
    mask = torch.zeros(channels, 64, 64, dtype=torch.uint8)
    mask[:, 10:40, 20:50] = 1
    return mask[:1] * 200, mask


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


def test_without_augmentation_an_image_is_always_the_same(dataset: Dataset) -> None:
    images = SegmentationDataset(dataset.records, CLASSES, SPEC)
    one, other = images[3], images[3]
    assert torch.equal(one[0], other[0])
    assert torch.equal(one[1], other[1])


def test_unknown_class_stays_unknown_under_augmentation(dataset: Dataset) -> None:
    images = SegmentationDataset(dataset.records, CLASSES, SPEC, augment=augmentation(SPEC))
    for _ in range(8):
        _, masks = images[0]
        assert (masks[1] == IGNORE).all()
        assert set(masks[0].unique().tolist()) <= {0, 1}


def test_augmentation_moves_image_and_masks_together() -> None:
    torch.manual_seed(0)
    augment = augmentation(SPEC)
    image, mask = square(2)
    positions = set()
    for _ in range(20):
        moved, moved_mask = augment(tv_tensors.Image(image), tv_tensors.Mask(mask))
        bright = moved[0] > 0.5 * moved.max()
        intersection = int((bright & (moved_mask[0] == 1)).sum())
        assert 2 * intersection / int(bright.sum() + moved_mask[0].sum()) > 0.96
        assert torch.equal(moved_mask[0], moved_mask[1])
        positions.add(tuple(moved_mask[0].nonzero().float().mean(0).round().tolist()))
    assert len(positions) > 10


def test_augmentation_keeps_shapes_and_dtypes() -> None:
    image, mask = square(2)
    moved, moved_mask = augmentation(SPEC)(tv_tensors.Image(image), tv_tensors.Mask(mask))
    assert (moved.dtype, moved.shape) == (torch.uint8, (1, 64, 64))
    assert (moved_mask.dtype, moved_mask.shape) == (torch.uint8, (2, 64, 64))
    assert set(moved_mask.unique().tolist()) == {0, 1}


def test_augmentation_varies_the_brightness() -> None:
    torch.manual_seed(1)
    image, mask = square()
    levels = {
        int(augmentation(SPEC)(tv_tensors.Image(image), tv_tensors.Mask(mask))[0].max()) for _ in range(10)
    }
    assert len(levels) > 5
