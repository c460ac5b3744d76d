"""A finished training run, made by hand: a small untrained network, its card, its split, its pictures."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from cxr.data.splits import Part, Split
from cxr.files import write_json, write_text
from cxr.models.card import ModelCard, Normalisation, PixelSpec
from cxr.models.unet import build_unet

SIZE = 64


@pytest.fixture(scope="session")
def run_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run folder with everything that export reads."""
    folder = tmp_path_factory.mktemp("run")
    pictures = folder / "pictures"
    pictures.mkdir()
    rng = np.random.default_rng(0)
    parts, patients = {}, {}
    for number in range(6):
        name = f"{number}.png"
        coarse = rng.integers(0, 256, (6, 5), dtype=np.uint8)
        cv2.imwrite(str(pictures / name), cv2.resize(coarse, (90, 110), interpolation=cv2.INTER_CUBIC))
        parts[name] = Part.TRAIN if number < 1 else Part.VALIDATION
        patients[name] = f"P{number}"
    Split(parts, patients).write(folder / "splits.csv")
    card = ModelCard(
        name="small",
        classes=("lung", "lesion"),
        architecture="Unet",
        encoder="resnet18",
        decoder_channels=(32, 16, 16, 8, 8),
        pixels=PixelSpec(SIZE, SIZE),
        normalisation=Normalisation(0.449, 0.226),
        thresholds=(0.5, 0.5),
        licence="Apache-2.0",
    )
    torch.manual_seed(0)
    network = build_unet("Unet", "resnet18", 2, decoder_channels=card.decoder_channels)
    torch.save(network.state_dict(), folder / "best_unet.pth")
    write_text(folder / "model_card.json", card.to_json())
    write_json(folder / "training.json", {"root": str(pictures)})
    return folder
