"""The shipped lungs model tells real frontal radiographs from other images."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

import cxr
from cxr.infer.model import Model
from cxr.models.file.onnx_file import read_card
from cxr.models.shipped import shipped_models

pytestmark = pytest.mark.real

EVERY = 6
"""Of the 541 radiographs, every sixth is turned, inverted or halved."""


@pytest.fixture(scope="module")
def model() -> Model:
    """The shipped model that has a frontal check."""
    for shipped in shipped_models():
        path = shipped.int8_file or shipped.float_file
        if read_card(path).frontal is not None:
            return cxr.load(path, provider="cpu")
    pytest.skip("no model with a frontal check is shipped")


@pytest.fixture(scope="module")
def frontals(cxr_dev: Path) -> list[np.ndarray]:
    paths = sorted((cxr_dev / "images").glob("*.png"))[::EVERY]
    return [cv2.imread(str(path), cv2.IMREAD_GRAYSCALE) for path in paths]


def share_flagged(model: Model, images: list[np.ndarray]) -> float:
    return float(np.mean([model(image).features["plausible"] != "yes" for image in images]))


def not_frontal(model: Model, images: list[np.ndarray]) -> int:
    return sum("not a frontal" in str(model(image).features["plausible_why"]) for image in images)


def test_hardly_any_frontal_radiograph_is_called_none(model: Model, cxr_dev: Path) -> None:
    paths = sorted((cxr_dev / "images").glob("*.png"))
    flagged = sum("not a frontal" in str(model(path).features["plausible_why"]) for path in paths)
    assert flagged <= 0.01 * len(paths)


@pytest.mark.parametrize(("turns", "least"), [(1, 0.9), (2, 0.9), (3, 0.9)])
def test_turned_radiographs_are_flagged(
    model: Model, frontals: list[np.ndarray], turns: int, least: float
) -> None:
    turned = [np.ascontiguousarray(np.rot90(image, turns)) for image in frontals[::3]]
    assert share_flagged(model, turned) >= least


def test_inverted_and_halved_radiographs_are_flagged(model: Model, frontals: list[np.ndarray]) -> None:
    assert share_flagged(model, [255 - image for image in frontals[::3]]) >= 0.8
    halves = [np.ascontiguousarray(image[:, : image.shape[1] // 2]) for image in frontals[::3]]
    assert share_flagged(model, halves) >= 0.5


def test_laterals_sections_and_legs_are_flagged(model: Model, cxr_dev: Path) -> None:
    negatives = sorted((cxr_dev.parent / "cxr_more" / "negatives").glob("*.png"))
    if not negatives:
        pytest.skip("the images of cxr_more are not there")
    images = [cv2.imread(str(path), cv2.IMREAD_GRAYSCALE) for path in negatives]
    assert not_frontal(model, images) >= 0.8 * len(images)
    legs = sorted((cxr_dev / "odd").glob("wg04*.dcm"))
    assert all(model(path).features["plausible"] in ("doubtful", "no") for path in legs)
