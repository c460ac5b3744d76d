"""Read TIFF files; those that libtiff and OpenCV would silently decode wrongly are rejected."""

from __future__ import annotations

from ....errors import DecodeError
from ..decoded import Decoded, check_size, truncated_header_errors
from ..formats import Format
from ..opencv import decode_with_opencv
from .strips import check_strips
from .tags import SEPARATE_PLANES, Compression, Tag, Tags, read_directories

_UNSUPPORTED_COMPRESSIONS = {
    6: "old JPEG",
    33003: "JPEG 2000",
    34712: "JPEG 2000",
    34887: "LERC",
    34925: "LZMA",
    50000: "Zstandard",
    50001: "WebP",
    50002: "JPEG XL",
}

_WHITE_IS_ZERO = 0
_CMYK = 5
_FLOAT = 3
_UNASSOCIATED_ALPHA = 2
_GRAY_AND_ALPHA = 2  # samples per pixel


def read(data: bytes, max_pixels: int) -> Decoded:
    """Read a TIFF file of one page.

    Raises
    ------
    DecodeError
        If it is truncated or damaged, has several pages, unsupported samples or an unsupported compression,
        or more than `max_pixels` pixels.
    """
    with truncated_header_errors(Format.TIFF):
        tags, pages = read_directories(data)
    if pages > 1:
        raise DecodeError(f"a TIFF with {pages} pages; save each page as a separate file")
    _check_samples(tags)
    check_size(tags.first(Tag.WIDTH, 0), tags.first(Tag.HEIGHT, 0), max_pixels)
    check_strips(data, tags)
    bits = tags.first(Tag.BITS, 1)
    white_is_zero = tags.first(Tag.PHOTOMETRIC, 1) == _WHITE_IS_ZERO
    gray_and_alpha = tags.first(Tag.SAMPLES, 1) == _GRAY_AND_ALPHA
    return Decoded(
        decode_with_opencv(data, Format.TIFF),
        bits,
        inverted=white_is_zero and bits > 8,  # OpenCV inverts samples of up to 8 bits itself
        white_is_zero=white_is_zero,
        encoded=b"" if gray_and_alpha else data,
        unread_alpha=gray_and_alpha,
    )


def _check_samples(tags: Tags) -> None:
    """Reject unsupported samples and compressions by name."""
    bits, samples = tags.first(Tag.BITS, 1), tags.first(Tag.SAMPLES, 1)
    compression = tags.first(Tag.COMPRESSION, Compression.NONE)
    if compression not in set(Compression):
        name = _UNSUPPORTED_COMPRESSIONS.get(compression, "unknown")
        raise _unsupported_error(f"compression {compression} ({name})", "with another compression or as PNG")
    if not (tags.first(Tag.WIDTH, 0) and tags.first(Tag.HEIGHT, 0) and samples):
        raise DecodeError("a TIFF without pixels; is it damaged?")
    if bits not in {1, 8, 16, 32, 64}:
        raise _unsupported_error(f"{bits} bits per sample")
    if bits == 16 and tags.first(Tag.SAMPLE_FORMAT, 1) == _FLOAT:
        raise _unsupported_error("16-bit floating-point samples")
    if bits > 8 and tags.first(Tag.PHOTOMETRIC, 1) == _CMYK:
        raise _unsupported_error(f"CMYK of {bits} bits per sample")
    if bits == 64 and samples > 1:
        raise _unsupported_error(f"{samples} samples of 64 bits per pixel")
    if samples > 1 and bits > 8 and tags.first(Tag.PLANAR, 1) == SEPARATE_PLANES:
        raise _unsupported_error("separate planes of more than 8 bits")
    if samples == 4 and bits == 8 and tags.first(Tag.EXTRA_SAMPLES, 0) == _UNASSOCIATED_ALPHA:
        raise DecodeError(
            "a TIFF with an alpha channel that would be mixed into its colors; save it without alpha"
        )


def _unsupported_error(what: str, instead: str = "as PNG") -> DecodeError:
    return DecodeError(f"a TIFF with {what}, which is not supported; save it {instead}")
