"""PNG files that are named after the images they belong to."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np

from ...data.image import Gray
from ...machine.files import replacing
from ...machine.paths import on_disk


def png_name(key: str) -> str:
    """Return the path of the PNG for an image: its key, plus `.png` if the key does not end so."""
    return on_disk(key if key.lower().endswith(".png") else f"{key}.png")


def write_mask(path: Path, mask: Gray) -> None:
    """Write a mask, uint8 of 0 or 1, as a PNG file of one bit per pixel."""
    write_png(path, mask * np.uint8(255), [cv2.IMWRITE_PNG_BILEVEL, 1])


def write_png(path: Path, pixels: Gray, options: Sequence[int] = ()) -> None:
    """Write a PNG file atomically.

    Parameters
    ----------
    path : Path
    pixels : ndarray of uint8, shape (height, width) or (height, width, 3)
        Gray, or colors in OpenCV's order.
    options : sequence of int
        Flags of OpenCV and their values.

    Raises
    ------
    OutputError
        If the file cannot be written.
    """
    encoded, data = cv2.imencode(".png", pixels, list(options))
    if not encoded:
        raise ValueError(f"an image of {pixels.shape} cannot be encoded as PNG")
    with replacing(path) as temporary:
        temporary.write_bytes(data.tobytes())
