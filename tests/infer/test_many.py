"""Two thousand files, of which forty are broken in twelve ways."""

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


def multi_page_tiff() -> bytes:
    buffer = io.BytesIO()
    Image.new("L", (8, 8)).save(buffer, "TIFF", save_all=True, append_images=[Image.new("L", (8, 8))])
    return buffer.getvalue()


def broken_files(intact: bytes) -> dict[str, tuple[bytes | None, str]]:
    """Return, by kind of damage, the file's bytes (None: a dangling link) and the reported cause."""
    flipped = bytearray(intact)
    flipped[len(intact) // 2] ^= 255
    huge = bytearray(intact)
    huge[16:24] = (60_000).to_bytes(4, "big") * 2
    jpeg = cv2.imencode(".jpg", np.zeros((64, 64), np.uint8))[1].tobytes()
    return {
        "empty": (b"", "the file is empty"),
        "cut": (intact[:-30], "cut off before its end"),
        "flipped": (bytes(flipped), "damaged"),
        "huge": (bytes(huge), "60000 x 60000 pixels, more than the limit"),
        "zeros": (bytes(500), "zero bytes"),
        "web page": (b"<!DOCTYPE html><html>404</html>", "a web page"),
        "text": (b"not found\n", "text, not an image"),
        "gif": (gif(), "a GIF, which is not supported"),
        "cut jpeg": (jpeg[:-10], "cut off before its end"),
        "pages": (multi_page_tiff(), "a TIFF with 2 pages"),
        "archive": (b"PK\x03\x04" + bytes(40), "a ZIP archive"),
        "link": (None, "cannot be read (No such file or directory)"),
    }


@pytest.mark.skipif(not hasattr(os, "symlink"), reason="needs symbolic links")
def test_each_broken_file_is_one_row_with_stage_and_cause(model: Path, tmp_path: Path, draw: Draw) -> None:
    folder, out = tmp_path / "in", tmp_path / "out"
    intact = draw(folder / "000000.png", [(8, 8, 4, 5, 250)]).read_bytes()
    broken = list(broken_files(intact).values())
    expected = {}
    for number in range(FILES):
        path = folder / f"{number:06}.png"
        if number % (FILES // BROKEN) != 7:
            path.write_bytes(intact)
            continue
        data, cause = broken[len(expected) % len(broken)]
        expected[path.name] = cause
        path.symlink_to(tmp_path / "nowhere") if data is None else path.write_bytes(data)
    ran = CliRunner().invoke(main, ["infer", str(folder), "--model", str(model), "--out", str(out)])
    assert ran.exit_code == 3, ran.output
    assert "1960 images measured, 40 failed" in ran.output
    with (out / "features.csv").open() as table:
        assert sum(1 for _ in csv.DictReader(table)) == FILES - BROKEN
    with (out / "failures.csv").open(newline="") as table:
        failures = list(csv.DictReader(table))
    assert [row["path"] for row in failures] == sorted(expected)
    for row in failures:
        assert row["stage"] == "decode"
        assert expected[row["path"]] in row["error"]
    causes = ran.output[ran.output.index("40 failed") :].splitlines()[1:4]
    assert all(" x decode: " in line for line in causes)
