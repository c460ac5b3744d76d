"""Folders of images whose masks are in annotation files."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

MakeFolder = Callable[..., Path]

NIH_HEADER = (
    "Image Index,Finding Labels,Follow-up #,Patient ID,Patient Age,Patient Gender,View Position,"
    "OriginalImage[Width,Height],OriginalImagePixelSpacing[x,y]"
)


@pytest.fixture
def make_folder(tmp_path: Path, save_png: Callable[[Path, npt.NDArray[Any]], Path]) -> MakeFolder:
    """Return a function that makes a data set: images of 8 x 6 pixels, each of a patient of its own."""

    def make(names: Sequence[str] = ("images/a.png", "images/b.png", "images/c.png")) -> Path:
        rows = [f"{name},p{number}" for number, name in enumerate(names)]
        (tmp_path / "index.csv").write_text("\n".join(["image,patient_id", *rows]) + "\n")
        for number, name in enumerate(names):
            save_png(tmp_path / name, np.arange(48, dtype=np.uint8).reshape(6, 8) + number)
        return tmp_path

    return make


@pytest.fixture
def make_nih(tmp_path: Path, save_png: Callable[[Path, npt.NDArray[Any]], Path]) -> MakeFolder:
    """Return a function that makes a folder in the NIH layout, with a clinical table and without boxes."""

    def make(names: Sequence[str]) -> Path:
        rows = [f"{name},Mass,0,{int(name[:8])},50,M,PA,2500,2048,0.1,0.1" for name in names]
        (tmp_path / "Data_Entry_2017_v2020.csv").write_text("\n".join([NIH_HEADER, *rows]) + "\n")
        for name in names:
            save_png(tmp_path / "images" / name, np.arange(1024, dtype=np.uint8).reshape(32, 32))
        return tmp_path

    return make
