"""Images are assessed by the lungs found on them: drawn chests, rotated, inverted, cropped, and others."""

from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np
import numpy.typing as npt
import pytest

from cxr.errors import ModelError
from cxr.models.card import LungReference, ModelCard, Normalization, PixelSpec
from cxr.models.checks.assessment import Assessor
from cxr.models.checks.pixels import odd_pixels
from cxr.models.checks.plausibility import (
    AT_EDGE,
    FEWEST_IMAGES,
    STATISTICS,
    LungCheck,
    Plausible,
    find_lungs,
    fit_reference,
)
from cxr.models.image_checks import FrontalReference
from cxr.models.preprocess import compute_placement

SIZE = 256
Pair = tuple[npt.NDArray[np.uint8], npt.NDArray[np.float32]]


def draw_chest(seed: int) -> Pair:
    """Draw two lungs that vary, with heart, spine and abdomen, and the map of a model that finds them."""
    rng = np.random.default_rng(seed)
    shift, grow = rng.normal(0, 4, 2), rng.normal(1, 0.05, 4)
    gray = np.full((SIZE, SIZE), 60.0)
    gray[:40] = 25
    gray[200:] = 170
    gray[:, 118:138] = 190
    lungs = np.zeros((SIZE, SIZE), np.uint8)
    for center, scale in ((85, grow[0]), (172, grow[1])):
        axes = (int(34 * scale), int(75 * grow[2]))
        cv2.ellipse(lungs, (int(center + shift[0]), int(120 + shift[1])), axes, 0, 0, 360, 1, -1)
    cv2.ellipse(lungs, (140, int(175 + shift[1])), (int(34 * grow[3]), 36), 0, 0, 360, 0, -1)
    gray[lungs > 0] = 45
    gray += rng.normal(0, 6, gray.shape)
    probability = np.where(lungs, 0.97, 0.02) + rng.normal(0, 0.005, gray.shape)
    smooth = cv2.GaussianBlur(np.clip(probability, 0, 1).astype(np.float32), (5, 5), 0)
    return np.clip(gray, 0, 255).astype(np.uint8), smooth


@pytest.fixture(scope="module")
def reference() -> LungReference:
    found = [find_lungs(*draw_chest(seed), 0.5) for seed in range(120)]
    fitted = fit_reference([one for one in found if one is not None])
    assert fitted is not None
    return fitted


@pytest.fixture(scope="module")
def check(reference: LungReference) -> LungCheck:
    return LungCheck(reference, 0.5)


def test_other_chests_of_the_same_kind_are_plausible(check: LungCheck) -> None:
    assessed = [check.assess(*draw_chest(seed))[0] for seed in range(1000, 1100)]
    assert sum(one is not Plausible.YES for one in assessed) <= 5


@pytest.mark.parametrize("turns", [1, 2, 3])
def test_turned_chest_is_doubtful(check: LungCheck, turns: int) -> None:
    gray, probability = (np.rot90(array, turns) for array in draw_chest(7))
    plausible, why = check.assess(gray, probability)
    assert plausible is Plausible.DOUBTFUL
    assert why


def test_inverted_chest_is_doubtful_and_says_so(check: LungCheck) -> None:
    gray, probability = draw_chest(7)
    plausible, why = check.assess(255 - gray, probability)
    assert plausible is Plausible.DOUBTFUL
    assert "inverted" in why


@pytest.mark.parametrize("part", [np.s_[:, :128], np.s_[:, 128:], np.s_[:128], np.s_[60:188, 60:188]])
def test_part_of_a_chest_is_doubtful(check: LungCheck, part: tuple[slice, ...]) -> None:
    gray, probability = draw_chest(7)
    assert check.assess(gray[part], probability[part])[0] is Plausible.DOUBTFUL


def test_image_without_lungs_is_not_plausible(check: LungCheck) -> None:
    gray = draw_chest(7)[0]
    assert check.assess(gray, np.zeros(gray.shape, np.float32)) == (Plausible.NO, "no lungs found")


def test_uncertain_model_is_doubtful(check: LungCheck) -> None:
    gray, probability = draw_chest(7)
    assert check.assess(gray, np.minimum(probability, 0.6))[0] is Plausible.DOUBTFUL


def test_pieces_all_over_the_image_are_no_lungs(check: LungCheck) -> None:
    probability = np.zeros((SIZE, SIZE), np.float32)
    probability[::32, :] = probability[1::32, :] = probability[2::32, :] = 0.99
    plausible, why = check.assess(draw_chest(7)[0], probability)
    assert plausible is Plausible.DOUBTFUL
    assert why == "8 lungs found"


def test_score_of_the_whole_image_tells_a_tight_crop_from_a_part(reference: LungReference) -> None:
    """Lungs reach both sides of a tightly cropped radiograph: odd without a score or with a low one."""
    card = ModelCard(
        name="lungs",
        classes=("lung",),
        architecture="unet",
        encoder="resnet18",
        pixels=PixelSpec(SIZE, SIZE),
        normalization=Normalization(0.449, 0.226),
        thresholds=(0.5,),
        license="CC0",
        lungs=reference,
    )
    gray, probability = (cv2.resize(array[:, 60:196], (SIZE, SIZE)) for array in draw_chest(7))

    def assess(card: ModelCard, frontal: float | None) -> tuple[Plausible, str]:
        placement = compute_placement(SIZE, SIZE, card.pixels)
        result = Assessor(card).assess(
            np.asarray(gray), placement, np.asarray(probability)[None], None, frontal=frontal
        )
        return result.plausible, result.why

    assert assess(card, None) == (Plausible.DOUBTFUL, AT_EDGE)
    with_score = replace(card, frontal=FrontalReference(cutoff=0.4, images=100, false_alarms=0.0))
    assert assess(with_score, 0.9) == (Plausible.YES, "")
    assert assess(with_score, 0.1) == (
        Plausible.NO,
        f"not a frontal chest radiograph (score 0.10); {AT_EDGE}",
    )


def test_at_most_one_image_in_a_hundred_of_those_fitted_is_doubtful(check: LungCheck) -> None:
    assessed = [check.assess(*draw_chest(seed))[0] for seed in range(120)]
    assert sum(one is not Plausible.YES for one in assessed) <= 1


def test_too_few_images_give_no_reference() -> None:
    found = [find_lungs(*draw_chest(seed), 0.5) for seed in range(FEWEST_IMAGES - 1)]
    assert fit_reference([one for one in found if one is not None]) is None


def test_reference_of_other_statistics_is_rejected(reference: LungReference) -> None:
    other = replace(reference, statistics=("area", *STATISTICS[1:]))
    with pytest.raises(ModelError, match="another version"):
        LungCheck(other, 0.5)


@pytest.mark.parametrize(
    ("pixels", "reason"),
    [
        (np.full((64, 64), 9, np.uint8), "one gray value"),
        (np.tile(np.array([0, 255], np.uint8), (64, 32)), "a mask or a drawing: 2 gray values"),
        (draw_chest(3)[0], ""),
    ],
)
def test_gray_values_alone_show_a_mask(pixels: npt.NDArray[np.uint8], reason: str) -> None:
    assert odd_pixels(pixels) == reason


def test_mask_with_soft_edges_is_recognized() -> None:
    mask = cv2.GaussianBlur((draw_chest(3)[1] > 0.5).astype(np.uint8) * 255, (3, 3), 0)
    assert odd_pixels(mask).startswith("a mask or a drawing")
