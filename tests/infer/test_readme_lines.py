"""The four lines of the README, typed without options that choose a class or a target, for lungs only."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest
from click.testing import CliRunner

from cxr.cli import main

pytest.importorskip("sklearn", reason="needs the extra analysis")

IMAGES, SIZE = 32, 96


def draw_set(folder: Path, *, lungs: int = 40, body: int = 190) -> None:
    """Draw radiographs of two lungs, whose area falls with age, and their masks in the index.csv layout."""
    rng = np.random.default_rng(0)
    rows = []
    for number in range(IMAGES):
        age = int(rng.integers(20, 90))
        axes = (int(SIZE * 0.14), int(SIZE * (0.38 - 0.002 * age)))
        mask = np.zeros((SIZE, SIZE), np.uint8)
        for center in (SIZE // 4, 3 * SIZE // 4):
            cv2.ellipse(mask, (center, SIZE // 2), axes, 0, 0, 360, 255, cv2.FILLED)
        image = np.where(mask > 0, lungs, body) + rng.normal(0, 8, mask.shape)
        for name, pixels in (("images", image), ("masks", mask)):
            path = folder / name / f"{number:02}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            assert cv2.imwrite(str(path), np.clip(pixels, 0, 255).astype(np.uint8))
        rows.append((f"images/{number:02}.png", f"masks/{number:02}.png", f"P{number}", age))
    with (folder / "index.csv").open("w", newline="") as file:
        csv.writer(file).writerows([("image", "mask_lung", "patient_id", "age"), *rows])


def run(*lines: str) -> str:
    """Run commands, and return the output of the last."""
    for line in lines:
        ran = CliRunner().invoke(main, line.split())
        assert ran.exit_code == 0, f"cxr {line}: {ran.output}"
    return ran.output


def check_target_is_the_lungs(folder: Path, output: str) -> None:
    assert "lung_ratio on held-out patients" in output
    with (folder / "features.csv").open(newline="") as file:
        columns = next(csv.reader(file))
    assert "lung_ratio" in columns
    assert not [name for name in columns if "lesion" in name]
    assert json.loads((folder / "run.json").read_text())["lung_classes"] == ["lung"]
    assert json.loads((folder / "analysis" / "analysis.json").read_text())["target"] == "lung_ratio"


def test_lungs_only_model_is_run_and_analyzed(
    make_model: Callable[..., Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    draw_set(tmp_path / "folder", lungs=190, body=40)  # the bright pixels are this model's lungs
    (tmp_path / "model.onnx").write_bytes(make_model(("lung",)).read_bytes())
    output = run("infer folder/images", "analyze features.csv --trials 1 --folds 2 --models rf")
    check_target_is_the_lungs(tmp_path, output)


@pytest.mark.slow
@pytest.mark.filterwarnings("default")  # of the training libraries; tests/train checks them
def test_lungs_only_model_is_trained_exported_run_and_analyzed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("lightning", reason="needs the extra train")
    monkeypatch.chdir(tmp_path)
    draw_set(tmp_path / "folder")
    small = "--size 64 --epochs 4 --batch-size 8 --workers 0 --architecture unet --encoder-weights none"
    output = run(
        f"train folder --classes lung {small}",
        "export model.onnx",
        "infer folder/images --threshold 0.3",
        "analyze features.csv --trials 1 --folds 2 --models rf",
    )
    check_target_is_the_lungs(tmp_path, output)
