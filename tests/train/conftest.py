from __future__ import annotations

import csv
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import torch

from cxr.train.run import TrainConfig, train_model
from cxr.train.run_folder import TrainResult

IMAGES, PATIENTS = 16, 8


def draw_images(root: Path, *, images: int = IMAGES, folds: bool = True) -> Path:
    """Write images of 48 x 40 with a bright rectangle, two per patient; every fourth has none."""
    (root / "images").mkdir(parents=True)
    rng = np.random.default_rng(0)
    with (root / "index.csv").open("w", encoding="utf-8", newline="") as handle:
        table = csv.writer(handle)
        table.writerow(["image", "mask_lesion", "mask_lung", "patient_id", *(["fold"] if folds else [])])
        for number in range(images):
            pixels = rng.integers(0, 60, (48, 40), dtype=np.uint8)
            lung, lesion = np.zeros_like(pixels), np.zeros_like(pixels)
            lung[4:44, 4:36] = 255
            row, column = rng.integers(6, 26, 2)
            if number % 4:
                lesion[row : row + 14, column : column + 12] = 255
            pixels[lung > 0] += 40
            pixels[lesion > 0] += 120
            names = [f"images/{number}{kind}.png" for kind in ("", "-lesion", "-lung")]
            for name, image in zip(names, (pixels, lesion, lung), strict=True):
                cv2.imwrite(str(root / name), image)
            # The lung mask of every other image is unknown.
            names[2] = names[2] if number % 2 else ""
            patient = number // 2
            table.writerow([*names, f"p{patient}", *([patient % 4] if folds else [])])
    return root


@pytest.fixture(scope="session", autouse=True)
def one_thread() -> Iterator[None]:
    """Use one thread: tiny networks are slower with several."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(scope="session")
def examples() -> Iterator[Path]:
    """The folder of the training scripts, which import what is beside them."""
    folder = Path(__file__).parents[2] / "examples"
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(folder)
        yield folder


@pytest.fixture(scope="session")
def images(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return draw_images(tmp_path_factory.mktemp("data") / "images")


@pytest.fixture(scope="session")
def make_tiny_config(images: Path) -> Callable[[Path], TrainConfig]:
    """Give a function from a folder of runs to the settings of a run with the smallest encoder."""

    def make(runs: Path) -> TrainConfig:
        return replace(small_config(images, runs), encoder="timm-mobilenetv3_small_minimal_100")

    return make


@pytest.fixture
def config(images: Path, tmp_path: Path) -> TrainConfig:
    return small_config(images, tmp_path / "runs")


@pytest.fixture
def tiny(make_tiny_config: Callable[[Path], TrainConfig], tmp_path: Path) -> TrainConfig:
    return make_tiny_config(tmp_path / "runs")


@pytest.fixture(scope="session")
def trained(images: Path, tmp_path_factory: pytest.TempPathFactory) -> TrainResult:
    """One finished run of two classes, shared by many tests."""
    config = small_config(images, tmp_path_factory.mktemp("trained") / "runs")
    return train_model(replace(config, classes=("lesion", "lung"), name="images"))


def small_config(images: Path, runs: Path) -> TrainConfig:
    return TrainConfig(
        dataset=images,
        classes=("lesion",),
        encoder="resnet18",
        encoder_weights="none",
        decoder_channels=(32, 16, 16, 8, 8),
        epochs=3,
        batch_size=4,
        size=32,
        lr=3e-3,
        runs=runs,
    )


@pytest.fixture
def interrupt(monkeypatch: pytest.MonkeyPatch) -> Callable[[int, BaseException], None]:
    """Return a function that interrupts training at the start of an epoch, as a power cut or Ctrl-C would."""
    from cxr.train.loop.recorder import Recorder

    def at(epoch: int, error: BaseException) -> None:
        start = Recorder.on_train_epoch_start

        def stop(self: Recorder, trainer: Any, module: Any) -> None:
            if trainer.current_epoch == epoch:
                raise error
            start(self, trainer, module)

        monkeypatch.setattr(Recorder, "on_train_epoch_start", stop)

    return at
