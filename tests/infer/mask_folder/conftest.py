"""Masks to draw, and DICOM images and Segmentations of them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt
import pytest

Mask = npt.NDArray[np.uint8]
Rectangle = tuple[int, int, int, int]
DrawMask = Callable[..., Path]


@pytest.fixture(scope="session")
def draw_mask() -> DrawMask:
    """Return a function that writes a mask: rectangles (row, column, height, width) of one value."""

    def draw(path: Path, *rectangles: Rectangle, size: tuple[int, int] = (32, 40), value: int = 255) -> Path:
        mask = np.zeros(size, np.uint8)
        for row, column, height, width in rectangles:
            mask[row : row + height, column : column + width] = value
        path.parent.mkdir(parents=True, exist_ok=True)
        assert cv2.imwrite(str(path), mask)
        return path

    return draw
