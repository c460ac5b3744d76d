"""Strips and tiles of TIFF: intact ones are accepted, and damage that libtiff ignores is found."""

from __future__ import annotations

import io
import itertools
import zlib
from typing import Any

import imagecodecs
import numpy as np
import numpy.typing as npt
import pytest
import tifffile
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from cxr.data.decode.options import DecodeOptions
from cxr.data.decode.reader import decode_image
from cxr.data.decode.tiff.lzw import decompressed_size
from cxr.errors import DecodeError

ROWS, COLUMNS = np.mgrid[:150, :203]
NOISE = np.random.default_rng(0).integers(0, 9, ROWS.shape)
GRAY = ((ROWS + COLUMNS) // 2 + NOISE).astype(np.uint8)
COLOR = np.dstack([GRAY, GRAY, GRAY])
PLANES = np.ascontiguousarray(np.moveaxis(COLOR, -1, 0))


def tiff(pixels: npt.NDArray[Any], **options: Any) -> bytes:
    buffer = io.BytesIO()
    tifffile.imwrite(buffer, pixels, **options)
    return buffer.getvalue()


def pillow(pixels: npt.NDArray[Any], compression: str) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "TIFF", compression=compression)
    return buffer.getvalue()


LAYOUTS: dict[str, tuple[npt.NDArray[Any], dict[str, Any]]] = {
    "one strip": (GRAY, {}),
    "strips of 32 lines": (GRAY, {"rowsperstrip": 32}),
    "tiles": (GRAY, {"tile": (64, 48)}),
    "predictor": (GRAY, {"predictor": True}),
    "16 bits": (GRAY.astype(np.uint16) * 200, {"rowsperstrip": 32}),
    "big endian": (GRAY.astype(np.uint16) * 200, {"byteorder": ">"}),
    "big file": (GRAY, {"bigtiff": True, "tile": (64, 48)}),
    "color": (COLOR, {"photometric": "rgb", "rowsperstrip": 32}),
    "planes": (PLANES, {"photometric": "rgb", "planarconfig": "separate", "rowsperstrip": 32}),
    "planes in tiles": (PLANES, {"photometric": "rgb", "planarconfig": "separate", "tile": (64, 48)}),
}
INTACT = {
    f"{compression}, {layout}": tiff(pixels, compression=compression, **options)
    for compression, (layout, (pixels, options)) in itertools.product(("deflate", "lzw"), LAYOUTS.items())
} | {
    "deflate by libtiff": pillow(GRAY, "tiff_adobe_deflate"),
    "lzw by libtiff": pillow(GRAY, "tiff_lzw"),
}


@pytest.mark.parametrize("kind", INTACT)
def test_intact_strips_are_accepted_and_a_damaged_one_is_rejected(kind: str) -> None:
    data = INTACT[kind]
    decode_image(data)
    with tifffile.TiffFile(io.BytesIO(data)) as file:
        page = file.pages.first
        middle = len(page.dataoffsets) // 2
        position = page.dataoffsets[middle] + page.databytecounts[middle] // 2
    damaged = data[:position] + np.random.default_rng(1).bytes(30) + data[position + 30 :]
    with pytest.raises(DecodeError, match="a TIFF with a damaged strip"):
        decode_image(damaged)


def test_strip_that_decompresses_to_too_little_or_to_a_bomb_is_rejected() -> None:
    for rows in (GRAY[:-1], np.zeros((150_000, 203), np.uint8)):
        whole = tiff(GRAY, compression="deflate")
        with tifffile.TiffFile(io.BytesIO(whole)) as file:
            start, room = file.pages.first.dataoffsets[0], file.pages.first.databytecounts[0]
        packed = zlib.compress(rows.tobytes(), 9)
        with pytest.raises(DecodeError, match="a TIFF with a damaged strip"):
            decode_image(whole[:start] + packed[:room].ljust(room, b"\0") + whole[start + room :])


@pytest.mark.parametrize("compression", [None, "packbits", "lzw", "deflate"])
def test_file_truncated_in_its_last_strips_is_rejected(compression: str | None) -> None:
    whole = tiff(GRAY, compression=compression, rowsperstrip=16)
    with pytest.raises(DecodeError, match="cut off"):
        decode_image(whole[:-40])


@settings(max_examples=100, deadline=None)
@given(
    st.one_of(
        st.binary(min_size=1, max_size=400),
        st.builds(
            lambda piece, times: piece * times, st.binary(min_size=1, max_size=3), st.integers(1, 9000)
        ),
        st.builds(lambda seed: np.random.default_rng(seed).bytes(20_000), st.integers(0, 9)),
    )
)
def test_size_of_lzw_data_is_exact(raw: bytes) -> None:
    packed = np.frombuffer(imagecodecs.lzw_encode(raw), np.uint8)
    assert decompressed_size(packed, len(raw)) == len(raw)


def test_strips_are_not_checked_if_the_header_declares_too_many_pixels() -> None:
    data = tiff(np.zeros((3000, 3000), np.uint8), compression="deflate")
    with pytest.raises(DecodeError, match="3000 x 3000 pixels, more than the limit"):
        decode_image(data[:-9] + bytes(9), DecodeOptions(max_pixels=1000))


def test_offset_beyond_any_file_is_a_truncated_header() -> None:
    data = tiff(GRAY, bigtiff=True)
    with pytest.raises(DecodeError, match="a TIFF that ends inside its header"):
        decode_image(data[:8] + b"\xff" * 8 + data[16:])
