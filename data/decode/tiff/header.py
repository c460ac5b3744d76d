"""Read a TIFF's header: its size and depth, and whether its samples are of a kind that is read."""

from __future__ import annotations

from ....errors import DecodeError
from ..header import Header
from .tags import Compression, Tag, Tags, read_directories

_COMPRESSIONS = {
    6: "old JPEG",
    33003: "JPEG 2000",
    34712: "JPEG 2000",
    34887: "LERC",
    34925: "LZMA",
    50000: "Zstandard",
    50001: "WebP",
    50002: "JPEG XL",
}


_CMYK = 5


_FLOAT = 3


def _tiff(data: bytes) -> Header:
    """Refuse what libtiff and OpenCV would turn into a wrong image without a word."""
    tags, pages = read_directories(data)
    if pages > 1:
        raise DecodeError(f"a TIFF with {pages} pages; save each as a file of its own")
    _check_samples(tags)
    width, height, bits = tags.first(Tag.WIDTH, 0), tags.first(Tag.HEIGHT, 0), tags.first(Tag.BITS, 1)
    inverted = tags.first(Tag.PHOTOMETRIC, 1) == 0 and bits > 8
    return Header(width, height, bits, inverted)


def _check_samples(tags: Tags) -> None:
    """Refuse kinds of samples and compressions that are not read, by their name."""
    bits, samples = tags.first(Tag.BITS, 1), tags.first(Tag.SAMPLES, 1)
    compression = tags.first(Tag.COMPRESSION, Compression.NONE)
    if compression not in set(Compression):
        name = _COMPRESSIONS.get(compression, "unknown")
        raise _not_read(f"compression {compression} ({name})", "with another compression or as PNG")
    if not (tags.first(Tag.WIDTH, 0) and tags.first(Tag.HEIGHT, 0) and samples):
        raise DecodeError("a TIFF without pixels; is it damaged?")
    if bits not in {1, 8, 16, 32, 64}:
        raise _not_read(f"{bits} bits a sample")
    if bits == 16 and tags.first(Tag.SAMPLE_FORMAT, 1) == _FLOAT:
        raise _not_read("16-bit floating-point samples")
    if bits > 8 and tags.first(Tag.PHOTOMETRIC, 1) == _CMYK:
        raise _not_read(f"CMYK of {bits} bits a sample")
    if bits == 64 and samples > 1:
        raise _not_read(f"{samples} samples of 64 bits a pixel")
    if samples > 1 and bits > 8 and tags.first(Tag.PLANAR, 1) == 2:
        raise _not_read("separate planes of more than 8 bits")
    if samples == 4 and bits == 8 and tags.first(Tag.EXTRA_SAMPLES, 0) == 2:
        raise DecodeError("a TIFF whose colors would be mixed with its alpha channel; save it without alpha")


def _not_read(what: str, instead: str = "as PNG") -> DecodeError:
    return DecodeError(f"a TIFF with {what}, which is not read; save it {instead}")
