from __future__ import annotations

import os
import threading
import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from cxr.data import isolation
from cxr.data.isolation import Isolation
from cxr.data.picture import Picture
from cxr.data.reading import Reading
from cxr.errors import DecodeError

GREY = np.random.default_rng(0).integers(0, 256, (40, 30), np.uint8)


def misbehave(path: Path, _reading: Reading) -> Picture:
    """Stand in for a decoder that some files crash and others hang."""
    if path.name.startswith("crash"):
        os.abort()
    if path.name.startswith("hang"):
        time.sleep(60)
    return Picture(np.array([[os.getpid() % 251]], np.uint8))


def write(path: Path) -> Path:
    Image.fromarray(GREY).save(path)
    return path


@pytest.mark.parametrize("kind", ["tif", "jp2", "webp", "bmp"])
def test_formats_with_fragile_decoders_are_read_in_another_process(kind: str, tmp_path: Path) -> None:
    path = write(tmp_path / f"film.{kind}")
    with Isolation(1, Reading()) as files:
        picture = files.read(path)
    assert picture.pixels.shape == GREY.shape
    if kind in ("tif", "bmp"):  # the others are written with loss
        np.testing.assert_array_equal(picture.pixels, GREY)


def test_png_and_jpeg_need_no_process(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Isolation, "_started", lambda _: pytest.fail("a process was started"))
    with Isolation(1, Reading()) as files:
        np.testing.assert_array_equal(files.read(write(tmp_path / "film.png")).pixels, GREY)
        assert files.read(write(tmp_path / "film.jpg")).pixels.shape == GREY.shape


def test_what_is_wrong_with_a_file_comes_back_as_it_was_said(tmp_path: Path) -> None:
    broken = tmp_path / "broken.tif"
    broken.write_bytes(b"II*\x00\x08\x00")
    with Isolation(1, Reading()) as files, pytest.raises(DecodeError, match=r"broken\.tif: a TIFF that"):
        files.read(broken)
    with Isolation(1, Reading()) as files, pytest.raises(DecodeError, match=r"cannot be read \(No such file"):
        files.read(tmp_path / "missing.tif")


def test_a_decoder_that_crashes_or_hangs_costs_its_file_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(isolation, "read_picture", misbehave)
    names = ["crash.tif", "hang.tif", *(f"{index}.tif" for index in range(6))]
    said: dict[str, str] = {}

    def read(files: Isolation, path: Path) -> None:
        try:
            said[path.name] = str(files.read(path).pixels.shape)
        except DecodeError as error:
            said[path.name] = str(error)

    with Isolation(2, Reading(seconds=3)) as files:
        threads = [threading.Thread(target=read, args=(files, write(tmp_path / name))) for name in names]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert said.pop("crash.tif").endswith("its decoder crashed on it; is it damaged?")
    assert said.pop("hang.tif").endswith("not decoded within 3 seconds; is it damaged?")
    assert set(said.values()) == {"(1, 1)"}
    assert len(said) == 6
