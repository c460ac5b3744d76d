"""What the tests of this room share: writing a picture."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy.typing as npt
import pytest
from PIL import Image

SavePng = Callable[[Path, npt.NDArray[Any]], Path]


@pytest.fixture
def save_png() -> SavePng:
    def save(path: Path, pixels: npt.NDArray[Any]) -> Path:
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(pixels).save(path)
        return path

    return save
