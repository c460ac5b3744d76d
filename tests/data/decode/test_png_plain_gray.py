"""The fast PNG decoder: OpenCV's pixels for an intact file of plain gray, None for every other file."""

from __future__ import annotations

import io
import struct
import tracemalloc
import zlib
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays
from PIL import Image

from cxr.data.decode.png import decode_plain_gray, read_chunks
from cxr.errors import DecodeError

Gray = npt.NDArray[np.uint8]

SIGNATURE = b"\x89PNG\r\n\x1a\n"
NONE, SUB, UP, AVERAGE, PAETH = range(5)

IGNORED = {
    "gamma": (b"gAMA", struct.pack(">I", 30000)),
    "chromaticities": (b"cHRM", struct.pack(">8I", *range(30000, 30008))),
    "standard colors": (b"sRGB", b"\0"),
    "significant bits": (b"sBIT", b"\3"),
    "background": (b"bKGD", struct.pack(">H", 80)),
    "pixel size": (b"pHYs", struct.pack(">IIB", 7000, 7000, 1)),
    "time": (b"tIME", struct.pack(">HBBBBB", 2017, 9, 1, 12, 0, 0)),
    "text": (b"tEXt", b"Comment\0PA"),
    "compressed text": (b"zTXt", b"Comment\0\0" + zlib.compress(b"erect")),
    "international text": (b"iTXt", b"Comment\0\0\0de\0\0R\xc3\xb6ntgen"),
}


def decode(data: bytes) -> Gray | None:
    """Decode a file as `png.read` does at first; a file without valid chunks counts as not decoded."""
    try:
        return decode_plain_gray(data, read_chunks(data))
    except (DecodeError, struct.error):
        return None


def chunk(kind: bytes, body: bytes = b"") -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def header(width: int, height: int, *rest: int) -> bytes:
    return chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, *(rest or (8, 0, 0, 0, 0))))


def predicted(kind: int, left: Any, up: Any, corner: Any) -> Any:
    """The prediction of a filter, as section 9 of the specification defines it."""
    if kind == PAETH:
        estimate = left + up - corner
        to_left, to_up, to_corner = abs(estimate - left), abs(estimate - up), abs(estimate - corner)
        nearer = np.where(to_up <= to_corner, up, corner)
        return np.where((to_left <= to_up) & (to_left <= to_corner), left, nearer)
    return {NONE: 0 * left, SUB: left, UP: up, AVERAGE: (left + up) // 2}[kind]


def filtered(pixels: Gray, kinds: Sequence[int]) -> bytes:
    """Filter each line with its own filter."""
    wide = np.pad(pixels.astype(np.int16), ((1, 0), (1, 0)))
    lines = b""
    for y, kind in enumerate(kinds):
        left, up, corner = wide[y + 1, :-1], wide[y, 1:], wide[y, :-1]
        rest = (wide[y + 1, 1:] - predicted(kind, left, up, corner)) % 256
        lines += bytes([kind]) + rest.astype(np.uint8).tobytes()
    return lines


def png(
    size: tuple[int, int],
    packed: bytes,
    splits: Sequence[int] = (),
    before: Sequence[bytes] = (),
    after: Sequence[bytes] = (),
) -> bytes:
    """Write a file with a zlib stream, split at the given places, and other chunks around it."""
    places = [0, *sorted(splits), len(packed)]
    pieces = [chunk(b"IDAT", packed[a:b]) for a, b in pairwise(places)]
    return b"".join([SIGNATURE, header(*size), *before, *pieces, *after, chunk(b"IEND")])


def plain(pixels: Gray, kinds: Sequence[int] | None = None) -> bytes:
    height, width = pixels.shape
    return png((width, height), zlib.compress(filtered(pixels, kinds or [PAETH] * height)))


def opencv(data: bytes) -> Any:
    """Decode a file with OpenCV."""
    return cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_ANYDEPTH | cv2.IMREAD_ANYCOLOR)


def noise(height: int, width: int, seed: int = 0) -> Gray:
    return np.random.default_rng(seed).integers(0, 256, (height, width), np.uint8)


