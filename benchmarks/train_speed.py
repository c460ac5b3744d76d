"""Compare the speed of training with a plain loop; prints Markdown.

    python benchmarks/train_speed.py [--work benchmarks/work] [--rounds 5] [--steps 6]

The demo's loop decodes every image anew with PIL and trains contiguously and eagerly, as its script does.
Both get the same 1024 x 1024 PNG images, batches of 8 at 256 x 256, and as many threads. Each method has a
process of its own, since `cxr-train` changes how its process keeps memory. In each round all methods take
their steps in turn, after one that is not counted; a result is the median over the rounds, a ratio the median
of the ratios within a round. Validation, checkpoints and the first reading of the images are not counted.
"""

from __future__ import annotations

import argparse
import logging
import statistics
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import lightning
import numpy as np
import segmentation_models_pytorch as smp
import torch
from PIL import Image
from setting import print_setting
from torch import Tensor
from torch.utils.data import DataLoader, Dataset
from work import images

from cxr.train.config import TrainConfig
from cxr.train.loop.loading import training_batches, validation_batches
from cxr.train.loop.task import SegmentationTask
from cxr.train.loop.trainer import make_trainer, quiet_lightning
from cxr.train.preparation import PreparedRun, prepare_run

BATCH, SIZE = 8, 256
RESNET, LITE = "resnet34", "timm-tf_efficientnet_lite0"
WIDE = (256, 128, 64, 32, 16)
"""The library's default decoder, which the demo uses."""
PACKAGES = ("torch", "lightning", "segmentation-models-pytorch", "numpy", "pillow")


class Decoded(Dataset[tuple[Tensor, Tensor]]):
    """Images and masks that PIL decodes every time, flipped and rotated as in the demo."""

    def __init__(self, run: PreparedRun) -> None:
        self.paths = [record.path for record in run.training]
        self.masks = [run.training_set.arrays(index)[1][0] for index in range(len(self.paths))]

    def __len__(self) -> int:
        return len(self.paths)

    def __getitem__(self, index: int) -> tuple[Tensor, Tensor]:
        image = Image.open(self.paths[index]).convert("L").resize((SIZE, SIZE))
        mask = Image.fromarray(self.masks[index])
        if torch.rand(1) < 0.5:
            image, mask = (one.transpose(Image.Transpose.FLIP_LEFT_RIGHT) for one in (image, mask))
        angle = float(torch.empty(1).uniform_(-10, 10))
        image, mask = image.rotate(angle), mask.rotate(angle)
        pixels = torch.from_numpy(np.asarray(image, np.float32) / 255)[None]
        return pixels, torch.from_numpy(np.array(mask, np.float32))[None]


def demo(run: PreparedRun, encoder: str) -> Callable[[int], float]:
    """Return the demo's loop: takes steps, and returns their images per second."""
    network = smp.Unet(encoder, encoder_weights=None, in_channels=1, classes=1)
    optimizer = torch.optim.Adam(network.parameters(), lr=1e-4)
    entropy, dice = torch.nn.BCEWithLogitsLoss(), smp.losses.DiceLoss("binary")
    loader = DataLoader(Decoded(run), batch_size=BATCH, shuffle=True, drop_last=True)

    def endless() -> Iterator[tuple[Tensor, Tensor]]:
        while True:
            yield from loader

    batches = endless()
    network.train()

    def train(steps: int) -> float:
        started = time.perf_counter()
        for step in range(steps + 1):
            if step == 1:
                started = time.perf_counter()
            pixels, masks = next(batches)
            logits = network(pixels)
            loss = entropy(logits, masks) + dice(logits, masks)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            loss.item()
        return steps * BATCH / (time.perf_counter() - started)

    return train


class Watch(lightning.Callback):
    """Measures the time from the end of the first step to that of the last."""

    def __init__(self) -> None:
        self.started = self.seconds = 0.0

    def on_train_batch_end(self, _trainer: Any, _module: Any, _outputs: Any, _batch: Any, index: int) -> None:
        if index == 0:
            self.started = time.perf_counter()
        self.seconds = time.perf_counter() - self.started


