"""The frontal check is fitted on frontal radiographs and on what is made of them, scored out of fold."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from cxr.data.datasets.records import Record
from cxr.errors import InputError
from cxr.models.card import Normalization, PixelSpec
from cxr.models.network.build import STRIDE4_UNET, build_network
from cxr.models.network.segmenter import Segmenter
from cxr.models.preprocess import prepare
from cxr.train.frontal.fit import FEWEST_PATIENTS, FRONTAL, Pooled, choose_cutoff, fit_frontal
from cxr.train.frontal.not_frontal import DRAWN, FROM_FRONTAL, change_frontal, part_of
from cxr.train.frontal.other_images import read_images

SPEC = PixelSpec(64, 64)


def draw_chest(seed: int) -> np.ndarray:
    """Draw two dark lungs, a bright spine, and an abdomen brighter than the neck."""
    rng = np.random.default_rng(seed)
    gray = np.full((96, 96), 90.0)
    gray[:14] = 30
    gray[74:] = 190
    gray[:, 44:52] = 210
    for column in (27, 69):
        center = (int(column + rng.integers(-2, 3)), int(44 + rng.integers(-2, 3)))
        cv2.ellipse(gray, center, (12, int(28 + rng.integers(-2, 3))), 0, 0, 360, 45, -1)
    return np.clip(gray + rng.normal(0, 5, gray.shape), 0, 255).astype(np.uint8)


@pytest.fixture(scope="module")
def segmenter() -> Segmenter:
    torch.manual_seed(0)
    network = build_network(STRIDE4_UNET, "resnet18", 1, decoder_channels=(16, 8, 8))
    return Segmenter(network, Normalization(0.449, 0.226))


@pytest.fixture(scope="module")
def records(tmp_path_factory: pytest.TempPathFactory) -> list[Record]:
    folder = tmp_path_factory.mktemp("chests")
    found = []
    for number in range(40):
        path = folder / f"{number}.png"
        cv2.imwrite(str(path), draw_chest(number))
        found.append(Record(path.name, path, f"P{number}", {"lung": None}))
    return found


def test_even_an_untrained_encoder_tells_drawn_chests_from_what_is_made_of_them(
    segmenter: Segmenter, records: list[Record]
) -> None:
    photographs = [np.random.default_rng(seed).integers(0, 256, (80, 80), np.uint8) for seed in range(4)]
    fitted = fit_frontal(segmenter, records, {"noise": photographs}, SPEC, drawn=20)
    assert fitted is not None
    head, reference = fitted
    assert (reference.images, reference.false_alarms <= 1 / 40) == (40, True)
    assert set(reference.caught) == {"noise", *FROM_FRONTAL, *DRAWN}
    for kind in ("rotated by 90", "rotated by 180", "inverted", "half", "drawn texture", "drawn shapes"):
        assert reference.caught[kind] > 0.8, kind

    def scores(images: list[np.ndarray]) -> np.ndarray:
        batch = np.stack([prepare(np.ascontiguousarray(one), SPEC)[0] for one in images])[:, None]
        with torch.no_grad():
            return head(segmenter.features(torch.from_numpy(batch))).numpy()

    unseen = [draw_chest(seed) for seed in range(1000, 1020)]
    assert (scores(unseen) >= reference.cutoff).mean() >= 0.9
    assert (scores([np.rot90(one) for one in unseen]) < reference.cutoff).mean() >= 0.9
    assert (scores([255 - one for one in unseen]) < reference.cutoff).mean() >= 0.9


def test_images_of_few_patients_give_no_head(segmenter: Segmenter, records: list[Record]) -> None:
    same = [replace(record, patient_id=f"P{number % 9}") for number, record in enumerate(records)]
    assert len({record.patient_id for record in same}) < FEWEST_PATIENTS
    assert fit_frontal(segmenter, same, {}, SPEC) is None


def test_cutoff_counts_unchanged_images_only() -> None:
    kinds = [FRONTAL] * 200 + [FRONTAL] * 100 + ["leg"] * 10
    scored = np.array([True] * 200 + [False] * 100 + [True] * 10)
    pooled = Pooled(torch.zeros(310, 1), kinds, [str(number) for number in range(310)], scored)
    scores = np.concatenate([np.linspace(0.3, 1, 200), np.zeros(100), np.linspace(0, 0.6, 10)])
    reference = choose_cutoff(pooled, scores)
    assert reference.images == 200
    assert reference.false_alarms == 0.005
    assert 0.3 < reference.cutoff < 0.31
    assert reference.caught == {"leg": 0.5}
    assert choose_cutoff(pooled, scores + 0.5).cutoff == 0.5


@given(st.integers(32, 90), st.integers(32, 90), st.integers(0, 2**32 - 1))
def test_everything_made_is_an_image(height: int, width: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    pixels = rng.integers(0, 256, (height, width), dtype=np.uint8)
    before = pixels.copy()
    made = [make(pixels, rng) for make in FROM_FRONTAL.values()]
    made += [change_frontal(pixels, rng), part_of(pixels, rng)]
    for image in made:
        assert image.dtype == np.uint8
        assert image.ndim == 2
        assert min(image.shape) > 0
    np.testing.assert_array_equal(pixels, before)


@pytest.mark.parametrize("kind", DRAWN)
def test_drawings_differ_and_repeat_with_their_seed(kind: str) -> None:
    draw = DRAWN[kind]
    one, same, other = (draw(np.random.default_rng(seed)) for seed in (0, 0, 1))
    np.testing.assert_array_equal(one, same)
    assert (one != other).mean() > 0.05


def test_folders_are_searched_for_images_and_other_files_passed_over(tmp_path: Path) -> None:
    (tmp_path / "sub").mkdir()
    cv2.imwrite(str(tmp_path / "sub" / "a.png"), draw_chest(0))
    cv2.imwrite(str(tmp_path / "icon.png"), draw_chest(0)[:16, :16])
    (tmp_path / "notes.txt").write_text("no image")
    (image,) = read_images([tmp_path])
    np.testing.assert_array_equal(image, draw_chest(0))
    with pytest.raises(InputError, match="no image can be read there"):
        read_images([tmp_path / "notes.txt"])
    with pytest.raises(InputError, match="no such file or folder"):
        read_images([tmp_path / "missing"])