def image(height: int, width: int) -> Gray:
    """Noise on a ramp: neighboring pixels are similar, as on a radiograph."""
    rows, columns = np.mgrid[:height, :width]
    return np.asarray((rows + 2 * columns + noise(height, width) // 16) % 256, np.uint8)


def pillow(pixels: Any, mode: str | None = None, **options: Any) -> bytes:
    buffer = io.BytesIO()
    source = Image.fromarray(pixels)
    (source.convert(mode) if mode else source).save(buffer, "PNG", **options)
    return buffer.getvalue()


GRAY = image(9, 14)
STREAM = zlib.compress(filtered(GRAY, [NONE, SUB, UP, AVERAGE, PAETH, PAETH, UP, PAETH, PAETH]))
SIZE = (14, 9)
FILE = png(
    SIZE, STREAM, splits=[20], before=[chunk(b"tEXt", b"Comment\0PA")], after=[chunk(b"tIME", bytes(7))]
)


def test_file_that_these_tests_damage_is_decoded_while_intact() -> None:
    np.testing.assert_array_equal(decode(FILE), GRAY)


# The same pixels as OpenCV


@settings(max_examples=300, deadline=None)
@given(data=st.data())
def test_any_shape_filters_and_chunks_give_the_pixels_of_opencv(data: st.DataObject) -> None:
    shape = data.draw(array_shapes(min_dims=2, max_dims=2, max_side=19))
    pixels = data.draw(arrays(np.uint8, shape))
    kinds = data.draw(st.lists(st.integers(0, 4), min_size=shape[0], max_size=shape[0]))
    packed = zlib.compress(filtered(pixels, kinds), data.draw(st.integers(0, 9)))
    splits = data.draw(st.lists(st.integers(0, len(packed)), max_size=4))
    others = st.lists(st.sampled_from(list(IGNORED)), max_size=2, unique=True)
    before = [chunk(*IGNORED[name]) for name in data.draw(others)]
    file = png((shape[1], shape[0]), packed, splits, before)
    decoded = decode(file)
    np.testing.assert_array_equal(decoded, pixels)
    np.testing.assert_array_equal(opencv(file), pixels)


@pytest.mark.parametrize("shape", [(1, 1), (1, 700), (700, 1), (2, 2), (301, 257)])
@pytest.mark.parametrize(
    "pattern",
    [[NONE], [SUB], [UP], [AVERAGE], [PAETH], [PAETH, UP], [UP, PAETH], [PAETH, UP, UP], [PAETH, AVERAGE]],
)
def test_every_filter_and_order_of_filters_is_undone(pattern: list[int], shape: tuple[int, int]) -> None:
    kinds = (pattern * shape[0])[: shape[0]]
    for pixels in (noise(*shape), image(*shape), np.full(shape, 255, np.uint8)):
        decoded = decode(plain(pixels, kinds))
        assert decoded is not None
        assert decoded.dtype == np.uint8
        assert decoded.flags.c_contiguous
        assert decoded.flags.writeable
        np.testing.assert_array_equal(decoded, pixels)


def test_paeth_follows_the_specification_for_every_left_and_up() -> None:
    left, up = (plane.ravel().astype(np.uint8) for plane in np.mgrid[:256, :256])
    for corner in (0, 1, 60, 127, 128, 200, 254, 255):
        # Blocks of (corner, up) above (left, any), separated by unfiltered lines: a tall image of width 2.
        pixels = np.empty((2 * left.size, 2), np.uint8)
        pixels[0::2, 0], pixels[0::2, 1], pixels[1::2, 0] = corner, up, left
        pixels[1::2, 1] = np.random.default_rng(corner).integers(0, 256, left.size)
        a, b = left.astype(np.int16), up.astype(np.int16)
        lines = np.zeros((len(pixels), 3), np.uint8)
        lines[0::2, 1:] = pixels[0::2]
        lines[1::2, 0] = PAETH
        lines[1::2, 1] = left - np.uint8(corner)
        lines[1::2, 2] = (pixels[1::2, 1] - predicted(PAETH, a, b, np.int16(corner))) % 256
        packed = zlib.compress(lines.tobytes(), 1)
        np.testing.assert_array_equal(decode(png((2, len(pixels)), packed)), pixels)


@pytest.mark.parametrize("name", IGNORED)
def test_ignored_chunks_change_no_pixel(name: str) -> None:
    other = [chunk(*IGNORED[name])]
    for file in (png(SIZE, STREAM, before=other), png(SIZE, STREAM, after=other)):
        np.testing.assert_array_equal(decode(file), GRAY)
        np.testing.assert_array_equal(opencv(file), GRAY)


def test_orientation_in_a_text_chunk_is_ignored_as_by_opencv() -> None:
    exif = Image.Exif()
    exif[274] = 6
    packed = zlib.compress(b"\nexif\n%8d\n%s\n" % (len(exif.tobytes()), exif.tobytes().hex().encode()))
    file = png(SIZE, STREAM, before=[chunk(b"zTXt", b"Raw profile type exif\0\0" + packed)])
    np.testing.assert_array_equal(decode(file), GRAY)
    np.testing.assert_array_equal(opencv(file), GRAY)


@pytest.mark.parametrize("options", [{}, {"optimize": True}, {"compress_level": 0}, {"compress_level": 1}])
def test_files_of_common_writers_are_decoded(options: dict[str, Any]) -> None:
    pixels = image(120, 260)
    written = cv2.imencode(".png", pixels)[1].tobytes()
    for file in (written, pillow(pixels, **options), pillow(pixels, dpi=(300, 300), icc_profile=b"x" * 200)):
        np.testing.assert_array_equal(decode(file), pixels)


def test_concurrent_threads_get_the_same_pixels() -> None:
    images = [image(60 + seed, 150) ^ noise(60 + seed, 150, seed) % 8 for seed in range(40)]
    with ThreadPoolExecutor(4) as pool:
        together = list(pool.map(decode, map(pillow, images)))
    for decoded, expected in zip(together, images, strict=True):
        np.testing.assert_array_equal(decoded, expected)


# None for every other file


OTHER_KINDS = {
    "rgb": pillow(np.dstack([GRAY] * 3)),
    "rgba": pillow(np.dstack([GRAY] * 4)),
    "gray and alpha": pillow(GRAY, "LA"),
    "palette": pillow(GRAY, "P"),
    "1 bit": pillow(GRAY, "1"),
    "16 bits": pillow(GRAY.astype(np.uint16) * 257),
    "a transparent value": pillow(GRAY, transparency=100),
    "animated": pillow(GRAY, save_all=True, append_images=[Image.fromarray(255 - GRAY)]),
    "exif": png(SIZE, STREAM, before=[chunk(b"eXIf", b"II*\0\x08\0\0\0\0\0\0\0\0\0")]),
    "interlaced": SIGNATURE + header(*SIZE, 8, 0, 0, 0, 1) + chunk(b"IDAT", STREAM) + chunk(b"IEND"),
}


@pytest.mark.parametrize("kind", OTHER_KINDS)
def test_other_kinds_of_png_are_left_to_opencv(kind: str) -> None:
    assert decode(OTHER_KINDS[kind]) is None


HEADER, BODY, END = header(*SIZE), chunk(b"IDAT", STREAM), chunk(b"IEND")
TEXT = chunk(b"tEXt", b"Comment\0PA")
RAW = zlib.decompress(STREAM)


def with_dictionary() -> bytes:
    packer = zlib.compressobj(zdict=RAW[:40])
    return packer.compress(RAW) + packer.flush()


FAULTS = {
    "no chunk": SIGNATURE,
    "no data": SIGNATURE + HEADER + END,
    "no end": SIGNATURE + HEADER + BODY,
    "data before the header": SIGNATURE + BODY + HEADER + END,
    "text before the header": SIGNATURE + TEXT + HEADER + BODY + END,
    "text within the data": SIGNATURE
    + HEADER
    + chunk(b"IDAT", STREAM[:9])
    + TEXT
    + chunk(b"IDAT", STREAM[9:])
    + END,
    "data after the end": SIGNATURE + HEADER + END + BODY,
    "two headers": SIGNATURE + HEADER + HEADER + BODY + END,
    "two ends": SIGNATURE + HEADER + BODY + END + END,
    "bytes after the end": FILE + b"more",
    "a short header": SIGNATURE + chunk(b"IHDR", HEADER[8:20]) + BODY + END,
    "a long header": SIGNATURE + chunk(b"IHDR", HEADER[8:21] + b"\0") + BODY + END,
    "a header by another name": SIGNATURE + chunk(b"tEXt", HEADER[8:21]) + BODY + END,
    "no width": png((0, 9), zlib.compress(bytes(9))),
    "no height": png((14, 0), zlib.compress(b"")),
    "an unknown chunk": png(SIZE, STREAM, before=[chunk(b"vpAg", bytes(9))]),
    "a palette": png(SIZE, STREAM, before=[chunk(b"PLTE", bytes(6))]),
    "a line too many": png((14, 8), STREAM),
    "a line too few": png((14, 10), STREAM),
    "lines too long": png((13, 9), STREAM),
    "an empty stream": png(SIZE, b""),
    "a stream of one byte": png(SIZE, STREAM[:1]),
    "no end of the stream": png(SIZE, STREAM[:-9]),
    "no checksum of the pixels": png(SIZE, STREAM[:-4]),
    "half a checksum of the pixels": png(SIZE, STREAM[:-2]),
    "a wrong checksum of the pixels": png(SIZE, STREAM[:-4] + bytes(4)),
    "a byte after the stream": png(SIZE, STREAM + b"\0"),
    "two streams": png(SIZE, STREAM + STREAM),
    "a bare stream": png(SIZE, STREAM[2:-4]),
    "wrong check bits": png(SIZE, b"\x78\x9d" + STREAM[2:]),
    "a window too large": png(SIZE, b"\x88\x1c" + STREAM[2:]),
    "a dictionary": png(SIZE, with_dictionary()),
    "a filter that does not exist": png(SIZE, zlib.compress(RAW[:15] + b"\5" + RAW[16:])),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_fault_with_valid_chunk_checksums_is_found(fault: str) -> None:
    assert decode(FAULTS[fault]) is None


@pytest.mark.parametrize("change", [0x01, 0x80, 0xFF])
def test_every_changed_byte_is_found(change: int) -> None:
    for position in range(len(SIGNATURE), len(FILE)):
        damaged = bytearray(FILE)
        damaged[position] ^= change
        assert decode(bytes(damaged)) is None, position


def test_every_truncation_is_found() -> None:
    for end in range(len(FILE)):
        assert decode(FILE[:end]) is None, end
        assert decode(FILE[:end] + bytes(len(FILE) - end)) is None, end


OTHER = plain(255 - image(9, 14))


@settings(max_examples=500, deadline=None)
@given(first=st.integers(0, len(FILE)), second=st.integers(0, len(OTHER)), back=st.booleans())
def test_spliced_files_give_none_or_one_of_the_two_images(first: int, second: int, back: bool) -> None:
    spliced = OTHER[:second] + FILE[first:] if back else FILE[:first] + OTHER[second:]
    decoded = decode(spliced)
    assert decoded is None or any(np.array_equal(decoded, whole) for whole in (GRAY, 255 - image(9, 14)))


@settings(max_examples=500, deadline=None)
@given(data=st.data())
def test_damaged_stream_with_valid_chunk_checksums_never_gives_other_pixels(data: st.DataObject) -> None:
    stream = bytearray(STREAM)
    for _ in range(data.draw(st.integers(1, 3))):
        position = data.draw(st.integers(0, len(stream) - 1))
        stream[position : position + data.draw(st.integers(0, 2))] = data.draw(st.binary(max_size=2))
        if not stream:
            return
    decoded = decode(png(SIZE, bytes(stream)))
    if decoded is not None:
        np.testing.assert_array_equal(decoded, GRAY)


def test_decompression_bomb_is_not_inflated() -> None:
    bomb = png(SIZE, zlib.compress(bytes(50_000_000)))
    tracemalloc.start()
    try:
        assert decode(bomb) is None
        assert tracemalloc.get_traced_memory()[1] < 1_000_000
    finally:
        tracemalloc.stop()
