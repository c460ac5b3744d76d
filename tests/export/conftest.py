"""A finished training run made without training: a small network, its card, split and data set.

The predictions of the network are used as ground truth, so its Dice is 1.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from torch import nn

from cxr.data.datasets.records import Record
from cxr.data.datasets.splits import Split, Subset
from cxr.export.run import ExportSummary, export_model
from cxr.machine.files import write_text
from cxr.models.card import ModelCard, Normalization, PixelSpec
from cxr.models.evaluate import predictions
from cxr.models.network.build import build_network
from cxr.models.network.segmenter import Segmenter, predictor
from cxr.models.preprocess import prepare
from cxr.train.config import TrainConfig

SIZE = 64
IMAGES, TRAINING = 11, 6


@pytest.fixture(scope="session", autouse=True)
def one_thread() -> Iterator[None]:
    """Use one thread: tiny networks are slower with several."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(scope="session")
def run_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run folder with everything that an export reads."""
    folder = tmp_path_factory.mktemp("run")
    images = folder / "images"
    images.mkdir()
    card = ModelCard(
        name="small",
        classes=("lung", "lesion"),
        architecture="Unet",
        encoder="resnet18",
        decoder_channels=(32, 16, 16, 8, 8),
        pixels=PixelSpec(SIZE, SIZE),
        normalization=Normalization(0.449, 0.226),
        thresholds=(0.5, 0.5),
        license="Apache-2.0",
    )
    records = [_draw(images, number) for number in range(IMAGES)]
    torch.manual_seed(0)
    network = build_network("Unet", "resnet18", 2, decoder_channels=card.decoder_channels).eval()
    _spread_logits(network, card, records)
    _write_truth(images, network, card, records)
    subsets = [Subset.TRAIN if number < TRAINING else Subset.VALIDATION for number in range(IMAGES)]
    keys = [record.key for record in records]
    Split(dict(zip(keys, subsets, strict=True)), {record.key: record.patient_id for record in records}).write(
        folder / "splits.csv"
    )
    torch.save(network.state_dict(), folder / "best_unet.pth")
    write_text(folder / "model_card.json", card.to_json())
    TrainConfig(dataset=images, classes=card.classes).write(folder, dataset_name="small")
    return folder


@pytest.fixture(scope="session")
def exported(run_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> ExportSummary:
    """The run exported in fp32."""
    return export_model(tmp_path_factory.mktemp("export") / "model.onnx", run=run_folder)


def _draw(folder: Path, number: int) -> Record:
    coarse = np.random.default_rng(number).integers(0, 256, (6, 5), dtype=np.uint8)
    path = folder / f"{number}.png"
    cv2.imwrite(str(path), cv2.resize(coarse, (90, 110), interpolation=cv2.INTER_CUBIC))
    return Record(path.name, path, f"P{number}", {})


def _spread_logits(network: nn.Module, card: ModelCard, records: list[Record]) -> None:
    """Scale the logits so that about half of the pixels are inside each class, and few near the threshold."""
    pixels = [prepare(cv2.imread(str(record.path), 0), card.pixels)[0] for record in records]
    unit = torch.from_numpy(np.stack(pixels)[:, None]) / 255
    head = network.segmentation_head[0]
    with torch.inference_mode():
        logits = network((unit - card.normalization.mean) / card.normalization.std)
        head.bias -= logits.transpose(0, 1).flatten(1).median(dim=1).values
        head.weight *= 5 / logits.std()
        head.bias *= 5 / logits.std()


def _write_truth(folder: Path, network: nn.Module, card: ModelCard, records: list[Record]) -> None:
    with (folder / "index.csv").open("w", encoding="utf-8", newline="") as handle:
        table = csv.writer(handle)
        table.writerow(["image", *(f"mask_{name}" for name in card.classes), "patient_id"])
        for prediction in predictions(
            predictor(Segmenter(network, card.normalization)), records, card.pixels
        ):
            names = [f"{name}-{prediction.record.key}" for name in card.classes]
            for name, probability in zip(names, prediction.probability, strict=True):
                cv2.imwrite(str(folder / name), (probability >= 0.5).astype(np.uint8) * 255)
            table.writerow([prediction.record.key, *names, prediction.record.patient_id])
