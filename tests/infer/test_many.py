"""Two thousand files, forty of them broken in twelve ways."""

from __future__ import annotations

import csv
import io
import os
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image

from cxr.cli import main

Draw = Callable[..., Path]

FILES, BROKEN = 2000, 40


def gif() -> bytes:
    buffer = io.BytesIO()
    Image.new("L", (8, 8)).save(buffer, "GIF")
    return buffer.getvalue()


def pages() -> bytes:
    buffer = io.BytesIO()
    Image.new("L", (8, 8)).save(buffer, "TIFF", save_all=True, append_images=[Image.new("L", (8, 8))])
    return buffer.getvalue()


def ways(sound: bytes) -> dict[str, tuple[bytes | None, str]]:
    """Give, for each way to be broken, the bytes (None: a link to nothing) and what is said of it."""
    flipped = bytearray(sound)
    flipped[len(sound) // 2] ^= 255
    huge = bytearray(sound)
    huge[16:24] = (60_000).to_bytes(4, "big") * 2
    jpeg = cv2.imencode(".jpg", np.zeros((64, 64), np.uint8))[1].tobytes()
    return {
        "empty": (b"", "the file is empty"),
        "cut": (sound[:-30], "cut off before its end"),
        "flipped": (bytes(flipped), "damaged"),
        "huge": (bytes(huge), "60000 x 60000 pixels, more than the limit"),
        "zeros": (bytes(500), "zero bytes"),
        "web page": (b"<!DOCTYPE html><html>404</html>", "a web page"),
        "text": (b"not found\n", "text, not an image"),
        "gif": (gif(), "a GIF, which is not read"),
        "cut jpeg": (jpeg[:-10], "cut off before its end"),
        "pages": (pages(), "a TIFF with 2 pages"),
        "archive": (b"PK\x03\x04" + bytes(40), "a ZIP archive"),
        "link": (None, "cannot be read (No such file or directory)"),
    }


@pytest.mark.skipif(not hasattr(os, "symlink"), reason="this system has no links")
def test_forty_broken_files_are_forty_rows_with_stage_and_cause(
    model: Path, tmp_path: Path, draw: Draw
) -> None:
    folder, out = tmp_path / "in", tmp_path / "out"
    sound = draw(folder / "000000.png", [(8, 8, 4, 5, 250)]).read_bytes()
    broken = list(ways(sound).values())
    said = {}
    for number in range(FILES):
        path = folder / f"{number:06}.png"
        if number % (FILES // BROKEN) != 7:
            path.write_bytes(sound)
            continue
        data, cause = broken[len(said) % len(broken)]
        said[path.name] = cause
        path.symlink_to(tmp_path / "nowhere") if data is None else path.write_bytes(data)
    ran = CliRunner().invoke(main, ["infer", str(folder), "--model", str(model), "--out", str(out)])
    assert ran.exit_code == 3, ran.output
    assert "1960 images measured, 40 failed" in ran.output
    with (out / "features.csv").open() as table:
        assert sum(1 for _ in csv.DictReader(table)) == FILES - BROKEN
    with (out / "failures.csv").open(newline="") as table:
        failures = list(csv.DictReader(table))
    assert [row["path"] for row in failures] == sorted(said)
    for row in failures:
        assert row["stage"] == "decode"
        assert said[row["path"]] in row["error"]
    causes = ran.output[ran.output.index("40 failed") :].splitlines()[1:4]
    assert all(" x decode: " in line for line in causes)
