from __future__ import annotations

import csv
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from cxr.data.datasets.open import open_dataset
from cxr.data.image import Gray
from cxr.errors import ModelError
from cxr.metrics.overlap import score
from cxr.models.card import PixelSpec
from cxr.models.trivial_masks import MeanMask, lung_records
from cxr.train.images.dataset import SegmentationDataset, load_example
from cxr.train.scores.baselines import mean_masks, score_baselines
from cxr.train.scores.stored import read_baseline_scores, write_baseline_scores

SPEC = PixelSpec(32, 32)
MASKS = st.lists(arrays(np.uint8, (8, 8), elements=st.integers(0, 1)), min_size=1, max_size=6)


def rectangle(top: int, left: int, height: int, width: int) -> Gray:
    mask = np.zeros((32, 32), np.uint8)
    mask[top : top + height, left : left + width] = 1
    return mask


def mean_dice(predicted: Gray, masks: list[Gray]) -> float:
    results = [score(mask, predicted, key="", patient_id="", class_name="") for mask in masks if mask.any()]
    return float(np.mean([result.dice for result in results]))


@given(MASKS)
def test_threshold_of_the_mean_mask_is_the_best_of_all(masks: list[Gray]) -> None:
    if not any(mask.any() for mask in masks):
        return
    mean = MeanMask.of(masks)
    np.testing.assert_allclose(mean.mean, np.mean(masks, axis=0), rtol=1e-6)
    best = max(
        mean_dice((mean.mean >= cut).astype(np.uint8), masks) for cut in np.unique(mean.mean) if cut > 0
    )
    chosen = mean.predict((8, 8), PixelSpec(8, 8))
    assert mean_dice(chosen, masks) == pytest.approx(best, abs=1e-6)


def test_mean_mask_is_predicted_at_the_size_of_the_image() -> None:
    mean = MeanMask.of([rectangle(8, 8, 16, 16)])
    predicted = mean.predict((64, 64), SPEC)
    assert predicted.shape == (64, 64)
    assert mean_dice(predicted, [np.kron(rectangle(8, 8, 16, 16), np.ones((2, 2), np.uint8))]) > 0.9


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Six images with a lung on the left half; the lesion is a part of it, and absent from the last image."""
    lines = [["image", "patient_id", "mask_lesion", "mask_lung"]]
    for number in range(6):
        lesion = rectangle(8, 4, 12, 6) if number < 5 else rectangle(0, 0, 0, 0)
        pixels = np.random.default_rng(number).integers(0, 256, (32, 32), np.uint8)
        cv2.imwrite(str(tmp_path / f"{number}.png"), pixels)
        cv2.imwrite(str(tmp_path / f"{number}-lesion.png"), lesion)
        cv2.imwrite(str(tmp_path / f"{number}-lung.png"), rectangle(0, 0, 32, 16))
        lung = f"{number}-lung.png" if number != 1 else ""
        lines.append([f"{number}.png", f"p{number}", f"{number}-lesion.png", lung])
    with (tmp_path / "index.csv").open("w", newline="") as file:
        csv.writer(file).writerows(lines)
    return tmp_path


def test_baselines_are_scored_on_images_that_show_the_class(root: Path) -> None:
    dataset = open_dataset(root, classes=("lesion",))
    training = SegmentationDataset(dataset.records, dataset.classes, SPEC)
    training.keep_in_memory([load_example(record, dataset.classes, SPEC) for record in dataset.records])
    scores = score_baselines(
        dataset.records, dataset.classes, SPEC, mean_masks(training, 1), lung_records(dataset)
    )
    by_baseline = {
        name: {item.key: item.dice for item in scores if item.baseline == name}
        for name in ("empty mask", "mean mask", "whole lung mask")
    }
    shown = {f"{number}.png" for number in range(5)}
    assert by_baseline["empty mask"] == dict.fromkeys(shown, 0.0)
    assert by_baseline["mean mask"] == dict.fromkeys(shown, 1.0)
    expected = 2 * 72 / (72 + 32 * 16)
    assert by_baseline["whole lung mask"] == pytest.approx(dict.fromkeys(shown - {"1.png"}, expected))


def test_whole_lung_is_no_baseline_for_the_lung_itself(root: Path) -> None:
    dataset = open_dataset(root, classes=("lung",))
    scores = score_baselines(dataset.records, ("lung",), SPEC, [None], lung_records(dataset))
    assert {item.baseline for item in scores} == {"empty mask"}


def test_broken_lung_masks_are_reported_and_left_out(root: Path, caplog: pytest.LogCaptureFixture) -> None:
    (root / "2-lung.png").unlink()
    assert lung_records(open_dataset(root, classes=("lesion",))) == {}
    assert "whole lung mask" in caplog.text
    assert "2-lung.png does not exist" in caplog.text


def test_scores_are_read_back_from_their_table(root: Path, tmp_path: Path) -> None:
    dataset = open_dataset(root, classes=("lung",))
    scores = score_baselines(dataset.records, ("lung",), SPEC, [None], {})
    write_baseline_scores(tmp_path / "scores.csv", scores)
    assert read_baseline_scores(tmp_path / "scores.csv") == scores
    assert read_baseline_scores(tmp_path / "other.csv") == []


def test_damaged_table_of_scores_is_rejected(tmp_path: Path) -> None:
    (tmp_path / "scores.csv").write_text("image,patient_id\na.png,p0\n")
    with pytest.raises(ModelError, match=r"scores\.csv: not a table of baselines"):
        read_baseline_scores(tmp_path / "scores.csv")
