"""Masks of a run in every format."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest
from click.testing import CliRunner
from pycocotools import mask as coco

from cxr.cli import main
from cxr.infer.run import infer_folder

# pycocotools 2.0.11 passes arrays to NumPy 2 in a deprecated way.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")

Fill = Callable[[Path, int], Path]
ReadTable = Callable[[Path], list[dict[str, str]]]


def test_masks_as_rle_equal_masks_as_png(
    model: Path, tmp_path: Path, draw_many: Fill, read_table: ReadTable
) -> None:
    folder = draw_many(tmp_path / "in", 5)
    infer_folder(folder, model=model, out=tmp_path / "png", masks="png")
    summary = infer_folder(folder, model=model, out=tmp_path / "rle", masks="rle")
    assert "masks.csv" in summary.files
    rows = read_table(tmp_path / "rle" / "masks.csv")
    assert [(row["image"], row["class"]) for row in rows[:3]] == [
        ("00/00000000_000.png", "lesion"),
        ("00/00000000_000.png", "lung"),
        ("00/00000001_000.png", "lesion"),
    ]
    assert len(rows) == 10
    for row in rows:
        path = tmp_path / "png" / "masks" / row["class"] / row["image"]
        expected = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
        mask = coco.decode({"size": [int(row["height"]), int(row["width"])], "counts": row["rle"].encode()})
        np.testing.assert_array_equal(np.asarray(mask) > 0, expected > 0)
    assert not (tmp_path / "rle" / "masks").exists()


def test_resumed_run_gives_the_same_mask_table(model: Path, tmp_path: Path, draw_many: Fill) -> None:
    folder = draw_many(tmp_path / "in", 12)

    def interrupt(done: int, _total: int) -> None:
        if done == 7:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        infer_folder(folder, model=model, out=tmp_path / "out", masks="rle", progress=interrupt)
    infer_folder(folder, model=model, out=tmp_path / "out", masks="rle")
    infer_folder(folder, model=model, out=tmp_path / "whole", masks="rle")
    assert (tmp_path / "out" / "masks.csv").read_bytes() == (tmp_path / "whole" / "masks.csv").read_bytes()


@pytest.mark.parametrize(
    ("mask_format", "exit_code", "output"),
    [("png", 0, "masks/"), ("rle", 0, "masks.csv"), ("dicom-seg", 3, "masks/")],
)
def test_command_accepts_every_format_by_name(
    model: Path, tmp_path: Path, draw: Callable[..., Path], mask_format: str, exit_code: int, output: str
) -> None:
    """A PNG has no DICOM Segmentation, which is a failure of the image, exit code 3."""
    draw(tmp_path / "in" / "a.png")
    arguments = ["infer", tmp_path / "in", "--model", model, "--out", tmp_path / "out"]
    ran = CliRunner().invoke(main, [*map(str, arguments), "--masks-as", mask_format])
    assert ran.exit_code == exit_code, ran.output
    assert output in ran.output
