"""Know an image by its first bytes, never by its name; and say in words what else a file may be."""

from __future__ import annotations

from enum import StrEnum

from ...errors import DecodeError


class Format(StrEnum):
    """The encodings that are read."""

    PNG = "PNG"
    JPEG = "JPEG"
    TIFF = "TIFF"
    JPEG2000 = "JPEG 2000"
    BMP = "BMP"
    WEBP = "WebP"


PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"

_SIGNATURES = (
    (PNG_SIGNATURE, Format.PNG),
    (b"\xff\xd8\xff", Format.JPEG),
    (b"II*\x00", Format.TIFF),
    (b"MM\x00*", Format.TIFF),
    (b"II+\x00", Format.TIFF),
    (b"MM\x00+", Format.TIFF),
    (b"\x00\x00\x00\x0cjP  \r\n\x87\n", Format.JPEG2000),
    (b"\xff\x4f\xff\x51", Format.JPEG2000),
    (b"BM", Format.BMP),
)

_BARE_DICOM = "a DICOM data set without the preamble of a file; export it again as a DICOM file (Part 10)"

_OTHERS = (
    (b"GIF8", "a GIF, which is not read; save it as PNG"),
    (b"%PDF", "a PDF document; export its image as PNG"),
    (b"PK\x03\x04", "a ZIP archive; unpack it first"),
    (b"\x1f\x8b", "a gzip archive; unpack it first"),
    (b"\x89HDF", "an HDF5 file, which is not read"),
    (b"\x93NUMPY", "a NumPy array, which is not read; save it as PNG"),
    (b"P5", "a PGM image, which is not read; save it as PNG"),
    (b"\x02\x00\x00\x00UL", _BARE_DICOM),
    (b"\x08\x00\x00\x00", _BARE_DICOM),
    (b"\x08\x00\x05\x00", _BARE_DICOM),
    (b"\x08\x00\x08\x00", _BARE_DICOM),
)

_KNOWN = ", ".join([*Format, "DICOM"])


DICOM_HEAD = 132
"""So many of a file's first bytes tell whether it is a DICOM file."""


def is_dicom(data: bytes) -> bool:
    """Say whether a file's bytes have the preamble and prefix of a DICOM file (PS3.10, 7.1)."""
    return data[128:DICOM_HEAD] == b"DICM"


def recognize(data: bytes) -> Format:
    """Name the encoding of a file's bytes.

    Raises
    ------
    DecodeError
        If it is none that is read here; the text says what was found and what to do.
    """
    for signature, kind in _SIGNATURES:
        if data.startswith(signature):
            return kind
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return Format.WEBP
    raise DecodeError(_describe(data))


def _describe(data: bytes) -> str:
    """Say what a file is that is not an image."""
    if not data:
        return "the file is empty (0 bytes); copy or download it again"
    if is_dicom(data):
        return "a DICOM file, where a plain image is needed; convert it to PNG"
    if not any(data):
        return f"{len(data)} zero bytes, as a broken copy leaves; copy or download it again"
    for signature, words in _OTHERS:
        if data.startswith(signature):
            return words
    start = data[:512].lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    if start.startswith((b"<!doctype html", b"<html")):
        return "a web page, not an image (a download that failed?); download it again"
    if _is_text(data[:512]):
        return "text, not an image"
    return f"not an image that is read here ({_KNOWN}); its first bytes are {data[:8].hex(' ')}"


def _is_text(data: bytes) -> bool:
    return all(byte in b"\t\n\r" or 32 <= byte < 127 for byte in data)
