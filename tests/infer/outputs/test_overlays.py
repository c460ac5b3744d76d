"""Overlays: images with the outlines of their masks."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np

from cxr.infer.outputs.overlays import write_overlay


def test_overlay_is_the_image_with_outlines_and_a_legend(tmp_path: Path) -> None:
    pixels = np.full((200, 300), 90, np.uint8)
    mask = np.zeros_like(pixels)
    mask[100:150, 100:200] = 1
    write_overlay(tmp_path / "o.png", pixels, {"lesion": mask, "lung": np.zeros_like(mask)})
    overlay = cv2.imread(str(tmp_path / "o.png"))
    assert overlay is not None
    colored = (overlay != 90).any(axis=2)
    assert colored[100, 100:200].all()
    assert not colored[105:145, 105:195].any()
    assert colored[:60, :100].any()  # the legend
    assert not colored[160:, :].any()
