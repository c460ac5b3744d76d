"""Preprocessing: from a decoded radiograph to a model's input, and from its output back to the image.

Training, calibration, parity checks and inference all call these functions, so that a deployed model sees
what it was trained on. Normalization is part of the model's graph.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from ..data.image import Gray
from .card import PixelSpec, ResizeRule

Probability = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Placement:
    """Position and size, in the model's input, of an image of `height` x `width` pixels."""

    height: int
    width: int
    top: int
    left: int
    inner_height: int
    inner_width: int


def compute_placement(height: int, width: int, spec: PixelSpec) -> Placement:
    """Compute where an image of this size lies in the model's input.

    With `ResizeRule.STRETCH` it fills the input; with `ResizeRule.PAD` it keeps its aspect ratio and is
    centered.
    """
    if spec.resize is ResizeRule.STRETCH:
        return Placement(height, width, 0, 0, spec.height, spec.width)
    scale = min(spec.height / height, spec.width / width)
    inner_height = min(spec.height, max(1, round(height * scale)))
    inner_width = min(spec.width, max(1, round(width * scale)))
    top, left = (spec.height - inner_height) // 2, (spec.width - inner_width) // 2
    return Placement(height, width, top, left, inner_height, inner_width)


def prepare(pixels: Gray, spec: PixelSpec) -> tuple[Gray, Placement]:
    """Resize an image to the model's input size.

    Parameters
    ----------
    pixels : ndarray of uint8, shape (height, width)
    spec : PixelSpec
        The model's input size and resize rule, from its card.

    Returns
    -------
    ndarray of uint8, shape (spec.height, spec.width)
    Placement
        What `restore_size` needs to invert the resizing.
    """
    placement = compute_placement(pixels.shape[0], pixels.shape[1], spec)
    inner = _resize(pixels, placement.inner_height, placement.inner_width)
    if inner.shape == (spec.height, spec.width):
        return inner, placement
    canvas = np.full((spec.height, spec.width), spec.pad_value, np.uint8)
    canvas[image_region(placement)] = inner
    return canvas, placement


def prepare_mask(mask: Gray, spec: PixelSpec) -> Gray:
    """Resize a mask (0 or non-zero) to the model's input size; pixels covered by half or more become 1.

    Returns
    -------
    ndarray of uint8, shape (spec.height, spec.width), 0 or 1
    """
    placement = compute_placement(mask.shape[0], mask.shape[1], spec)
    share = _resize((mask > 0).astype(np.uint8) * 255, placement.inner_height, placement.inner_width)
    canvas = np.zeros((spec.height, spec.width), np.uint8)
    canvas[image_region(placement)] = share >= 128
    return canvas


def restore_size(probability: Probability, placement: Placement) -> Probability:
    """Resize the probability map of one class back to the size of the image.

    Parameters
    ----------
    probability : ndarray of float32, shape (spec.height, spec.width)
    placement : Placement
        Returned by `prepare` for the image.

    Returns
    -------
    ndarray of float32, shape (placement.height, placement.width)
    """
    inner = np.ascontiguousarray(probability[image_region(placement)])
    size = (placement.width, placement.height)
    return np.asarray(cv2.resize(inner, size, interpolation=cv2.INTER_LINEAR), np.float32)


def image_region(placement: Placement) -> tuple[slice, slice]:
    """Return the rows and columns of the model's input that hold the image, without the padding."""
    rows = slice(placement.top, placement.top + placement.inner_height)
    columns = slice(placement.left, placement.left + placement.inner_width)
    return rows, columns


def _resize(pixels: Gray, height: int, width: int) -> Gray:
    """Average areas when shrinking, which avoids aliasing; interpolate linearly when enlarging."""
    shrinks = height <= pixels.shape[0] and width <= pixels.shape[1]
    interpolation = cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR
    return np.asarray(cv2.resize(pixels, (width, height), interpolation=interpolation), np.uint8)
