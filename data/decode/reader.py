"""Bytes of a file to one gray image, by rules that depend on what the file declares.

- 8-bit samples are taken as they are; deeper ones are scaled from their declared depth to 0..255, and
  refused where they use less than an eighth of it: 12 bits stored as 16 would be a dark image.
- Color becomes gray by ITU-R 601 luma (equal channels stay as they are); alpha is left out.
- Floating-point samples are read where all of them lie in 0..1, and become 0..255.
- A turning that the file asks for (EXIF, TIFF) is done.
- What is cut off, holds several images or cannot be told for sure is a `DecodeError`.
"""

from __future__ import annotations

import os
import struct
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from ...errors import DecodeError, InputError
from ..image import Gray, Radiograph
from .formats import Format, is_dicom, recognize
from .header import Header
from .jpeg import _jpeg, decode_strictly
from .options import DecodeOptions
from .other_formats import _bmp, _jpeg2000, _opencv, _webp
from .png import _png, decode_plain_gray, keep_essential
from .tiff.header import _tiff
from .tiff.strips import check_strips

SUFFIXES = frozenset(
    {".png", ".jpg", ".jpeg", ".jpe", ".tif", ".tiff", ".jp2", ".j2k", ".bmp", ".webp", ".dcm"}
)
"""Endings, in lower case, of the files that a folder listing takes; the content decides what they are."""

_USUAL = DecodeOptions()

# The part of the declared range that deep samples must reach: 12 bits of content in 16 reach a sixteenth.
_DARKEST = 8


# Failures are raised as errors here; OpenCV would print each on the terminal besides.
cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_SILENT)


def read_image(path: Path | str, reading: DecodeOptions = _USUAL) -> Radiograph:
    """Read a file as a radiograph.

    Parameters
    ----------
    path : Path or str
    reading : DecodeOptions
        Limits, and the secret that hides patients.

    Returns
    -------
    Radiograph
        With pixels as uint8 of shape (height, width).

    Raises
    ------
    DecodeError
        If it cannot be read, or is not an image that can be trusted; the text names the file.
    """
    with _named(str(path)):
        return _image(_read_bytes(Path(path), reading.max_bytes), reading)


def decode_image(data: bytes, name: str, reading: DecodeOptions = _USUAL) -> Radiograph:
    """Decode the bytes of a file.

    Parameters
    ----------
    data : bytes
        The whole file.
    name : str
        What to call it in an error.
    reading : DecodeOptions
        As `read_image` takes it.

    Returns
    -------
    Radiograph
        With pixels as uint8 of shape (height, width).

    Raises
    ------
    DecodeError
        As `read_image`.
    """
    with _named(name):
        return _image(data, reading)


def read_mask(path: Path, shape: tuple[int, int]) -> Gray:
    """Read a mask file: 0 outside, one other value inside.

    Parameters
    ----------
    path : Path
    shape : tuple of int
        (height, width) of the image that it belongs to.

    Returns
    -------
    ndarray of uint8, shape (height, width), 0 or 1

    Raises
    ------
    InputError
        If it is missing, of another size, or holds more than two values.
    """
    try:
        gray, _ = _decode(_read_bytes(path, _USUAL.max_bytes), _USUAL)
    except DecodeError as error:
        raise InputError(f"{path}: this mask cannot be read: {error}") from error
    if gray.shape != shape:
        raise InputError(f"{path}: this mask is {_size(gray.shape)} pixels, its image {_size(shape)}")
    inside: npt.NDArray[np.bool_] = gray > 0
    if inside.any() and (gray[inside] != gray.max()).any():
        raise InputError(f"{path}: a mask holds 0 and one other value, this one more; cut it at a threshold")
    return inside.astype(np.uint8)


@contextmanager
def _named(name: str) -> Iterator[None]:
    """Put the file's name before whatever is wrong with it."""
    try:
        yield
    except DecodeError as error:
        raise DecodeError(f"{name}: {error}") from error


def _read_bytes(path: Path, most: int) -> bytes:
    try:
        with path.open("rb") as file:
            if (size := os.fstat(file.fileno()).st_size) > most:
                raise DecodeError(f"a file of {size:,} bytes, more than the limit of {most:,}")
            return file.read()
    except OSError as error:
        raise DecodeError(f"cannot be read ({error.strerror})") from error


