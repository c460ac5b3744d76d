"""Convert decoded pixels to 8-bit gray, by the depth that the file declares.

- 8-bit samples stay unchanged. Deeper samples are scaled from their declared depth to 0..255; they are
  rejected if they use less than an eighth of it: 12 bits stored as 16 would be a nearly black image.
- Floating-point samples must lie in 0..1, which becomes 0..255.
- Color becomes gray by ITU-R BT.601 luma, which leaves equal channels unchanged; alpha is dropped.
"""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from ...errors import DecodeError
from ..image import Gray
from .decoded import Decoded

# Deep samples must reach this part of their declared range; 12-bit content in 16 bits reaches a sixteenth.
_MIN_PART_OF_RANGE = 1 / 8


def to_one_channel(pixels: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Convert blue, green and red to luma; gray stays unchanged.

    Raises
    ------
    DecodeError
        If color samples are neither uint8, uint16 nor float32.
    """
    if pixels.ndim == 2:
        return pixels
    if pixels.dtype in (np.uint8, np.uint16, np.float32):
        return np.asarray(cv2.cvtColor(pixels, cv2.COLOR_BGR2GRAY))
    raise DecodeError(f"color samples of type {pixels.dtype}, which are not supported; save it as PNG")


def to_8_bit(decoded: Decoded) -> Gray:
    """Convert decoded pixels to gray values 0..255, with 0 as black.

    Raises
    ------
    DecodeError
        If the range of the samples is unknown, or the pixels contradict it.
    """
    gray = to_one_channel(decoded.pixels)
    if gray.dtype == np.uint8:
        scaled = gray
    elif gray.dtype == np.uint16:
        scaled = _scale(gray, (1 << max(decoded.bits, 9)) - 1)
    elif gray.dtype in (np.float32, np.float64):
        scaled = _from_unit_range(gray)
    else:
        raise DecodeError(f"samples of type {gray.dtype}, whose range is unknown; save it as 16-bit PNG")
    return np.asarray(255 - scaled, np.uint8) if decoded.inverted else scaled


def _scale(gray: npt.NDArray[np.uint16], white: int) -> Gray:
    """Scale 0..white to 0..255, rounded to nearest: 8-bit content times 257 is restored exactly."""
    if 0 < (largest := int(gray.max())) < white * _MIN_PART_OF_RANGE:
        raise DecodeError(
            f"samples up to {largest} where the file declares {white.bit_length()} bits: "
            "scale them, or save it with 8 bits"
        )
    table = (np.arange(white + 1, dtype=np.uint32) * 255 + white // 2) // white
    return np.asarray(table.astype(np.uint8)[np.minimum(gray, white)], np.uint8)


def _from_unit_range(gray: npt.NDArray[np.floating]) -> Gray:
    low, high = float(gray.min()), float(gray.max())
    if not (low >= 0 and high <= 1):  # also true for NaN
        raise DecodeError(f"floating-point samples from {low:g} to {high:g}; scale them to 0..1")
    return np.asarray(np.rint(gray * 255), np.uint8)
