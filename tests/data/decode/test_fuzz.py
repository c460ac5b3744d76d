"""Damaged files of every format give an image or an error, never a crash, a hang or excessive memory.

`make soak` runs these tests with many more examples.
"""

from __future__ import annotations

import io
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import cv2
import imagecodecs
import numpy as np
import pytest
import tifffile
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from PIL import Image
from pydicom import uid

from cxr.data.decode.isolation import Isolation
from cxr.data.decode.options import DecodeOptions
from cxr.errors import DecodeError

ROWS, COLUMNS = np.mgrid[:40, :56]
GRAY = (
    (ROWS * 3 + COLUMNS * 2 + np.random.default_rng(0).integers(0, 30, (40, 56)))
    .clip(0, 255)
    .astype(np.uint8)
)
DEEP = GRAY.astype(np.uint16) * 257
MAX_PIXELS = 4_000_000
MAX_GROWTH = 400_000_000  # bytes; a whole image of the limit in 64-bit colors is 100 MB


def pillow(pixels: Any, kind: str, **options: Any) -> bytes:
    buffer = io.BytesIO()
    (pixels if isinstance(pixels, Image.Image) else Image.fromarray(pixels)).save(buffer, kind, **options)
    return buffer.getvalue()


def tiff(pixels: Any, **options: Any) -> bytes:
    buffer = io.BytesIO()
    tifffile.imwrite(buffer, pixels, **options)
    return buffer.getvalue()


def png_with_filters() -> bytes:
    return cv2.imencode(".png", GRAY, [cv2.IMWRITE_PNG_STRATEGY, cv2.IMWRITE_PNG_STRATEGY_FILTERED])[
        1
    ].tobytes()


ENCODINGS: dict[str, bytes] = {
    "png": pillow(GRAY, "PNG"),
    "png, filtered": png_with_filters(),
    "png, 16 bits": pillow(DEEP, "PNG"),
    "png, color and alpha": pillow(np.dstack([GRAY] * 4), "PNG"),
    "png, palette": pillow(Image.fromarray(GRAY).convert("P"), "PNG"),
    "jpeg": pillow(GRAY, "JPEG"),
    "jpeg, progressive": pillow(np.dstack([GRAY] * 3), "JPEG", progressive=True),
    "tiff": tiff(GRAY),
    "tiff, 16 bits, tiles": tiff(DEEP, tile=(16, 16)),
    "tiff, lzw": pillow(GRAY, "TIFF", compression="tiff_lzw"),
    "tiff, deflate": pillow(GRAY, "TIFF", compression="tiff_adobe_deflate"),
    "jpeg 2000": pillow(GRAY, "JPEG2000"),
    "bmp": pillow(GRAY, "BMP"),
}
SYNTAXES: dict[str, tuple[str, Callable[[], bytes]]] = {
    "dicom": (uid.ExplicitVRLittleEndian, bytes),
    "dicom, implicit": (uid.ImplicitVRLittleEndian, bytes),
    "dicom, jpeg": (uid.JPEGBaseline8Bit, lambda: imagecodecs.jpeg8_encode(GRAY)),
    "dicom, lossless jpeg": (uid.JPEGLosslessSV1, lambda: imagecodecs.ljpeg_encode(GRAY)),
    "dicom, jpeg-ls": (uid.JPEGLSLossless, lambda: imagecodecs.jpegls_encode(GRAY)),
    "dicom, jpeg 2000": (
        uid.JPEG2000Lossless,
        lambda: imagecodecs.jpeg2k_encode(GRAY, codecformat="J2K", reversible=True),
    ),
}
KINDS = (*ENCODINGS, *SYNTAXES)

POSITION = st.floats(0, 1, exclude_max=True)
FLIP = st.tuples(st.just("flip"), POSITION, st.integers(1, 255))
CUT = st.tuples(st.just("cut"), POSITION, POSITION)
SPLICE = st.tuples(st.just("splice"), POSITION, POSITION)
DAMAGE = st.lists(st.one_of(FLIP, FLIP, CUT, SPLICE), min_size=1, max_size=6)


def damage(data: bytes, other: bytes, steps: list[tuple[str, float, Any]]) -> bytes:
    """Change a byte, remove bytes, or overwrite some with bytes of another file."""
    for step, position, value in steps:
        at = int(position * len(data))
        if step == "flip" and data:
            data = data[:at] + bytes([data[at] ^ value]) + data[at + 1 :]
        elif step == "cut":
            data = data[:at] + data[at + int(value * 64) :]
        elif step == "splice":
            start = int(value * len(other))
            data = data[:at] + other[start : start + 32] + data[at + 32 :]
    return data


@pytest.fixture(scope="module")
def encodings(make_dicom: Callable[..., bytes]) -> dict[str, bytes]:
    dicom = {name: make_dicom(GRAY, syntax, stream=stream()) for name, (syntax, stream) in SYNTAXES.items()}
    return ENCODINGS | dicom


@pytest.fixture(scope="module")
def files() -> Iterator[Isolation]:
    with Isolation(1, DecodeOptions(max_pixels=MAX_PIXELS, seconds=20)) as isolation:
        yield isolation


def peak() -> int:
    """Return the peak memory in bytes of this process or of a worker process."""
    resource = pytest.importorskip("resource", reason="this system does not report peak memory")
    unit = 1 if sys.platform == "darwin" else 1024
    return (
        max(resource.getrusage(who).ru_maxrss for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
        * unit
    )


@pytest.mark.parametrize("kind", KINDS)
def test_intact_file_is_read(
    kind: str, encodings: dict[str, bytes], files: Isolation, tmp_path: Path
) -> None:
    path = tmp_path / "image"
    path.write_bytes(encodings[kind])
    assert files.read(path).pixels.shape == GRAY.shape


@pytest.mark.parametrize("kind", KINDS)
def test_damaged_file_gives_an_image_or_a_one_line_error(
    kind: str, encodings: dict[str, bytes], files: Isolation, tmp_path_factory: pytest.TempPathFactory
) -> None:
    path = tmp_path_factory.mktemp("fuzz") / "image"
    before = peak()

    @settings(deadline=None, suppress_health_check=list(HealthCheck))
    @given(DAMAGE, st.sampled_from(KINDS))
    @example([("cut", 0.0, 1.0)], KINDS[0])
    def read(steps: list[tuple[str, float, Any]], other: str) -> None:
        path.write_bytes(damage(encodings[kind], encodings[other], steps))
        try:
            pixels = files.read(path).pixels
        except DecodeError as error:
            message = str(error)
        else:
            assert pixels.dtype == np.uint8
            assert 0 < pixels.size <= MAX_PIXELS
            return
        assert message.startswith(f"{path}: ")
        assert not any(text in message for text in ("\n", "4711", "crashed", "not decoded within"))

    read()
    assert peak() - before < MAX_GROWTH
