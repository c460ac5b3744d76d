"""Reading files and masks: limits, names, errors."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image

from cxr.data.decode.options import DecodeOptions
from cxr.data.decode.reader import SUFFIXES, decode_image, read_image, read_mask
from cxr.errors import DecodeError

Pixels = npt.NDArray[Any]


GRAY = np.random.default_rng(0).integers(0, 256, (60, 90), np.uint8)


def pillow(pixels: Pixels | Image.Image, kind: str, **options: Any) -> bytes:
    source = pixels if isinstance(pixels, Image.Image) else Image.fromarray(pixels)
    buffer = io.BytesIO()
    source.save(buffer, kind, **options)
    return buffer.getvalue()


def test_mask_that_uses_few_of_16_bits_is_read(tmp_path: Path) -> None:
    path = tmp_path / "mask.png"
    path.write_bytes(pillow((GRAY > 90).astype(np.uint16), "PNG"))
    np.testing.assert_array_equal(read_mask(path, GRAY.shape), GRAY > 90)


def test_file_above_the_byte_limit_is_rejected_before_it_is_read(tmp_path: Path) -> None:
    path = tmp_path / "image.png"
    path.write_bytes(pillow(GRAY, "PNG"))
    with pytest.raises(DecodeError, match=r"image\.png: a file of .* bytes, more than the limit of 10"):
        read_image(path, DecodeOptions(max_bytes=10))


@pytest.mark.parametrize("name", ["röntgen 胸部 01.png", "a PNG named.jpg", "UPPER.PNG", "no ending"])
def test_format_is_recognized_by_content_not_by_name(name: str, tmp_path: Path) -> None:
    path = tmp_path / name
    path.write_bytes(pillow(GRAY, "PNG"))
    np.testing.assert_array_equal(read_image(path).pixels, GRAY)
    np.testing.assert_array_equal(read_image(str(path)).pixels, GRAY)


def test_error_for_a_missing_file_names_it_once(tmp_path: Path) -> None:
    with pytest.raises(DecodeError) as caught:
        read_image(tmp_path / "gone.png")
    assert str(caught.value) == f"{tmp_path / 'gone.png'}: cannot be read (No such file or directory)"


def test_failed_decoding_prints_nothing(capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(DecodeError):
        decode_image(pillow(Image.fromarray(np.dstack([GRAY] * 3)).convert("CMYK"), "JPEG2000"))
    assert capfd.readouterr() == ("", "")


def test_suffixes_are_lower_case() -> None:
    assert {".png", ".jpg", ".jpeg", ".tif", ".tiff"} <= SUFFIXES
    assert all(ending == ending.lower() and ending.startswith(".") for ending in SUFFIXES)
