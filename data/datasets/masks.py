"""The ground truth of a record as arrays at the image's own size: mask files read, shapes drawn."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from functools import cache
from pathlib import Path

import numpy as np

from ...errors import InputError
from ..decode.reader import read_mask
from ..image import Gray
from .polygons import draw_polygon
from .records import Record
from .run_lengths import draw_run_lengths
from .segmentation import ReadSegments, draw_segments, read_segments
from .shapes import Box, Polygon, RunLengths, Shape


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
        If a mask file is missing, unreadable or of another size, or a shape does not fit the image.
    MissingExtraError
        If a mask is in a DICOM Segmentation and pydicom is not installed.
    """
    masks = np.zeros((len(classes), *shape), np.uint8)
    read = cache(read_segments)  # one file may hold several classes
    for mask, name in zip(masks, classes, strict=True):
        truth = record.masks.get(name)
        if isinstance(truth, Path):
            mask[:] = read_mask(truth, shape)
        else:
            _draw(record, name, truth or (), mask, read)
    return masks, record.known(classes)


def _draw(record: Record, class_name: str, shapes: Sequence[Shape], mask: Gray, read: ReadSegments) -> None:
    """Draw the shapes of a class into an empty mask; errors name the image and the class."""
    for shape in shapes:
        if isinstance(shape, Box):
            _draw_box(shape, mask)
            continue
        try:
            if isinstance(shape, Polygon):
                draw_polygon(shape, mask)
            elif isinstance(shape, RunLengths):
                draw_run_lengths(shape, mask)
            else:
                draw_segments(shape, mask, read)
        except InputError as error:
            raise InputError(f"{record.path}: its mask of {class_name}: {error}") from error


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
        _draw_box(box, mask)
    return mask


def _draw_box(box: Box, mask: Gray) -> None:
    height, width = mask.shape
    rows = _covered(box.y, box.height, height / box.frame, height)
    columns = _covered(box.x, box.width, width / box.frame, width)
    mask[rows, columns] = 1


def _covered(start: float, length: float, scale: float, limit: int) -> slice:
    """Return the pixels of one axis whose centers the scaled box covers: at least one, within the image."""
    first = min(max(math.ceil(start * scale - 0.5), 0), limit - 1)
    end = min(max(math.ceil((start + length) * scale - 0.5), first + 1), limit)
    return slice(first, end)
