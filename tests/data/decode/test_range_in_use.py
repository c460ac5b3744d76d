"""Deep PNG, TIFF and JPEG 2000 files whose samples use little of the declared depth, and images in alpha."""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
import pytest
import tifffile
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from cxr.data.decode.arrays import radiograph_from_array
from cxr.data.decode.reader import decode_image, read_mask
from cxr.data.image import Note
from cxr.errors import CxrError, DecodeError

Pixels = npt.NDArray[Any]

SHAPE = (60, 90)
rows, columns = np.mgrid[: SHAPE[0], : SHAPE[1]]
DEEP = np.asarray(np.rint((rows * 1.7 + columns * 0.9 + 9 * np.sin(columns)).clip(0) * 22), np.int64)
DEEP = np.asarray((DEEP - DEEP.min()) * 4095 // np.ptp(DEEP), np.int64)
GRAY = np.asarray(np.rint(DEEP * (255 / 4095)), np.uint8)
INSIDE = np.zeros(SHAPE, np.uint8)
INSIDE[20:40, 30:60] = 1


def png(pixels: Pixels) -> bytes:
    return cv2.imencode(".png", pixels)[1].tobytes()


def tiff(pixels: Pixels, **options: Any) -> bytes:
    buffer = io.BytesIO()
    tifffile.imwrite(buffer, pixels, **options)
    return buffer.getvalue()


def pillow(pixels: Pixels, mode: str, kind: str, **options: Any) -> bytes:
    buffer = io.BytesIO()
    height, width = pixels.shape[:2]
    Image.frombytes(mode, (width, height), pixels.tobytes()).save(buffer, kind, **options)
    return buffer.getvalue()


def with_significant_bits(data: bytes, bits: int) -> bytes:
    body = b"sBIT" + bytes([bits])
    return data[:33] + struct.pack(">I", 1) + body + struct.pack(">I", zlib.crc32(body)) + data[33:]


WRITERS: dict[str, Callable[[Pixels], bytes]] = {
    "png": png,
    "png, color": lambda pixels: png(np.dstack([pixels] * 3)),
    "tiff": tiff,
    "tiff, big endian": lambda pixels: tiff(pixels, byteorder=">"),
    "tiff, white is 0": lambda pixels: tiff(65535 - pixels, photometric="miniswhite"),
    "tiff, float": lambda pixels: tiff((pixels / 65535).astype(np.float32)),
    "jpeg 2000": lambda pixels: cv2.imencode(".jp2", pixels, [cv2.IMWRITE_JPEG2000_COMPRESSION_X1000, 1000])[
        1
    ].tobytes(),
}


@settings(max_examples=60, deadline=None)
@given(kind=st.sampled_from(sorted(WRITERS)), bits=st.integers(6, 14), place=st.floats(0, 1))
def test_few_bits_anywhere_in_16_are_stretched_to_all_gray_values(kind: str, bits: int, place: float) -> None:
    content = DEEP * ((1 << bits) - 1) // 4095
    offset = round(place * (65535 - content.max()))
    image = decode_image(WRITERS[kind]((content + offset).astype(np.uint16)))
    exact = content * 255 / content.max()
    assert np.abs(image.pixels - exact).max() <= 1.01
    assert image.gray_from == "range in use"


@pytest.mark.parametrize("kind", WRITERS)
def test_samples_that_use_most_of_16_bits_are_scaled_from_16_bits(kind: str) -> None:
    pixels = (DEEP * 12 + 4000).astype(np.uint16)
    image = decode_image(WRITERS[kind](pixels))
    assert image.gray_from == "full range"
    assert np.abs(image.pixels - pixels * (255 / 65535)).max() <= 1.01


def test_undeclared_padding_is_no_part_of_the_range_in_use() -> None:
    pixels = DEEP + 30000
    pixels[:9] = 0
    image = decode_image(png(pixels.astype(np.uint16)))
    assert image.gray_from == "range in use"
    assert np.corrcoef(image.pixels[9:].ravel(), GRAY[9:].ravel())[0, 1] > 0.999


def test_significant_bits_of_a_png_are_its_range_if_the_samples_fit_them() -> None:
    pixels = (DEEP * 3 + 50).astype(np.uint16)
    image = decode_image(with_significant_bits(png(pixels), 14))
    assert image.gray_from == "significant bits"
    np.testing.assert_array_equal(image.pixels, np.rint(pixels * (255 / 16383)))
    assert decode_image(with_significant_bits(png(pixels), 12)).gray_from == "range in use"
    # By the PNG specification, samples are scaled to 16 bits, of which 14 are significant.
    scaled = (DEEP * 16).astype(np.uint16)
    assert decode_image(with_significant_bits(png(scaled), 14)).gray_from == "full range"


def test_deep_image_of_few_values_is_rejected() -> None:
    for data in (png(INSIDE.astype(np.uint16)), tiff((DEEP // 500).astype(np.uint16))):
        with pytest.raises(DecodeError, match="different values"):
            decode_image(data)


def test_black_and_white_in_16_bits_is_read() -> None:
    image = decode_image(png(INSIDE.astype(np.uint16) * 65535))
    np.testing.assert_array_equal(image.pixels, INSIDE * 255)


@pytest.mark.parametrize("value", [0, 7, 255])
@pytest.mark.parametrize("depth", [np.uint8, np.uint16])
def test_image_of_one_gray_value_is_rejected(value: int, depth: type[np.generic]) -> None:
    for data in (png(np.full(SHAPE, value, depth)), tiff(np.full(SHAPE, value, depth))):
        with pytest.raises(DecodeError, match=r"every pixel has the same gray value \(\d+\), so it holds no"):
            decode_image(data)


def test_8_bit_values_stay_unchanged_and_a_faint_image_is_noted() -> None:
    assert decode_image(png(GRAY)).notes == ()
    for pixels in (GRAY // 16, INSIDE, 255 - INSIDE):
        image = decode_image(png(pixels))
        np.testing.assert_array_equal(image.pixels, pixels)
        assert (image.gray_from, image.notes) == ("stored", (Note.NEARLY_ONE_GRAY,))


def test_arrays_follow_the_same_rule() -> None:
    image = radiograph_from_array((DEEP + 30000).astype(np.uint16), bits=16)
    assert image.gray_from == "range in use"
    np.testing.assert_array_equal(image.pixels, GRAY)
    np.testing.assert_array_equal(radiograph_from_array(DEEP.astype(np.uint16), bits=12).pixels, GRAY)


WHITE = np.full(SHAPE, 255, np.uint8)
RED = np.dstack([WHITE, WHITE * 0, WHITE * 0])
IN_ALPHA: dict[str, Callable[[Pixels], bytes]] = {
    "png, black": lambda alpha: pillow(np.dstack([WHITE * 0] * 3 + [alpha]), "RGBA", "PNG"),
    "png, white": lambda alpha: pillow(np.dstack([WHITE] * 3 + [alpha]), "RGBA", "PNG"),
    "png, red": lambda alpha: pillow(np.dstack([RED, alpha]), "RGBA", "PNG"),
    "png, gray": lambda alpha: pillow(np.dstack([WHITE, alpha]), "LA", "PNG"),
    "png, 16 bits": lambda alpha: png(np.dstack([WHITE] * 3 + [alpha]).astype(np.uint16) * 257),
    "tiff, gray": lambda alpha: pillow(np.dstack([WHITE, alpha]), "LA", "TIFF"),
    "tiff, colors": lambda alpha: tiff(
        np.dstack([WHITE] * 3 + [alpha]), photometric="rgb", extrasamples=["unspecified"]
    ),
    "bmp": lambda alpha: cv2.imencode(".bmp", np.dstack([WHITE] * 3 + [alpha]))[1].tobytes(),
    "jpeg 2000, gray": lambda alpha: pillow(np.dstack([WHITE, alpha]), "LA", "JPEG2000"),
    "jpeg 2000": lambda alpha: pillow(np.dstack([WHITE] * 3 + [alpha]), "RGBA", "JPEG2000"),
}


@pytest.mark.parametrize("kind", IN_ALPHA)
def test_image_in_the_alpha_channel_is_rejected(kind: str) -> None:
    with pytest.raises(DecodeError, match="the image in its alpha channel; save it without transparency"):
        decode_image(IN_ALPHA[kind](GRAY))


@pytest.mark.parametrize("kind", IN_ALPHA)
def test_mask_in_the_alpha_channel_is_rejected(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "mask"
    path.write_bytes(IN_ALPHA[kind](INSIDE * np.uint8(255)))
    with pytest.raises(CxrError, match="mask cannot be read: one color everywhere"):
        read_mask(path, SHAPE)


def test_mask_of_one_color_without_transparency_is_read(tmp_path: Path) -> None:
    path = tmp_path / "mask.png"
    for value in (0, 255):
        path.write_bytes(pillow(np.dstack([WHITE * (value // 255)] * 3 + [WHITE]), "RGBA", "PNG"))
        assert (read_mask(path, SHAPE) == value // 255).all()


@pytest.mark.parametrize("depth", [np.uint8, np.uint16])
def test_mask_in_a_tiff_whose_0_is_white_is_rejected(tmp_path: Path, depth: type[np.generic]) -> None:
    """Some programs mean the value, some the look of it: which side is inside is unknown."""
    path = tmp_path / "mask.tif"
    path.write_bytes(tiff(INSIDE.astype(depth) * np.iinfo(depth).max, photometric="miniswhite"))
    with pytest.raises(CxrError, match=r"mask\.tif: this mask cannot be read: a TIFF whose 0 is white"):
        read_mask(path, SHAPE)


def test_error_names_apples_variant_of_png() -> None:
    whole = png(GRAY)
    variant = whole[:8] + struct.pack(">I", 4) + b"CgBI" + bytes(8) + whole[8:]
    with pytest.raises(DecodeError, match=r"Apple's own variant \(CgBI\)"):
        decode_image(variant)
    with pytest.raises(DecodeError, match="a PNG that does not start with its header"):
        decode_image(whole[:8] + whole[33:])