def _image(data: bytes, reading: DecodeOptions) -> Radiograph:
    if is_dicom(data):
        from .dicom.reader import read_dicom

        return read_dicom(data, max_pixels=reading.max_pixels, salt=reading.salt)
    gray, header = _decode(data, reading)
    return Radiograph(_to_8_bit(gray, header))


def _decode(data: bytes, reading: DecodeOptions) -> tuple[npt.NDArray[Any], Header]:
    """Decode to one channel at the depth of the file."""
    kind = recognize(data)
    header = read_header(data, kind)
    if header.width * header.height > reading.max_pixels:
        raise DecodeError(
            f"{header.width} x {header.height} pixels, more than the limit of {reading.max_pixels:,}"
        )
    return _luma(_pixels(data, kind)), header


def _pixels(data: bytes, kind: Format) -> npt.NDArray[Any]:
    """Decode with the channels and the depth of the file."""
    if kind is Format.PNG:
        gray = decode_plain_gray(data)
        return _opencv(keep_essential(data), kind) if gray is None else gray
    if kind is Format.TIFF:
        check_strips(data)
    if kind is Format.JPEG:
        pixels = decode_strictly(data)
        if pixels is not None:
            return pixels
    return _opencv(data, kind)


def read_header(data: bytes, kind: Format) -> Header:
    """Read the header of a whole file.

    Raises
    ------
    DecodeError
        If the file is cut off, holds several images, or stores samples in a way that is not read.
    """
    try:
        return _READERS[kind](data)
    except (struct.error, IndexError) as error:
        raise DecodeError(f"a {kind} that ends inside its header; copy or download it again") from error


_READERS: dict[Format, Callable[[bytes], Header]] = {
    Format.PNG: _png,
    Format.JPEG: _jpeg,
    Format.TIFF: _tiff,
    Format.JPEG2000: _jpeg2000,
    Format.BMP: _bmp,
    Format.WEBP: _webp,
}


def _luma(pixels: npt.NDArray[Any]) -> npt.NDArray[Any]:
    if pixels.ndim == 2:
        return pixels
    if pixels.dtype in (np.uint8, np.uint16, np.float32):
        return np.asarray(cv2.cvtColor(pixels, cv2.COLOR_BGR2GRAY))
    raise DecodeError(f"colors of type {pixels.dtype}, which are not read; save it as PNG")


def _to_8_bit(gray: npt.NDArray[Any], header: Header) -> Gray:
    if gray.dtype == np.uint8:
        eight = gray
    elif gray.dtype == np.uint16:
        eight = _scale(gray, (1 << max(header.bits, 9)) - 1)
    elif gray.dtype in (np.float32, np.float64):
        eight = _from_unit(gray)
    else:
        raise DecodeError(f"samples of type {gray.dtype}, whose range is not known; save it as 16-bit PNG")
    return np.asarray(255 - eight, np.uint8) if header.inverted else eight


def _scale(gray: npt.NDArray[np.uint16], white: int) -> Gray:
    """Scale 0..white to 0..255, to the nearest: 8-bit content times 257 comes back as it was."""
    if 0 < (largest := int(gray.max())) < white / _DARKEST:
        raise DecodeError(
            f"samples up to {largest} where the file declares {white.bit_length()} bits: "
            "scale them, or save as 8 bits"
        )
    table = (np.arange(white + 1, dtype=np.uint32) * 255 + white // 2) // white
    return np.asarray(table.astype(np.uint8)[np.minimum(gray, white)], np.uint8)


def _from_unit(gray: npt.NDArray[np.floating]) -> Gray:
    low, high = float(gray.min()), float(gray.max())
    if not (low >= 0 and high <= 1):  # so that NaN is refused too
        raise DecodeError(f"floating-point samples from {low:g} to {high:g}; they must lie in 0..1")
    return np.asarray(np.rint(gray * 255), np.uint8)


def _size(shape: tuple[int, ...]) -> str:
    return f"{shape[1]} x {shape[0]}"
