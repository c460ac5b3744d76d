from __future__ import annotations

import csv
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from cxr.errors import InputError, ModelError
from cxr.metrics.overlap import class_metrics
from cxr.models.network.build import build_network
from cxr.train.config import TrainConfig
from cxr.train.folds import FoldsResult
from cxr.train.run import resume_folds, resume_training, train_folds, train_model
from cxr.train.run_folder import TrainResult, is_finished
from cxr.train.scores.validation import read_scores

FOLDS = 3


def rows(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as handle:
        return list(csv.DictReader(handle))


@pytest.fixture(scope="module")
def result(
    make_tiny_config: Callable[[Path], TrainConfig], tmp_path_factory: pytest.TempPathFactory
) -> FoldsResult:
    config = make_tiny_config(tmp_path_factory.mktemp("folds") / "runs")
    return train_folds(replace(config, folds=FOLDS, epochs=2, classes=("lesion", "lung"), name="cut"))


def test_every_fold_is_a_run_of_its_own(result: FoldsResult) -> None:
    assert result.run.name.endswith("-cut")
    folders = [fold.run for fold in result.folds]
    assert folders == [result.run / f"fold-{number}" for number in (1, 2, 3)]
    assert all(is_finished(folder) for folder in folders)
    assert not (result.run.parent / "latest").exists()
    assert {path.name for path in result.run.iterdir() if path.is_file()} == {
        "folds.csv",
        "out_of_fold_scores.csv",
        "training.json",
    }


def test_every_image_is_scored_by_the_network_that_has_not_seen_its_patient(result: FoldsResult) -> None:
    scores = rows(result.run / "out_of_fold_scores.csv")
    lesions = [row["image"] for row in scores if row["class"] == "lesion"]
    assert sorted(lesions) == sorted(f"images/{number}.png" for number in range(16))
    for fold in result.folds:
        number = fold.run.name.removeprefix("fold-")
        trained_on = {row["patient_id"] for row in rows(fold.run / "splits.csv") if row["part"] == "train"}
        own = [row for row in scores if row["fold"] == number]
        assert own
        assert not trained_on & {row["patient_id"] for row in own}


def test_table_has_the_scores_of_each_fold_and_of_all_images(result: FoldsResult) -> None:
    table = rows(result.run / "folds.csv")
    assert [(row["fold"], row["class"]) for row in table] == [
        (fold, name) for fold in ("1", "2", "3", "all") for name in ("lesion", "lung")
    ]
    scores = [score for fold in result.folds for score in read_scores(fold.run / "validation_scores.csv")]
    expected = class_metrics([score for score in scores if score.class_name == "lesion"])
    assert result.metrics["lesion"] == expected
    assert expected.dice is not None
    of_all = table[-2]
    assert [float(of_all[name]) for name in ("dice", "dice_low", "dice_high")] == pytest.approx(
        [expected.dice.value, expected.dice.low, expected.dice.high], abs=1e-6
    )
    assert (of_all["images"], of_all["positives"], of_all["epochs"]) == ("16", "12", "")
    weighted = np.average(
        [float(row["dice"]) for row in table[:-2:2]], weights=[int(row["positives"]) for row in table[:-2:2]]
    )
    assert float(of_all["dice"]) == pytest.approx(weighted, abs=1e-5)


def test_trivial_predictions_are_compared_on_all_images(result: FoldsResult) -> None:
    assert {baseline.name: baseline.images for baseline in result.baselines["lesion"]} == {
        "empty mask": 12,
        "mean mask": 12,
        "whole lung mask": 8,
    }


def test_stopped_folds_resume_where_they_were(
    result: FoldsResult,
    tiny: TrainConfig,
    interrupt: Callable[[int, BaseException], None],
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level("INFO")
    same = replace(tiny, folds=FOLDS, epochs=2, classes=("lesion", "lung"), name="cut")
    with monkeypatch.context():
        interrupt(1, RuntimeError("power cut"))
        with pytest.raises(RuntimeError, match="power cut"):
            train_folds(same)
        monkeypatch.undo()
    (run,) = tiny.runs.iterdir()
    assert f"resume with: cxr-train --resume {run}\n" in caplog.text
    assert not (run / "fold-2").exists()
    with pytest.raises(InputError, match="3 folds"):
        resume_training(run)

    resumed = resume_folds(run)

    assert resumed.metrics == result.metrics
    assert (run / "out_of_fold_scores.csv").read_bytes() == (
        result.run / "out_of_fold_scores.csv"
    ).read_bytes()
    with pytest.raises(InputError, match="this run is finished"):
        resume_folds(run)


def test_finished_folds_are_not_trained_again(result: FoldsResult) -> None:
    written = {fold.run: (fold.run / "last.ckpt").stat().st_mtime_ns for fold in result.folds}
    (result.run / "folds.csv").unlink()
    again = resume_folds(result.run)
    assert again.metrics == result.metrics
    assert [fold.best_epoch for fold in again.folds] == [fold.best_epoch for fold in result.folds]
    assert {folder: (folder / "last.ckpt").stat().st_mtime_ns for folder in written} == written


@pytest.mark.parametrize(
    ("folds", "message"),
    [(9, "8 patients cannot be divided into 9 folds"), (8, "no validation image shows lesion")],
)
def test_fold_that_cannot_be_trained_is_reported_before_the_first(
    folds: int, message: str, tiny: TrainConfig, tmp_path: Path
) -> None:
    if folds == 8:
        hide_lesions_of_one_patient(tiny, tmp_path)
        tiny = replace(tiny, dataset=tmp_path / "images")
    with pytest.raises(InputError, match=message):
        train_folds(replace(tiny, folds=folds))
    assert not tiny.runs.exists()


def test_weights_that_cannot_be_loaded_are_reported_before_an_image_is_read(
    tiny: TrainConfig, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    torch.save({"other": torch.ones(3)}, tmp_path / "encoder.pth")
    with pytest.raises(ModelError, match=r"encoder\.pth"):
        train_folds(replace(tiny, folds=FOLDS, encoder_weights=str(tmp_path / "encoder.pth")))
    assert "reading" not in caplog.text
    assert not tiny.runs.exists()


@pytest.mark.parametrize("setting", ["init", "encoder_weights"])
def test_folds_that_have_not_begun_find_their_first_weights_from_another_folder(
    setting: str,
    config: TrainConfig,
    trained: TrainResult,
    tmp_path: Path,
    interrupt: Callable[[int, BaseException], None],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    encoder = build_network("unet", "resnet18", 1).encoder
    torch.save(encoder.state_dict(), tmp_path / "encoder.pth")
    (tmp_path / "start").symlink_to(trained.run)
    name = {"init": "start", "encoder_weights": "encoder.pth"}[setting]
    started = replace(config, folds=2, epochs=1, **{setting: name})  # type: ignore[arg-type]
    monkeypatch.chdir(tmp_path)
    interrupt(0, RuntimeError("power cut"))
    with pytest.raises(RuntimeError, match="power cut"):
        train_folds(started)
    monkeypatch.undo()
    (run,) = config.runs.iterdir()
    assert len(resume_folds(run).folds) == 2


def hide_lesions_of_one_patient(tiny: TrainConfig, tmp_path: Path) -> None:
    shutil.copytree(tiny.dataset, tmp_path / "images")
    shutil.copy(tmp_path / "images/images/0-lesion.png", tmp_path / "images/images/1-lesion.png")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"folds": 1}, "folds must be at least 2"),
        ({"folds": 3, "fold": 0}, "fold 0 is one of 3 folds"),
        ({"folds": 3, "devices": 2}, "one device"),
    ],
)
def test_settings_that_contradict_folds_are_rejected(change: dict[str, int], message: str) -> None:
    with pytest.raises(InputError, match=message):
        TrainConfig(**change)  # type: ignore[arg-type]


def test_folds_are_not_one_run(tiny: TrainConfig) -> None:
    with pytest.raises(InputError, match="call train_folds"):
        train_model(replace(tiny, folds=2))
