"""Take an array for a radiograph, by the same rules as the samples of a file."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from ...errors import DecodeError
from ..image import Radiograph
from .decoded import Decoded
from .grayscale import to_radiograph

_MAX_BITS = 16


def radiograph_from_array(
    array: npt.ArrayLike, *, bits: int | None = None, spacing_mm: tuple[float, float] | None = None
) -> Radiograph:
    """Take a 2-D array for a radiograph.

    Parameters
    ----------
    array : array_like, shape (height, width)
        uint8 is used unchanged. uint16 needs `bits`. Floating-point values must lie in 0..1, or in
        0..2**bits - 1 where `bits` is given. High values are bright.
    bits : int, optional
        The depth of the samples, from 1 to 16: 2**bits - 1 is white.
    spacing_mm : tuple of float, optional
        Pixel spacing in millimeters, (down, across).

    Raises
    ------
    DecodeError
        If the array has another shape or dtype, or its values do not fit the range.
    """
    pixels = np.asarray(array)
    if pixels.ndim != 2 or not pixels.size:
        raise DecodeError(f"an array of shape {pixels.shape}; give one gray image, of shape (height, width)")
    if bits is not None and not 1 <= bits <= _MAX_BITS:
        raise DecodeError(f"bits must be between 1 and {_MAX_BITS}, got {bits}")
    return to_radiograph(_samples(pixels, bits), spacing_mm)


def _samples(pixels: npt.NDArray[Any], bits: int | None) -> Decoded:
    if pixels.dtype == np.uint8:
        return Decoded(np.ascontiguousarray(pixels))
    if pixels.dtype == np.uint16:
        if bits is None:
            raise DecodeError("an array of uint16, whose white is unknown; give bits=, for example bits=12")
        if (largest := int(pixels.max())) >= 1 << bits:
            raise DecodeError(f"an array with samples up to {largest}, which {bits} bits cannot hold")
        if bits > 8:
            return Decoded(np.ascontiguousarray(pixels), bits)
        return Decoded(pixels / np.float64((1 << bits) - 1), 64)
    if pixels.dtype in (np.float16, np.float32, np.float64):
        white = 1 if bits is None else (1 << bits) - 1
        return Decoded(np.asarray(pixels, np.float64) / white, 64)
    raise DecodeError(f"an array of {pixels.dtype}, whose range is unknown; give uint8, uint16 or float")
