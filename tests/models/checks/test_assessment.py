"""What is said of an image, from all that is known of it."""

from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np
import pytest

from cxr.models.card import ModelCard, Normalization, PixelSpec
from cxr.models.checks.assessment import Assessor
from cxr.models.checks.plausibility import Plausible, find_lungs, fit_reference
from cxr.models.image_checks import FrontalReference
from cxr.models.preprocess import compute_placement

SIZE = 64
SPEC = PixelSpec(SIZE, SIZE)


def draw_chest(seed: int) -> np.ndarray:
    rng = np.random.default_rng(seed)
    gray = np.full((SIZE, SIZE), 40.0)
    gray[48:] = 80
    for column in (20, 44):
        center = (int(column + rng.integers(-1, 2)), int(27 + rng.integers(-1, 2)))
        cv2.ellipse(gray, center, (8, 19), 0, 0, 360, 140, -1)
    return np.clip(gray + rng.normal(0, 3, gray.shape), 0, 255).astype(np.uint8)


def probability_of(gray: np.ndarray) -> np.ndarray:
    return (1 / (1 + np.exp((90 - gray.astype(np.float32)) / 4))).astype(np.float32)


@pytest.fixture(scope="module")
def card() -> ModelCard:
    found = [find_lungs(draw_chest(seed), probability_of(draw_chest(seed)), 0.5) for seed in range(60)]
    return ModelCard(
        name="lungs",
        classes=("lung",),
        architecture="unet",
        encoder="resnet18",
        pixels=SPEC,
        normalization=Normalization(0.449, 0.226),
        thresholds=(0.5,),
        license="CC0",
        lungs=fit_reference([one for one in found if one is not None]),
    )


@pytest.fixture(scope="module")
def tightly_cropped() -> np.ndarray:
    """A chest whose lungs reach both sides of the image."""
    return np.asarray(cv2.resize(draw_chest(500)[:, 16:49], (SIZE, SIZE)))


def assess(card: ModelCard, gray: np.ndarray, frontal: float | None = None) -> tuple[Plausible, str]:
    maps = probability_of(gray)[None]
    result = Assessor(card).assess(gray, compute_placement(SIZE, SIZE, SPEC), maps, None, frontal=frontal)
    return result.plausible, result.why


def test_lungs_at_the_edge_are_doubtful_where_nothing_else_is_known(
    card: ModelCard, tightly_cropped: np.ndarray
) -> None:
    assert assess(card, draw_chest(500)) == (Plausible.YES, "")
    assert assess(card, tightly_cropped) == (
        Plausible.DOUBTFUL,
        "the lungs found reach the edge of the image",
    )


def test_score_of_the_whole_image_tells_a_tight_crop_from_a_part(
    card: ModelCard, tightly_cropped: np.ndarray
) -> None:
    reference = FrontalReference(cutoff=0.4, images=100, false_alarms=0.0)
    with_frontal = replace(card, frontal=reference)
    assert assess(with_frontal, tightly_cropped, frontal=0.9) == (Plausible.YES, "")
    plausible, why = assess(with_frontal, tightly_cropped, frontal=0.1)
    assert plausible is Plausible.NO
    assert why.startswith("not a frontal chest radiograph (score 0.10)")
