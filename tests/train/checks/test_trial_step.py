from __future__ import annotations

import pytest
import torch

from cxr.errors import InputError
from cxr.models.card import Normalization
from cxr.models.network.build import build_network
from cxr.models.network.segmenter import Segmenter
from cxr.train.checks.trial_step import check_trainable


def segmenter(architecture: str) -> Segmenter:
    return Segmenter(build_network(architecture, "resnet18", 1), Normalization(0.449, 0.226))


def test_network_that_works_is_accepted_and_unchanged() -> None:
    network = segmenter("unet")
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    state = torch.get_rng_state()
    check_trainable(network, name="unet", size=32, batch_size=4)
    torch.testing.assert_close(network.state_dict(), before)
    assert torch.equal(torch.get_rng_state(), state)


def test_batch_of_one_that_is_too_small_names_the_batch_size() -> None:
    with pytest.raises(InputError, match=r"unet cannot be trained on one image of 32 x 32.*--batch-size 2"):
        check_trainable(segmenter("unet"), name="unet", size=32, batch_size=1)
    check_trainable(segmenter("unet"), name="unet", size=64, batch_size=1)


def test_pooling_to_one_pixel_needs_two_images() -> None:
    with pytest.raises(InputError, match="--batch-size 2"):
        check_trainable(segmenter("deeplabv3"), name="deeplabv3", size=128, batch_size=1)


def test_input_that_is_too_small_names_a_size_that_works() -> None:
    with pytest.raises(InputError, match=r"pan cannot be trained on 64 x 64 pixels .*; give --size 128"):
        check_trainable(segmenter("pan"), name="pan", size=64, batch_size=4)
