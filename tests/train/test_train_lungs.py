"""The script that trains `lungs`, end to end on a tiny set: a few steps of the real network."""

from __future__ import annotations

import csv
import importlib
from dataclasses import replace
from pathlib import Path
from types import ModuleType

import cv2
import numpy as np
import pytest
from click.testing import CliRunner

from cxr.data.csv_files import read_csv_rows
from cxr.models.file.onnx_file import read_card

COLUMNS = [
    "image",
    "mask_lung",
    "patient_id",
    "source",
    "licence_status",
    "lung_convention",
    "lung_ok",
    "fold",
]
WITHOUT, BEHIND = "lung fields without heart", "lung fields with the part behind the heart"


@pytest.fixture(scope="module")
def script(examples: Path) -> ModuleType:
    return importlib.import_module("train_lungs")


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two open sources with one protocol each, one open unlabeled, one closed, one open but for testing."""
    root = tmp_path_factory.mktemp("data") / "lungs"
    root.mkdir()
    sources = (
        ("first", "open", WITHOUT, "1"),
        ("second", "open-attribution", BEHIND, "1"),
        ("unlabeled", "open", "", ""),
        ("closed", "nc", WITHOUT, "1"),
        ("GeneralBlockchain", "open", BEHIND, "0"),
    )
    with (root / "index.csv").open("w", encoding="utf-8", newline="") as handle:
        table = csv.writer(handle)
        table.writerow(COLUMNS)
        for source, status, protocol, complete in sources:
            for number in range(4):
                name = f"{source}{number}.png"
                pixels = np.random.default_rng(number).integers(60, 200, (48, 40), dtype=np.uint8)
                mask = np.zeros_like(pixels)
                mask[10:40, 5:18] = mask[10:40, 22:35] = 255
                cv2.imwrite(str(root / name), np.where(mask > 0, pixels // 3, pixels))
                cv2.imwrite(str(root / f"mask-{name}"), mask)
                masked = f"mask-{name}" if protocol else ""
                # Images 0 and 1 are of one patient, who is in fold 0.
                patient, fold = f"{source}-{max(number, 1)}", 0 if number < 2 else number
                table.writerow([name, masked, patient, source, status, protocol, complete, fold])
    return root


def test_only_open_images_of_other_patients_are_trained_on(script: ModuleType, dataset: Path) -> None:
    training, held = script.split_rows(
        script.read_rows(dataset), {"first": 0, "unlab": 0}, ["GeneralBlockchain"]
    )
    keys = [row.record.key for row in training]
    assert keys == [
        "lungs/first2.png",
        "lungs/first3.png",
        *(f"lungs/second{number}.png" for number in range(4)),
        "lungs/unlabeled2.png",
        "lungs/unlabeled3.png",
    ]
    assert {row.source for row in held} == {"first", "closed"}
    patients = {row.record.patient_id for row in training}
    assert not patients & {row.record.patient_id for row in held}


def test_mask_is_the_class_of_its_protocol_and_incomplete_masks_are_unknown(
    script: ModuleType, dataset: Path
) -> None:
    known = {row.source: row.record.known(script.CLASSES) for row in script.read_rows(dataset)}
    assert known == {
        "first": (True, False),
        "second": (False, True),
        "unlabeled": (False, False),
        "closed": (True, False),
        "GeneralBlockchain": (False, False),
    }


def test_script_writes_the_model_and_its_quality(
    script: ModuleType, dataset: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    recipe = script.RECIPE
    one_epoch = {
        name: replace(schedule, epochs=1, batch_size=4) for name, schedule in recipe.teachers.items()
    }
    student = replace(recipe.student, epochs=1, batch_size=4)
    monkeypatch.setattr(script, "RECIPE", replace(recipe, teachers=one_epoch, student=student, agreement=0))
    monkeypatch.setattr(script, "SMALLER", replace(script.SMALLER, epochs=1, batch_size=4))
    hold_out = ["--hold-out", "first", "0", "--hold-out", "second", "0"]
    sizes = ["--size", "96", "--final-size", "64"]
    done = CliRunner().invoke(script.main, [str(dataset), "--out", str(tmp_path), *sizes, *hold_out])
    assert done.exit_code == 0, done.output
    rows = list(read_csv_rows(tmp_path / "quality.csv"))
    assert [(row["source"], row["class"], row["images"]) for row in rows] == [
        ("closed", "lung_fields", "4"),
        ("first", "lung_fields", "2"),
        ("second", "lung_with_retrocardiac", "2"),
    ]
    card = read_card(tmp_path / "lungs.onnx")
    assert (card.pixels.width, card.pixels.height) == (64, 64)
    assert card.training is not None
    assert (card.training.images, card.training.validation_images) == (8, 8)
    assert "lung_fields: 2 drawn, 6 pseudo-labels" in card.training.name
    assert "Hannover" in card.license
    assert card.training.command == (
        "python examples/train_lungs.py lungs --size 96 --final-size 64 --hold-out first 0 "
        "--hold-out second 0 --test-source GeneralBlockchain"
    )
    assert card.parity is not None
    assert card.parity.max_difference < 1e-4
    assert (tmp_path / "lungs.onnx").stat().st_size < 9e6
