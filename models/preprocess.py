"""The one pixel path: from a decoded radiograph to a model's input, and back from its output.

Training, calibration and inference call these two functions and nothing else, so that a deployed model
sees what it was trained on. Normalization is in the model's graph, not here.
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
    """Where an image of `height` x `width` lies in the model's input: its top left corner and size there."""

    height: int
    width: int
    top: int
    left: int
    inner_height: int
    inner_width: int


def place(height: int, width: int, spec: PixelSpec) -> Placement:
    """Say where an image of this size goes in the model's input.

    With `ResizeRule.STRETCH` it fills the input; with `ResizeRule.PAD` its aspect is kept and it is centered.
    """
    if spec.resize is ResizeRule.STRETCH:
        return Placement(height, width, 0, 0, spec.height, spec.width)
    scale = min(spec.height / height, spec.width / width)
    inner_height = min(spec.height, max(1, round(height * scale)))
    inner_width = min(spec.width, max(1, round(width * scale)))
    top, left = (spec.height - inner_height) // 2, (spec.width - inner_width) // 2
    return Placement(height, width, top, left, inner_height, inner_width)


def prepare(pixels: Gray, spec: PixelSpec) -> tuple[Gray, Placement]:
    """Bring an image to the model's input size.

    Parameters
    ----------
    pixels : ndarray of uint8, shape (height, width)
    spec : PixelSpec
        The model's input size and resize rule, from its card.

    Returns
    -------
    ndarray of uint8, shape (spec.height, spec.width)
    Placement
        What `restore` needs to go back.
    """
    placement = place(pixels.shape[0], pixels.shape[1], spec)
    inner = _resize(pixels, placement.inner_height, placement.inner_width)
    if inner.shape == (spec.height, spec.width):
        return inner, placement
    canvas = np.full((spec.height, spec.width), spec.pad_value, np.uint8)
    canvas[_inside(placement)] = inner
    return canvas, placement


def prepare_mask(mask: Gray, spec: PixelSpec) -> Gray:
    """Bring a mask (0 or non-zero) to the model's input size by the share of each pixel that it covers.

    Returns
    -------
    ndarray of uint8, shape (spec.height, spec.width), 0 or 1
    """
    placement = place(mask.shape[0], mask.shape[1], spec)
    share = _resize((mask > 0).astype(np.uint8) * 255, placement.inner_height, placement.inner_width)
    canvas = np.zeros((spec.height, spec.width), np.uint8)
    canvas[_inside(placement)] = share >= 128
    return canvas


def restore(probability: Probability, placement: Placement) -> Probability:
    """Bring one class's probability map back to the size of the image.

    Parameters
    ----------
    probability : ndarray of float32, shape (spec.height, spec.width)
    placement : Placement
        As `prepare` gave it.

    Returns
    -------
    ndarray of float32, shape (placement.height, placement.width)
    """
    inner = np.ascontiguousarray(probability[_inside(placement)])
    size = (placement.width, placement.height)
    return np.asarray(cv2.resize(inner, size, interpolation=cv2.INTER_LINEAR), np.float32)


def _inside(placement: Placement) -> tuple[slice, slice]:
    rows = slice(placement.top, placement.top + placement.inner_height)
    columns = slice(placement.left, placement.left + placement.inner_width)
    return rows, columns


def _resize(pixels: Gray, height: int, width: int) -> Gray:
    """Resize by area where the image shrinks (no aliasing), linearly where it grows."""
    shrinks = height <= pixels.shape[0] and width <= pixels.shape[1]
    rule = cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR
    return np.asarray(cv2.resize(pixels, (width, height), interpolation=rule), np.uint8)
