from __future__ import annotations

import numpy as np
import pytest

from cxr.train.images.dataset import IGNORE
from cxr.train.semi_supervision.pseudo_labels import GAMMAS, consensus, pseudo_labels, view_probabilities


def bright(batch: np.ndarray) -> np.ndarray:
    """A model that finds what is bright, at any gamma."""
    return (batch > 128).astype(np.float32)


def left_half(batch: np.ndarray) -> np.ndarray:
    """A model that looks at the place and not at the image."""
    found = np.zeros(batch.shape, np.float32)
    found[..., : batch.shape[-1] // 2] = 1
    return found


@pytest.fixture
def squares() -> np.ndarray:
    """Three images with a white square off the center."""
    images = np.zeros((3, 32, 32), np.uint8)
    images[:, 4:14, 2:12] = 255
    return images


def test_mask_on_which_all_views_agree_is_kept(squares: np.ndarray) -> None:
    labels = pseudo_labels(bright, squares)
    np.testing.assert_array_equal(labels.masks[:, 0], squares > 0)
    assert (labels.agreement == 1).all()


def test_mask_on_which_the_views_disagree_stays_unknown(squares: np.ndarray) -> None:
    labels = pseudo_labels(left_half, squares)
    assert (labels.masks == IGNORE).all()
    assert (labels.agreement < 0.94).all()


def test_each_class_is_kept_or_left_unknown_by_itself(squares: np.ndarray) -> None:
    labels = pseudo_labels(
        lambda batch: np.concatenate([bright(batch), left_half(batch)], axis=1), squares, batch_size=2
    )
    assert (labels.masks[:, 0] != IGNORE).all()
    assert (labels.masks[:, 1] == IGNORE).all()


@pytest.mark.parametrize(("limit", "kept"), [(0.79, True), (0.81, False)])
def test_agreement_is_the_mean_dice_of_the_views_with_their_consensus(limit: float, kept: bool) -> None:
    # Two of six views find 2 of 4 columns, Dice 2/3; the others find all; four of six: the mean is 8/9.
    def shrinks_in_dark_images(batch: np.ndarray) -> np.ndarray:
        found = np.ones(batch.shape, np.float32)
        if batch[0, 0, 0, 0] < 120:
            found[..., ::2, :] = 0
        return found

    images = np.full((1, 4, 4), 128, np.uint8)
    views = view_probabilities(shrinks_in_dark_images, images)
    assert [view.mean() for view in views] == [1, 1, 1, 1, 0.5, 0.5]
    assert consensus(views)[1][0, 0] == pytest.approx(8 / 9)
    labels = pseudo_labels(shrinks_in_dark_images, images, agreement=limit + 8 / 9 - 0.8)
    assert bool((labels.masks == 1).all()) is kept


def test_views_are_the_image_and_its_mirror_at_three_gammas(squares: np.ndarray) -> None:
    seen: list[np.ndarray] = []

    def record(batch: np.ndarray) -> np.ndarray:
        seen.append(batch)
        return bright(batch)

    gray = squares // 2
    views = view_probabilities(record, gray)
    assert len(views) == len(seen) == 2 * len(GAMMAS)
    for view, mirrored in zip(seen[::2], seen[1::2], strict=True):
        np.testing.assert_array_equal(view[..., ::-1], mirrored)
    np.testing.assert_array_equal(seen[2][:, 0], gray)
    assert seen[0].max() > seen[2].max() > seen[4].max()


def test_image_on_which_no_view_shows_the_class_is_a_known_negative() -> None:
    labels = pseudo_labels(bright, np.zeros((2, 8, 8), np.uint8))
    assert (labels.masks == 0).all()
    assert (labels.agreement == 1).all()
