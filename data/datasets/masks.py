"""Boxes to masks, at whatever size the image really has."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ..decode.reader import read_mask
from ..image import Gray
from .records import Record

if TYPE_CHECKING:
    from .records import Box


def draw_boxes(boxes: Iterable[Box], shape: tuple[int, int]) -> Gray:
    """Draw boxes into a mask.

    A pixel is inside where its center is; a box thinner than a pixel still marks one.

    Parameters
    ----------
    boxes : iterable of Box
        Each in the pixels of its own frame; scaled to `shape`, its sides one by one.
    shape : tuple of int
        (height, width) of the image.

    Returns
    -------
    ndarray of uint8, shape (height, width), 0 or 1
    """
    mask = np.zeros(shape, np.uint8)
    for box in boxes:
        rows = _span(box.y, box.height, shape[0] / box.frame, shape[0])
        columns = _span(box.x, box.width, shape[1] / box.frame, shape[1])
        mask[rows, columns] = 1
    return mask


def _span(start: float, length: float, scale: float, limit: int) -> slice:
    """Find the pixels of one side whose centers lie in start..start + length: one or more, inside."""
    first = min(max(math.ceil(start * scale - 0.5), 0), limit - 1)
    end = min(max(math.ceil((start + length) * scale - 0.5), first + 1), limit)
    return slice(first, end)


def load_masks(
    record: Record, classes: Sequence[str], shape: tuple[int, int]
) -> tuple[Gray, tuple[bool, ...]]:
    """Read a record's masks at the image's own size.

    Parameters
    ----------
    record : Record
    classes : sequence of str
    shape : tuple of int
        (height, width) of the decoded image.

    Returns
    -------
    ndarray of uint8, shape (classes, height, width), 0 or 1
        Zeros where nothing is known.
    tuple of bool
        For each class, whether its mask is known.

    Raises
    ------
    InputError
        If a mask file is missing, unreadable or of another size.
    """
    masks = np.zeros((len(classes), *shape), np.uint8)
    known = tuple(record.masks.get(name) is not None for name in classes)
    for plane, name in zip(masks, classes, strict=True):
        truth = record.masks.get(name)
        if isinstance(truth, Path):
            plane[:] = read_mask(truth, shape)
        elif truth is not None:
            plane[:] = draw_boxes(truth, shape)
    return masks, known
