"""The images and models of the benchmarks, made once with cxr's own commands and kept in a folder."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from cxr.data.sample.write import make_sample
from cxr.export.run import export_model
from cxr.models.card import Precision
from cxr.train.run import TrainConfig, train_model

IMAGES = 1024  # height and width in pixels
INPUT = 256

RESNET = ("resnet34", (256, 128, 64, 32, 16), "none", 4)
"""Encoder, decoder channels (the library's default), initial weights, epochs: the demo's network."""
LITE = ("timm-tf_efficientnet_lite0", (128, 64, 32, 16, 16), "imagenet", 8)


@dataclass(frozen=True)
class Network:
    """One network in both precisions, and the training run that has its PyTorch weights."""

    run: Path
    fp32: Path
    int8: Path


def images(work: Path) -> list[Path]:
    """Draw 1024 x 1024 images of the synthetic sample, unless they exist."""
    folder = work / "images"
    if not folder.exists():
        make_sample(folder, patients=40, size=IMAGES)
    return sorted((folder / "images").glob("*.png"))


def archive(work: Path, times: int) -> Path:
    """Return a folder with `times` hard links to every image."""
    folder = work / f"images-{times}"
    if not folder.exists():
        folder.mkdir()
        for copy in range(times):
            for image in images(work):
                os.link(image, folder / f"{copy:03}-{image.name}")
    return folder


def network(work: Path, name: str, recipe: tuple[str, tuple[int, ...], str, int]) -> Network:
    """Train, export and quantize a network, unless its files exist.

    A few epochs are enough for typical masks: their shape affects the time, their accuracy does not.
    """
    encoder, decoder, weights, epochs = recipe
    folder = work / name
    fp32, int8 = folder / "fp32.onnx", folder / "int8.onnx"
    runs = folder / "runs"
    if not fp32.exists():
        small = work / "small"
        if not small.exists():
            make_sample(small, patients=60)
        config = TrainConfig(
            dataset=small,
            encoder=encoder,
            encoder_weights=weights,
            decoder_channels=decoder,
            epochs=epochs,
            size=INPUT,
            runs=runs,
        )
        train_model(config)
        export_model(fp32, run=runs / "latest")
    if not int8.exists():
        # Only its speed is of interest here, not whether it is accurate enough to keep.
        export_model(int8, run=runs / "latest", precision=Precision.INT8, max_dice_drop=1)
    return Network((runs / "latest").resolve(), fp32, int8)
