"""The script that trains `opacities`, end to end on a tiny set: one step of the real network per model."""

from __future__ import annotations

import csv
import importlib
from dataclasses import replace
from pathlib import Path
from types import ModuleType

import cv2
import numpy as np
import pytest
import torch
from click.testing import CliRunner

from cxr.data.csv_files import read_csv_rows
from cxr.models.file.onnx_file import read_card
from cxr.models.network.build import STRIDE4_UNET, build_network


@pytest.fixture(scope="module")
def script(examples: Path) -> ModuleType:
    return importlib.import_module("train_opacities")


@pytest.fixture(scope="module")
def lungs(script: ModuleType, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("lungs") / "student.pth"
    torch.save(build_network(STRIDE4_UNET, script.ENCODER, script.LUNG_CLASSES).state_dict(), path)
    return path


def write_dataset(root: Path, *, test_source: bool) -> Path:
    """Two folds of an open source, an image without a mask, and if asked for a source to test on."""
    root.mkdir()
    with (root / "index.csv").open("w", encoding="utf-8", newline="") as handle:
        table = csv.writer(handle)
        table.writerow(["image", "mask_lesion", "patient_id", "source", "licence_status", "fold"])
        for source, count in (("first", 4), ("GeneralBlockchain", 2 * test_source)):
            for number in range(count):
                name = f"{source}{number}.png"
                pixels = np.random.default_rng(number).integers(60, 200, (48, 40), dtype=np.uint8)
                mask = np.zeros_like(pixels)
                mask[10:40, 5:18] = 255
                cv2.imwrite(str(root / name), np.where(mask > 0, 255 - pixels // 3, pixels))
                cv2.imwrite(str(root / f"mask-{name}"), mask)
                table.writerow([name, f"mask-{name}", name, source, "open", number % 2])
        table.writerow(["unlabeled.png", "", "p9", "first", "open", 0])
    return root


@pytest.mark.parametrize("test_source", [False, True])
def test_script_scores_out_of_fold_and_on_the_test_source_if_there_is_one(
    script: ModuleType, lungs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, test_source: bool
) -> None:
    monkeypatch.setattr(script, "SCHEDULE", replace(script.SCHEDULE, epochs=1, batch_size=2))
    dataset, out = write_dataset(tmp_path / "opacities", test_source=test_source), tmp_path / "out"
    arguments = [str(dataset), "--init", str(lungs), "--out", str(out), "--size", "64"]
    done = CliRunner().invoke(script.main, arguments)
    assert done.exit_code == 0, done.output
    assert "out of fold: Dice" in done.output
    assert ("never seen: Dice" in done.output) == test_source
    rows = [(row["subset"], row["image"]) for row in read_csv_rows(out / "quality.csv")]
    assert sorted(rows) == [
        *(("never seen", f"opacities/GeneralBlockchain{number}.png") for number in range(2 * test_source)),
        *(("out of fold", f"opacities/first{number}.png") for number in range(4)),
    ]
    card = read_card(out / "opacities.onnx")
    assert card.training is not None
    assert card.training.images == card.metrics["opacity"].positives == 4
    assert card.baselines["opacity"][0].images == 4
