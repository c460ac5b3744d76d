"""`cxr-infer folder/` without `--model`, in a folder without a model: the shipped model runs, and says so."""

from __future__ import annotations

import csv
import json
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest

import cxr
from cxr.models.card import ModelCard
from cxr.models.file.onnx_file import read_card
from cxr.models.file.verify import verify_model
from cxr.models.shipped import shipped_models

FIELDS = "lung_fields"
MEGABYTE = 1_000_000

PROGRAM = """
import socket, sys
def refuse(*_args, **_kwargs): raise AssertionError("a connection was opened")
socket.socket.connect = refuse
from cxr.infer.command import command
try:
    command.main(sys.argv[1:], standalone_mode=False)
except SystemExit as end:
    assert not end.code, end.code
assert "torch" not in sys.modules
"""


@pytest.fixture
def card() -> ModelCard:
    return read_card(next(model for model in shipped_models() if model.name == "lungs").float_file)


def test_every_shipped_file_is_as_it_was_written_and_small() -> None:
    for model in shipped_models():
        assert model.int8_file is not None
        verify_model(model.float_file)
        verify_model(model.int8_file)
        assert model.int8_file.stat().st_size <= 5 * MEGABYTE
        assert model.float_file.stat().st_size <= 9 * MEGABYTE


def test_shipped_model_names_its_data_its_license_and_its_scores(card: ModelCard) -> None:
    assert card.training is not None
    assert card.training.command.startswith("python examples/train_lungs.py")
    assert "National Library of Medicine" in card.license
    assert set(card.lung_classes) == set(card.classes)
    assert len(card.metrics_by_source) == 4
    assert card.fingerprint is not None
    assert card.frontal is not None
    assert card.lungs is not None
    assert card.checksum is not None


def test_scores_by_source_of_each_shipped_file_are_its_own() -> None:
    for path in (file for model in shipped_models() for file in model.files):
        card = read_card(path)
        for name, overall in card.metrics.items():
            by_source = [classes[name] for classes in card.metrics_by_source.values() if name in classes]
            assert sum(one.positives for one in by_source) == overall.positives
            total = sum(one.positives * one.dice.value for one in by_source if one.dice)
            assert overall.dice is not None
            assert total / overall.positives == pytest.approx(overall.dice.value, abs=1e-6)


def test_page_about_the_shipped_model_has_the_figures_of_its_card(card: ModelCard) -> None:
    page = " ".join((Path(__file__).parents[2] / "docs" / "models.md").read_text(encoding="utf-8").split())
    for classes in card.metrics_by_source.values():
        for metrics in classes.values():
            dice = metrics.dice
            assert dice is not None
            assert f"| {metrics.positives} | {dice.value:.3f} ({dice.low:.3f} to {dice.high:.3f}) |" in page
    assert card.frontal is not None
    assert f"{card.frontal.false_alarms:.1%}".replace("%", " %") in page
    assert f"{card.frontal.images:,} open frontal" in page
    assert f"of inverted ones {card.frontal.caught['inverted']:.1%}".replace("%", " %") in page
    assert f"of halves {card.frontal.caught['half']:.1%}".replace("%", " %") in page
    check = card.uncertainty
    assert check is not None
    assert f"({check.poor} of {check.images} held-out images) has an AUC of {check.auc:.2f}" in page


def test_folder_is_measured_with_the_shipped_model_without_torch_or_network(tmp_path: Path) -> None:
    folder, here = tmp_path / "folder", tmp_path / "here"
    folder.mkdir()
    here.mkdir()
    noise = np.random.default_rng(0).integers(0, 256, (300, 260), dtype=np.uint8)
    cv2.imwrite(str(folder / "a.png"), cv2.GaussianBlur(noise, (0, 0), 9))
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, str(folder)], cwd=here, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert "(lungs)" in done.stderr + done.stdout
    used = Path(json.loads((here / "run.json").read_text(encoding="utf-8"))["model"]["path"])
    assert used in {path for model in shipped_models() for path in (model.float_file, model.int8_file)}
    with (here / "features.csv").open(encoding="utf-8", newline="") as table:
        assert [row["image"] for row in csv.DictReader(table)] == ["a.png"]


@pytest.mark.real
@pytest.mark.parametrize("precision", ["float_file", "int8_file"])
def test_lungs_of_a_hospital_that_was_never_seen_are_found(cxr_dev: Path, precision: str) -> None:
    model = cxr.load(getattr(shipped_models()[0], precision), provider="cpu")
    dice = []
    for path in sorted((cxr_dev / "images").glob("sz_*.png"))[::20]:
        truth = np.asarray(cv2.imread(str(cxr_dev / "masks_lung" / path.name), cv2.IMREAD_GRAYSCALE)) > 0
        found = model(path).masks[FIELDS] > 0
        dice.append(2 * (truth & found).sum() / (truth.sum() + found.sum()))
    assert np.mean(dice) > 0.93
