"""The torch data set: images and masks at the model's size, kept in memory if they fit."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset

from ...data.datasets.masks import load_masks
from ...data.datasets.records import Record
from ...data.decode.reader import read_image
from ...data.image import Gray
from ...models.card import PixelSpec
from ...models.preprocess import prepare, prepare_mask

IGNORE = 255
"""Value of mask pixels whose class is unknown; the loss ignores them."""

MAX_CACHE_BYTES = 2 << 30

Augment = Callable[[Gray, Gray, np.random.Generator], tuple[Gray, Gray]]
"""As `augmentation.augment`: image, masks and random generator to the changed image and masks."""


class Draw(NamedTuple):
    """The number of an image drawn for training, and the seed of its random changes."""

    number: int
    seed: tuple[int, ...]


def load_example(record: Record, classes: Sequence[str], spec: PixelSpec) -> tuple[Gray, Gray]:
    """Read an image and its masks, resized to the model's size.

    Returns
    -------
    ndarray of uint8, shape (1, spec.height, spec.width)
    ndarray of uint8, shape (classes, spec.height, spec.width)
        1 inside the class, 0 outside; `IGNORE` everywhere if the ground truth of a class is unknown.
    """
    image = read_image(record.path)
    masks, known = load_masks(record, classes, (image.height, image.width))
    return resize_example(image.pixels, masks, known, spec)


def resize_example(pixels: Gray, masks: Gray, known: Sequence[bool], spec: PixelSpec) -> tuple[Gray, Gray]:
    """Resize a decoded image and its masks; see `load_example`."""
    prepared = np.full((len(masks), spec.height, spec.width), IGNORE, np.uint8)
    for index, mask in enumerate(masks):
        if known[index]:
            prepared[index] = prepare_mask(mask, spec)
    return prepare(pixels, spec)[0][None], prepared


class SegmentationDataset(Dataset[tuple[Tensor, Tensor]]):
    """The images of one subset of a split and their masks, as uint8 tensors [1,H,W] and [C,H,W].

    Parameters
    ----------
    records : sequence of Record
    classes : sequence of str
    spec : PixelSpec
    augment : callable, optional
        Changes what is taken by a `Draw`; what is taken by a number is never changed.
    """

    def __init__(
        self,
        records: Sequence[Record],
        classes: Sequence[str],
        spec: PixelSpec,
        *,
        augment: Augment | None = None,
    ) -> None:
        self.records = tuple(records)
        self._classes, self._spec = tuple(classes), spec
        self._augment = augment
        self._cache: list[tuple[Gray, Gray]] = []

    def __len__(self) -> int:
        """Return the number of images."""
        return len(self.records)

    def __getitem__(self, item: int | Draw) -> tuple[Tensor, Tensor]:
        """Return one image and its masks; the same `Draw` always gives the same changes."""
        index, seed = item if isinstance(item, Draw) else (item, None)
        pixels, masks = self.arrays(index)
        if self._augment is not None and seed is not None:
            changed, masks = self._augment(pixels[0], masks, np.random.default_rng(seed))
            pixels = changed[None]
        return torch.from_numpy(pixels), torch.from_numpy(masks)

    @property
    def nbytes(self) -> int:
        """Size in bytes of all images and masks at the model's size."""
        return len(self) * self._spec.height * self._spec.width * (1 + len(self._classes))

    def arrays(self, index: int) -> tuple[Gray, Gray]:
        """Return one image and its masks without augmentation; see `load_example`."""
        if self._cache:
            return self._cache[index]
        return load_example(self.records[index], self._classes, self._spec)

    def keep_in_memory(self, examples: Sequence[tuple[Gray, Gray]]) -> None:
        """Keep all images and masks, as `load_example` returns them, in the order of the records."""
        self._cache = list(examples)
