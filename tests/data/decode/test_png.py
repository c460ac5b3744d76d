"""PNG files: which chunks reach OpenCV, how faults are reported, and what reading a PNG loads."""

from __future__ import annotations

import io
import os
import struct
import subprocess
import sys
import zlib
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image

from cxr.data.decode import png
from cxr.data.decode.reader import decode_image
from cxr.errors import DecodeError

GRAY = np.random.default_rng(0).integers(0, 256, (60, 90), np.uint8)
COLOR = np.dstack([GRAY, np.roll(GRAY, 7, 0), 255 - GRAY])
ALPHA = np.random.default_rng(1).integers(0, 256, GRAY.shape, np.uint8)


def pillow(pixels: npt.NDArray[Any] | Image.Image, **options: Any) -> bytes:
    buffer = io.BytesIO()
    source = pixels if isinstance(pixels, Image.Image) else Image.fromarray(pixels)
    source.save(buffer, "PNG", **options)
    return buffer.getvalue()


def chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def with_chunks(data: bytes, chunks: bytes) -> bytes:
    """Insert chunks after the header of a PNG."""
    return data[:33] + chunks + data[33:]


NOT_PLAIN_GRAY = {
    "color": pillow(COLOR),
    "alpha": pillow(np.dstack([COLOR, ALPHA])),
    "palette": pillow(Image.fromarray(COLOR).quantize(64)),
    "palette, transparent": pillow(Image.fromarray(COLOR).quantize(64), transparency=bytes(range(64))),
    "16 bits": pillow(GRAY.astype(np.uint16) * 257),
    "1 bit": pillow(Image.fromarray(GRAY).convert("1")),
}
ANCILLARY_CHUNKS = {
    "gamma": chunk(b"gAMA", struct.pack(">I", 100000)),
    "private, 20 MB": chunk(b"prVt", bytes(20_000_000)),
    "bomb": chunk(b"zTXt", b"Comment\0\0" + zlib.compress(bytes(5_000_000))) * 20,
}


@pytest.mark.parametrize("ancillary", ANCILLARY_CHUNKS)
@pytest.mark.parametrize("kind", NOT_PLAIN_GRAY)
def test_ancillary_chunks_never_reach_opencv(
    kind: str, ancillary: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = NOT_PLAIN_GRAY[kind]
    imdecode = cv2.imdecode
    sizes: list[int] = []

    def recording(encoded: npt.NDArray[np.uint8], flags: int) -> Any:
        sizes.append(encoded.size)
        return imdecode(encoded, flags)

    monkeypatch.setattr(cv2, "imdecode", recording)
    decoded = decode_image(with_chunks(data, ANCILLARY_CHUNKS[ancillary])).pixels
    assert len(sizes) == 1
    assert sizes[0] <= len(data)
    np.testing.assert_array_equal(decoded, decode_image(data).pixels)


@pytest.mark.parametrize("kind", NOT_PLAIN_GRAY)
def test_removed_chunks_change_no_pixel(kind: str) -> None:
    data = NOT_PLAIN_GRAY[kind]
    expected = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_ANYDEPTH | cv2.IMREAD_ANYCOLOR)
    decoded = png.read(with_chunks(data, ANCILLARY_CHUNKS["gamma"]), GRAY.size)
    np.testing.assert_array_equal(decoded.pixels, expected)


@pytest.mark.parametrize("flood", [(b"tEXt", b""), (b"IDAT", b"")])
def test_png_of_too_many_small_chunks_is_rejected(flood: tuple[bytes, bytes]) -> None:
    with pytest.raises(DecodeError, match="more than 10,000 small chunks"):
        decode_image(with_chunks(pillow(GRAY), chunk(*flood) * 10_001))


def test_plain_gray_png_is_decoded_without_opencv(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cv2, "imdecode", lambda *_: pytest.fail("OpenCV was called"))
    np.testing.assert_array_equal(decode_image(pillow(GRAY)).pixels, GRAY)


def test_damaged_png_is_rejected() -> None:
    data = pillow(GRAY)
    damaged = data[:33] + chunk(b"IDAT", b"no zlib stream") + chunk(b"IEND", b"")
    with pytest.raises(DecodeError, match="a PNG that is damaged"):
        decode_image(damaged)


def run_python(code: str, **environment: str) -> str:
    done = subprocess.run(
        [sys.executable, "-c", code], env=os.environ | environment, check=True, capture_output=True, text=True
    )
    return done.stdout.strip()


def test_numba_is_loaded_only_by_the_first_png() -> None:
    code = (
        "import sys, cv2, numpy as n; from cxr.data.decode.reader import decode_image as d;"
        "g = n.eye(9, dtype=n.uint8);"
        "d(cv2.imencode('.jpg', g)[1].tobytes()); print('numba' in sys.modules);"
        "d(cv2.imencode('.png', g)[1].tobytes()); print('numba' in sys.modules)"
    )
    assert run_python(code).split() == ["False", "True"]


def test_second_process_loads_the_machine_code_from_the_cache(tmp_path: Path) -> None:
    code = (
        "import cv2, numpy as n; from cxr.data.decode.reader import decode_image as d;"
        "from cxr.data.decode.png_filters import unfilter as u;"
        "d(cv2.imencode('.png', n.eye(9, dtype=n.uint8))[1].tobytes());"
        "print(sum(u.stats.cache_hits.values()), sum(u.stats.cache_misses.values()))"
    )
    assert run_python(code, NUMBA_CACHE_DIR=str(tmp_path)) == "0 1"
    assert run_python(code, NUMBA_CACHE_DIR=str(tmp_path)) == "1 0"
