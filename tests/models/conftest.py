"""A small card shared by the tests of cards and of `cxr models`."""

from __future__ import annotations

import pytest

from cxr.models.card import ModelCard, Normalization, PixelSpec


@pytest.fixture(scope="session")
def toy_card() -> ModelCard:
    return ModelCard(
        name="toy",
        classes=("lung", "lesion"),
        architecture="unet",
        encoder="resnet18",
        pixels=PixelSpec(64, 96),
        normalization=Normalization(0.449, 0.226),
        thresholds=(0.5, 0.4),
        license="CC0",
    )
