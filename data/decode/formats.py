"""Recognize the format of a file by its first bytes, and describe a file that is not a supported image."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path

from ...errors import DecodeError
from .codestream import JPEG_2000_START, JPEG_START


class Format(StrEnum):
    """The supported formats of image files, without DICOM."""

    PNG = "PNG"
    JPEG = "JPEG"
    TIFF = "TIFF"
    JPEG_2000 = "JPEG 2000"
    BMP = "BMP"


PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"

_SIGNATURES = (
    (PNG_SIGNATURE, Format.PNG),
    (JPEG_START, Format.JPEG),
    (b"II*\x00", Format.TIFF),
    (b"MM\x00*", Format.TIFF),
    (b"II+\x00", Format.TIFF),
    (b"MM\x00+", Format.TIFF),
    (b"\x00\x00\x00\x0cjP  \r\n\x87\n", Format.JPEG_2000),
    (JPEG_2000_START, Format.JPEG_2000),
    (b"BM", Format.BMP),
)

_DATA_SET = "a DICOM data set without the preamble of a file; export it again as a DICOM file (Part 10)"

_UNSUPPORTED = (
    (b"GIF8", "a GIF, which is not supported; save it as PNG"),
    (b"%PDF", "a PDF document; export its image as PNG"),
    (b"PK\x03\x04", "a ZIP archive; unpack it first"),
    (b"\x1f\x8b", "a gzip archive; unpack it first"),
    (b"\x89HDF", "an HDF5 file, which is not supported; save its images as PNG"),
    (b"\x93NUMPY", "a NumPy array, which is not supported; save it as PNG"),
    (b"P5", "a PGM image, which is not supported; save it as PNG"),
    (b"\x02\x00\x00\x00UL", _DATA_SET),
    (b"\x08\x00\x00\x00", _DATA_SET),
    (b"\x08\x00\x05\x00", _DATA_SET),
    (b"\x08\x00\x08\x00", _DATA_SET),
)

_SUPPORTED = ", ".join([*Format, "DICOM"])


DICOM_HEAD = 132
"""Number of bytes from the start of a file that `is_dicom` needs."""


def is_dicom(data: bytes) -> bool:
    """Return whether a file has the preamble and prefix of DICOM (PS3.10, 7.1)."""
    return data[128:DICOM_HEAD] == b"DICM"


def starts_as_dicom(path: Path) -> bool:
    """Return whether the file at a path is DICOM, by its first bytes.

    Raises
    ------
    DecodeError
        If it cannot be read; the message starts with the path.
    """
    try:
        with path.open("rb") as file:
            return is_dicom(file.read(DICOM_HEAD))
    except OSError as error:
        raise DecodeError(f"{path}: cannot be read ({error.strerror})") from error


def recognize(data: bytes) -> Format:
    """Return the format of an image file.

    Raises
    ------
    DecodeError
        If it is not supported; the message says what the file is and what to do.
    """
    for signature, image_format in _SIGNATURES:
        if data.startswith(signature):
            return image_format
    raise DecodeError(_describe(data))


def _describe(data: bytes) -> str:
    """Describe a file that is not a supported image."""
    if not data:
        return "the file is empty (0 bytes); copy or download it again"
    if is_dicom(data):
        return "a DICOM file, where an image file is needed; convert it to PNG"
    if not any(data):
        return f"{len(data)} zero bytes, as a failed copy leaves; copy or download it again"
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return "a WebP image, which is not supported; save it as PNG"
    for signature, description in _UNSUPPORTED:
        if data.startswith(signature):
            return description
    start = data[:512].lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    if start.startswith((b"<!doctype html", b"<html")):
        return "a web page, not an image; did a download fail? download it again"
    if _is_text(data[:512]):
        return "text, not an image; leave it out"
    return f"not a supported image ({_SUPPORTED}); its first bytes are {data[:8].hex(' ')}"


def _is_text(data: bytes) -> bool:
    return all(byte in b"\t\n\r" or 32 <= byte < 127 for byte in data)
