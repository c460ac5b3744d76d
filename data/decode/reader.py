"""Read a file of any supported format as one 8-bit gray image.

Files are recognized by their content, not by their names. Truncated files, files of several images and
ambiguous ones raise `DecodeError`.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from ...errors import DecodeError, InputError
from ...machine.files import check_is_file
from ..image import Gray, Note, Radiograph
from . import bmp, jpeg, jpeg_2000, png
from .decoded import Decoded
from .formats import Format, is_dicom, recognize
from .grayscale import to_one_channel, to_radiograph
from .opencv import read_alpha
from .options import DecodeOptions
from .tiff import reader as tiff
from .views import check_one_gray

SUFFIXES = frozenset({".png", ".jpg", ".jpeg", ".jpe", ".tif", ".tiff", ".jp2", ".j2k", ".bmp", ".dcm"})
"""Suffixes, in lower case, of the files that a folder listing includes."""

FormatReader = Callable[[bytes, int], Decoded]
"""Reads the bytes of a file that has at most the given number of pixels; otherwise raises DecodeError."""

_READERS: dict[Format, FormatReader] = {
    Format.PNG: png.read,
    Format.JPEG: jpeg.read,
    Format.TIFF: tiff.read,
    Format.JPEG_2000: jpeg_2000.read,
    Format.BMP: bmp.read,
}

_DEFAULTS = DecodeOptions()


def read_image(path: Path | str, options: DecodeOptions = _DEFAULTS) -> Radiograph:
    """Read a file as a radiograph.

    Parameters
    ----------
    path : Path or str
    options : DecodeOptions
        Limits, and the key of DICOM patient pseudonyms.

    Returns
    -------
    Radiograph
        With pixels as uint8 of shape (height, width).

    Raises
    ------
    DecodeError
        If it cannot be read, is not exactly one image, is damaged, or its gray values are ambiguous. The
        message starts with the path.
    """
    with _errors_with_path(path):
        return decode_image(_read_bytes(Path(path), options.max_bytes), options)


def decode_image(data: bytes, options: DecodeOptions = _DEFAULTS) -> Radiograph:
    """Decode the bytes of a file as a radiograph.

    Parameters
    ----------
    data : bytes
        The whole file.
    options : DecodeOptions
        As `read_image` takes it.

    Returns
    -------
    Radiograph
        With pixels as uint8 of shape (height, width).

    Raises
    ------
    DecodeError
        As `read_image`; the message does not name the file.
    """
    if is_dicom(data):
        from .dicom.reader import read_dicom

        return read_dicom(
            data, max_pixels=options.max_pixels, salt=options.salt, columns=options.dicom_columns
        )
    decoded = _decode(data, options)
    image = to_radiograph(decoded)
    if Note.NEARLY_ONE_GRAY in image.notes:
        _check_alpha(decoded)
        check_one_gray(image.pixels)
    return image


def read_mask(path: Path, shape: tuple[int, int]) -> Gray:
    """Read a mask file: 0 outside, one other value inside.

    Parameters
    ----------
    path : Path
    shape : tuple of int
        (height, width) of the mask's image.

    Returns
    -------
    ndarray of uint8, shape (height, width), 0 or 1

    Raises
    ------
    InputError
        If it is missing, has another size, or holds more than two values.
    """
    samples = read_samples(path)
    if samples.shape[:2] != shape:
        raise InputError(
            f"{path}: this mask is {_size(samples.shape)} pixels, its image {_size(shape)}; "
            "save it with the size of its image"
        )
    try:
        return to_mask(samples)
    except InputError as error:
        raise InputError(f"{path}: {error}") from error


def read_samples(path: Path, options: DecodeOptions = _DEFAULTS) -> npt.NDArray[Any]:
    """Read the samples of a mask or label image as the file stores them, neither scaled nor inverted.

    Returns
    -------
    ndarray, shape (height, width) or (height, width, 3)

    Raises
    ------
    DecodeError
        If the file cannot be read as an image, or what is inside is unknown: it has one color everywhere and
        an alpha channel that varies, or it is a TIFF whose 0 is white, where programs disagree. The message
        starts with the path.
    """
    try:
        decoded = _decode(_read_bytes(path, options.max_bytes), options)
        _check_inside(decoded)
    except DecodeError as error:
        raise DecodeError(f"{path}: this mask cannot be read: {error}") from error
    return decoded.pixels


def to_mask(samples: npt.NDArray[Any]) -> Gray:
    """Turn the samples of a mask into 0 and 1.

    Raises
    ------
    InputError
        If they hold more than two values; the message does not name the file.
    """
    gray = to_one_channel(samples)
    inside: npt.NDArray[np.bool_] = gray > 0
    if inside.any() and (gray[inside] != gray.max()).any():
        raise InputError(
            "this mask holds more than two values, where only 0 and one other value are allowed; "
            "apply a threshold"
        )
    return inside.astype(np.uint8)


@contextmanager
def _errors_with_path(path: Path | str) -> Iterator[None]:
    try:
        yield
    except DecodeError as error:
        raise DecodeError(f"{path}: {error}") from error


def _read_bytes(path: Path, max_bytes: int) -> bytes:
    try:
        check_is_file(path)
        with path.open("rb") as file:
            if (size := os.fstat(file.fileno()).st_size) > max_bytes:
                raise DecodeError(f"a file of {size:,} bytes, more than the limit of {max_bytes:,}")
            return file.read()
    except OSError as error:
        raise DecodeError(f"cannot be read ({error.strerror})") from error


def _decode(data: bytes, options: DecodeOptions) -> Decoded:
    return _READERS[recognize(data)](data, options.max_pixels)


def _check_inside(decoded: Decoded) -> None:
    """Check that it is known what is inside a mask."""
    if decoded.white_is_zero:
        raise DecodeError(
            "a TIFF whose 0 is white, where programs disagree on what is inside; save it as PNG, 0 outside"
        )
    if (decoded.pixels == decoded.pixels[0, 0]).all():
        _check_alpha(decoded)


def _check_alpha(decoded: Decoded) -> None:
    """Check that an image of one color has no other image in its alpha channel."""
    alpha = read_alpha(decoded.encoded) if decoded.encoded else None
    if decoded.unread_alpha or (alpha is not None and (alpha != alpha[0, 0]).any()):
        raise DecodeError(
            "one color everywhere, and the image in its alpha channel; save it without transparency, or the "
            "alpha channel as an image"
        )


def _size(shape: tuple[int, ...]) -> str:
    return f"{shape[1]} x {shape[0]}"
