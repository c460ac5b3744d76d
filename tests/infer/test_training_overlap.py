"""Which of the images the model was trained on, by the fingerprint in its card."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import pytest

import cxr
from cxr.models.fingerprint import Fingerprint, hash_pixels

Draw = Callable[..., Path]
ReadTable = Callable[[Path], list[dict[str, str]]]


@pytest.fixture
def images(tmp_path: Path, draw: Draw) -> Path:
    for number in range(4):
        draw(tmp_path / "images" / f"{number}.png", [(number, 8, 4, 5, 250)])
    return tmp_path / "images"


@pytest.fixture
def trained_model(images: Path, make_model: Callable[..., Path], card_of: Callable[..., Any]) -> Path:
    """Return a model that was trained on the images 0 and 2."""
    hashes = [hash_pixels(cxr.read_image(images / name).pixels) for name in ("0.png", "2.png")]
    return make_model(card=card_of(fingerprint=Fingerprint.of(hashes)))


def test_row_states_whether_the_model_was_trained_on_the_image(
    images: Path, trained_model: Path, read_table: ReadTable
) -> None:
    cxr.infer_folder(images, model=trained_model, out=images / "out")
    rows = read_table(images / "out" / "features.csv")
    assert list(rows[0])[-1] == "in_training"
    assert [row["in_training"] for row in rows] == ["1", "0", "1", "0"]


def test_copy_with_the_same_pixels_is_the_same_image(images: Path, trained_model: Path) -> None:
    pixels = cxr.read_image(images / "0.png").pixels
    for name in ("copy.tif", "copy.bmp"):
        assert cv2.imwrite(str(images / name), pixels)
        assert cxr.load(trained_model)(images / name).features["in_training"] == 1


def test_loaded_model_states_it_for_files_and_arrays(images: Path, trained_model: Path) -> None:
    model = cxr.load(trained_model)
    found = [result.features["in_training"] for result in model.stream(sorted(images.glob("*.png")))]
    assert found == [1, 0, 1, 0]
    assert model(cxr.read_image(images / "1.png").pixels).features["in_training"] == 0


def test_model_without_a_fingerprint_has_no_such_column(images: Path, model: Path) -> None:
    assert "in_training" not in cxr.load(model)(images / "0.png").features
