from __future__ import annotations

import logging
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from cxr.data.datasets.open import open_dataset
from cxr.errors import InputError, ModelError
from cxr.models.card import Normalization, PixelSpec
from cxr.models.network.segmenter import Segmenter
from cxr.train.images.dataset import IGNORE
from cxr.train.semi_supervision.in_memory import Examples, Schedule, fit, load_examples


def small_network() -> Segmenter:
    torch.manual_seed(0)
    layers = nn.Sequential(nn.Conv2d(1, 4, 3, padding=1), nn.BatchNorm2d(4), nn.ReLU(), nn.Conv2d(4, 2, 1))
    return Segmenter(layers, Normalization(0.449, 0.226))


@pytest.fixture(scope="module")
def squares() -> Examples:
    """Bright squares, the first class; the second class is unknown everywhere."""
    rng = np.random.default_rng(0)
    pixels = rng.integers(0, 60, (10, 32, 32), dtype=np.uint8)
    masks = np.full((10, 2, 32, 32), IGNORE, np.uint8)
    masks[:, 0] = 0
    for number, (row, column) in enumerate(rng.integers(0, 20, (10, 2))):
        pixels[number, row : row + 12, column : column + 12] += 150
        masks[number, 0, row : row + 12, column : column + 12] = 1
    return Examples(pixels, masks)


def unchanged(
    pixels: np.ndarray, masks: np.ndarray, _rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    return pixels, masks


def test_network_learns_the_masks(squares: Examples) -> None:
    fitted = fit(small_network(), squares, Schedule(epochs=60, batch_size=4, lr=0.02), change=unchanged)
    with torch.inference_mode():
        found = fitted(torch.from_numpy(squares.pixels[:, None]))[:, 0].numpy() > 0.5
    assert (found == squares.masks[:, 0]).mean() > 0.97


def test_same_seed_gives_the_same_weights(squares: Examples) -> None:
    schedule = Schedule(epochs=2, batch_size=4, seed=3)
    first, second = (fit(small_network(), squares, schedule).state_dict() for _ in range(2))
    other = fit(small_network(), squares, Schedule(epochs=2, batch_size=4, seed=4)).state_dict()
    for name, tensor in first.items():
        assert torch.equal(tensor, second[name])
    assert any(not torch.equal(first[name], other[name]) for name in first)


def test_every_image_is_shown_as_often_as_asked(squares: Examples) -> None:
    shown: list[int] = []

    def record(
        pixels: np.ndarray, masks: np.ndarray, _rng: np.random.Generator
    ) -> tuple[np.ndarray, np.ndarray]:
        shown.append(next(n for n in range(10) if (squares.pixels[n] == pixels).all()))
        return pixels, masks

    fit(
        small_network(),
        squares,
        Schedule(epochs=3, batch_size=7),
        repeats=[3, 1, 1, 1, 1, 1, 1, 1, 2, 2],
        change=record,
    )
    # 14 images in an epoch: two full batches of 7.
    assert np.bincount(shown).tolist() == [9, 3, 3, 3, 3, 3, 3, 3, 6, 6]


def test_last_batch_of_an_epoch_is_filled_up(squares: Examples) -> None:
    sizes: list[int] = []
    network = small_network()
    network.network.register_forward_pre_hook(lambda _module, inputs: sizes.append(len(inputs[0])))
    fit(network, squares, Schedule(epochs=2, batch_size=4), change=unchanged)
    assert sizes == [4] * 6


def test_loss_of_every_epoch_is_logged(squares: Examples, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, logger="cxr"):
        fit(small_network(), squares, Schedule(epochs=2, batch_size=4))
    assert [record.message.partition(":")[0] for record in caplog.records] == ["epoch 1", "epoch 2"]


def test_no_images_are_rejected(squares: Examples) -> None:
    with pytest.raises(InputError, match="no images"):
        fit(small_network(), Examples(squares.pixels[:0], squares.masks[:0]), Schedule(epochs=1))


def test_diverged_loss_is_reported(squares: Examples) -> None:
    network = small_network()
    nn.init.constant_(network.network[0].weight, float("nan"))
    with pytest.raises(ModelError, match="loss is nan in epoch 1"):
        fit(network, squares, Schedule(epochs=5, batch_size=4))


def test_examples_are_read_in_the_order_of_the_records(images: Path) -> None:
    records = open_dataset(images, classes=("lung", "lesion")).records
    spec = PixelSpec(32, 32)
    examples = load_examples(records, ("lung", "lesion"), spec)
    reversed_order = load_examples(records[::-1], ("lung", "lesion"), spec)
    assert examples.pixels.shape == (len(records), 32, 32)
    np.testing.assert_array_equal(examples.pixels, reversed_order.pixels[::-1])
    # The lung of every other image is unknown.
    assert ((examples.masks[:, 0] == IGNORE).all((1, 2)) == [True, False] * 8).all()