def ours(run: PreparedRun, ema: float | None = None) -> Callable[[int], float]:
    """Return the loop of `cxr-train`: takes steps, and returns their images per second."""
    task = SegmentationTask(run.segmenter, 1, 1e-3, ema=ema)

    def train(steps: int) -> float:
        watch = Watch()
        with quiet_lightning():
            trainer = make_trainer(1, [watch], limit_train_batches=steps + 1, limit_val_batches=0)
            trainer.fit(task, training_batches(run), validation_batches(run))
        return steps * BATCH / watch.seconds

    return train


@dataclass(frozen=True)
class Method:
    """A way to train, and the row that it is compared with."""

    name: str
    make: Callable[[Path], Callable[[int], float]]
    reference: str


def prepare(
    work: Path, architecture: str, encoder: str, decoder: tuple[int, ...] | None, **more: Any
) -> PreparedRun:
    images(work)
    config = TrainConfig(
        dataset=work / "images",
        architecture=architecture,
        encoder=encoder,
        encoder_weights="none",
        decoder_channels=decoder,
        batch_size=BATCH,
        size=SIZE,
        **more,
    )
    return prepare_run(config)


def demo_resnet(work: Path) -> Callable[[int], float]:
    return demo(prepare(work, "unet", RESNET, WIDE), RESNET)


def demo_lite(work: Path) -> Callable[[int], float]:
    return demo(prepare(work, "unet", RESNET, WIDE), LITE)


def ours_resnet(work: Path) -> Callable[[int], float]:
    return ours(prepare(work, "unet", RESNET, WIDE))


def ours_resnet_strong(work: Path) -> Callable[[int], float]:
    return ours(prepare(work, "unet", RESNET, WIDE, augmentation="strong"), 0.99)


def ours_lite(work: Path) -> Callable[[int], float]:
    return ours(prepare(work, "unet", LITE, WIDE))


def ours_small(work: Path) -> Callable[[int], float]:
    return ours(prepare(work, "unet-s4", LITE, None))


SLOW_RESNET, SLOW_LITE = f"the demo's loop, Unet-{RESNET}", "the demo's loop, Unet-efficientnet-lite0"
METHODS = (
    Method(SLOW_RESNET, demo_resnet, SLOW_RESNET),
    Method(f"cxr-train, Unet-{RESNET}", ours_resnet, SLOW_RESNET),
    Method("the same, strong augmentation and moving average", ours_resnet_strong, SLOW_RESNET),
    Method(SLOW_LITE, demo_lite, SLOW_LITE),
    Method("cxr-train, the same network", ours_lite, SLOW_LITE),
    Method("cxr-train, unet-s4 with lite0", ours_small, SLOW_LITE),
)

_train: Callable[[int], float]
"""Of the method that this process belongs to."""


def open_process(method: Method, work: Path) -> ProcessPoolExecutor:
    """Start the process of a method."""
    return ProcessPoolExecutor(
        1, mp_context=get_context("spawn"), initializer=_prepare, initargs=(method, work)
    )


def _prepare(method: Method, work: Path) -> None:
    global _train
    logging.disable(logging.INFO)
    _train = method.make(work)


def _run(steps: int) -> float:
    return _train(steps)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--work", type=Path, default=Path(__file__).parent / "work")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--steps", type=int, default=6)
    arguments = parser.parse_args()
    print_setting(PACKAGES)
    print(f"Batches of {BATCH}, {SIZE} x {SIZE}, {torch.get_num_threads()} threads.\n")
    images(arguments.work)  # before all processes look for them
    rates: dict[str, list[float]] = {method.name: [] for method in METHODS}
    with ExitStack() as stack:
        processes = [stack.enter_context(open_process(method, arguments.work)) for method in METHODS]
        for _ in range(arguments.rounds):
            for method, process in zip(METHODS, processes, strict=True):
                rates[method.name].append(process.submit(_run, arguments.steps).result())
                print(f"{method.name}: {rates[method.name][-1]:.2f} images/s", file=sys.stderr)
    print("| method | images/s | per round | x the demo |\n| --- | ---: | --- | ---: |")
    for method in METHODS:
        own, base = rates[method.name], rates[method.reference]
        ratio = statistics.median(one / other for one, other in zip(own, base, strict=True))
        per_round = ", ".join(f"{one:.2f}" for one in own)
        print(f"| {method.name} | {statistics.median(own):.2f} | {per_round} | {ratio:.2f} |")


if __name__ == "__main__":
    main()
