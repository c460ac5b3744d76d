"""The ground truth of a record as arrays at the image's own size: mask files read, boxes drawn."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np

from ..decode.reader import read_mask
from ..image import Gray
from .records import Box, Record


def load_masks(
    record: Record, classes: Sequence[str], shape: tuple[int, int]
) -> tuple[Gray, tuple[bool, ...]]:
    """Load a record's masks at the image's own size.

    Parameters
    ----------
    record : Record
    classes : sequence of str
    shape : tuple of int
        (height, width) of the decoded image.

    Returns
    -------
    ndarray of uint8, shape (classes, height, width), 0 or 1
        Zeros where the ground truth is unknown.
    tuple of bool
        For each class, whether its ground truth is known.

    Raises
    ------
    InputError
        If a mask file is missing, unreadable or of another size.
    """
    masks = np.zeros((len(classes), *shape), np.uint8)
    for mask, name in zip(masks, classes, strict=True):
        truth = record.masks.get(name)
        if isinstance(truth, Path):
            mask[:] = read_mask(truth, shape)
        elif truth is not None:
            mask[:] = draw_boxes(truth, shape)
    return masks, record.known(classes)


def draw_boxes(boxes: Iterable[Box], shape: tuple[int, int]) -> Gray:
    """Draw boxes into a mask.

    A pixel belongs to a box if its center lies inside; a box thinner than a pixel still covers one pixel.

    Parameters
    ----------
    boxes : iterable of Box
        Scaled from their own frames to `shape`; height and width are scaled independently.
    shape : tuple of int
        (height, width) of the image.

    Returns
    -------
    ndarray of uint8, shape (height, width), 0 or 1
    """
    mask = np.zeros(shape, np.uint8)
    for box in boxes:
        rows = _covered(box.y, box.height, shape[0] / box.frame, shape[0])
        columns = _covered(box.x, box.width, shape[1] / box.frame, shape[1])
        mask[rows, columns] = 1
    return mask


def _covered(start: float, length: float, scale: float, limit: int) -> slice:
    """Return the pixels of one axis whose centers the scaled box covers: at least one, within the image."""
    first = min(max(math.ceil(start * scale - 0.5), 0), limit - 1)
    end = min(max(math.ceil((start + length) * scale - 0.5), first + 1), limit)
    return slice(first, end)
