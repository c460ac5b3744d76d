from __future__ import annotations

import csv
import json
import shutil
import signal
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from torch import nn

from cxr.data.datasets.splits import Split, Subset
from cxr.errors import InputError, ModelError
from cxr.models.card import ModelCard, Normalization, PixelSpec
from cxr.models.network.build import build_network
from cxr.train import preparation
from cxr.train.loop import fit
from cxr.train.run import TrainConfig, resume_training, train_model
from cxr.train.run_folder import TrainResult

OUTPUTS = {
    "baseline_scores.csv",
    "best_unet.pth",
    "last.ckpt",
    "learning_curve.png",
    "model_card.json",
    "splits.csv",
    "training.json",
    "training_history.csv",
    "val_overlays.png",
    "validation_scores.csv",
}


@pytest.fixture
def config(tiny: TrainConfig) -> TrainConfig:
    return tiny


def rows(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as handle:
        return list(csv.DictReader(handle))


def without_seconds(run: Path) -> list[dict[str, str]]:
    return [{**row, "seconds": ""} for row in rows(run / "training_history.csv")]


def weights(run: Path) -> dict[str, torch.Tensor]:
    state: dict[str, torch.Tensor] = torch.load(run / "best_unet.pth", weights_only=True)
    return state


def test_run_folder_holds_all_outputs_and_no_temporary_file(trained: TrainResult) -> None:
    assert {path.name for path in trained.run.iterdir()} == OUTPUTS


def test_latest_points_to_the_newest_finished_run(trained: TrainResult) -> None:
    assert trained.run.name.endswith("-images")
    assert (trained.run.parent / "latest").resolve() == trained.run


def test_weights_are_a_plain_state_dict_of_the_network_named_in_the_card(trained: TrainResult) -> None:
    card = ModelCard.read(trained.run / "model_card.json")
    network = build_network(
        card.architecture, card.encoder, len(card.classes), decoder_channels=card.decoder_channels
    )
    network.load_state_dict(weights(trained.run))
    assert isinstance(network, nn.Module)


def test_card_describes_the_model(trained: TrainResult) -> None:
    card = ModelCard.read(trained.run / "model_card.json")
    assert card.name == "images"
    assert card.classes == ("lesion", "lung")
    assert card.pixels == PixelSpec(32, 32)
    assert card.normalization == Normalization(0.449, 0.226)
    assert card.parity is None
    assert card.metrics == trained.metrics
    assert card.training is not None
    assert (card.training.images, card.training.patients) == (12, 6)
    assert (card.training.validation_images, card.training.validation_patients) == (4, 2)
    assert card.training.split_hash == Split.read(trained.run / "splits.csv").hash


def test_history_has_one_row_per_epoch(trained: TrainResult) -> None:
    history = rows(trained.run / "training_history.csv")
    assert [row["epoch"] for row in history] == ["1", "2", "3"]
    assert list(history[0]) == ["epoch", "train_loss", "val_loss", "val_dice", "val_iou", "lr", "seconds"]
    best = max(history, key=lambda row: float(row["val_dice"]))
    assert int(best["epoch"]) == trained.best_epoch
    assert float(history[-1]["lr"]) < float(history[0]["lr"])


def test_stored_settings_include_the_automatic_choices(trained: TrainResult, images: Path) -> None:
    settings = json.loads((trained.run / "training.json").read_text())
    assert settings["root"] == str(images.resolve())
    assert settings["dataset_name"] == "images"
    assert settings["classes"] == ["lesion", "lung"]
    assert settings["fold"] == 0
    stored = TrainConfig.read(trained.run)
    assert stored.dataset == images.resolve()
    assert stored.runs == trained.run.parent


def test_first_fold_of_the_data_set_is_used_for_validation(
    trained: TrainResult,
) -> None:
    split = Split.read(trained.run / "splits.csv")
    assert {split.patients[key] for key in split.keys(Subset.VALIDATION)} == {"p0", "p4"}


def test_scores_are_at_the_images_own_size_and_only_for_known_ground_truth(trained: TrainResult) -> None:
    scores = rows(trained.run / "validation_scores.csv")
    known = [(row["image"], row["class"]) for row in scores]
    assert known == [
        ("images/0.png", "lesion"),
        ("images/1.png", "lesion"),
        ("images/1.png", "lung"),
        ("images/8.png", "lesion"),
        ("images/9.png", "lesion"),
        ("images/9.png", "lung"),
    ]
    assert [row["truth_area"] for row in scores] == ["0", "168", "1280", "0", "168", "1280"]
    assert [row["dice"] == "" for row in scores] == [True, False, False, True, False, False]
    lesion = trained.metrics["lesion"]
    assert (lesion.positives, lesion.empties) == (2, 2)
    assert lesion.dice is not None
    dice = [float(row["dice"]) for row in scores if row["class"] == "lesion" and row["dice"]]
    assert lesion.dice.value == pytest.approx(np.mean(dice), abs=1e-5)


@pytest.mark.parametrize("name", ["learning_curve.png", "val_overlays.png"])
def test_plots_are_not_blank(trained: TrainResult, name: str) -> None:
    plot = cv2.imread(str(trained.run / name))
    assert plot is not None
    assert plot.std() > 5


def test_trained_network_segments(config: TrainConfig) -> None:
    result = train_model(replace(config, epochs=7))
    assert result.metrics["lesion"].dice is not None
    assert result.metrics["lesion"].dice.value > 0.5


def test_weights_depend_on_the_seed_alone(config: TrainConfig) -> None:
    config = replace(config, epochs=1)
    one, same, other = (weights(train_model(replace(config, seed=seed)).run) for seed in (1, 1, 2))
    assert all(torch.equal(one[name], same[name]) for name in one)
    assert not all(torch.equal(one[name], other[name]) for name in one)


def test_resumed_run_equals_an_uninterrupted_one(
    config: TrainConfig, interrupt: Callable[[int, BaseException], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    uninterrupted = train_model(config).run
    with monkeypatch.context():
        interrupt(2, RuntimeError("power cut"))
        with pytest.raises(RuntimeError, match="power cut"):
            train_model(replace(config, name="stopped"))
        monkeypatch.undo()
    (stopped,) = config.runs.glob("*-stopped")
    assert (config.runs / "latest").resolve() == uninterrupted
    assert not (stopped / "model_card.json").exists()
    assert len(rows(stopped / "training_history.csv")) == 2

    result = resume_training(stopped)

    assert result.run == stopped
    assert without_seconds(stopped) == without_seconds(uninterrupted)
    before, after = weights(uninterrupted), weights(stopped)
    assert all(torch.equal(before[name], after[name]) for name in before)
    assert (stopped / "splits.csv").read_text() == (uninterrupted / "splits.csv").read_text()
    assert (config.runs / "latest").resolve() == stopped


def test_interrupt_reaches_the_caller_and_the_signal_handler_is_restored(
    config: TrainConfig, interrupt: Callable[[int, BaseException], None], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    handler = signal.getsignal(signal.SIGINT)
    interrupt(1, KeyboardInterrupt())
    with pytest.raises(KeyboardInterrupt):
        train_model(config)
    assert signal.getsignal(signal.SIGINT) is handler
    assert "resume with: cxr-train --resume" in caplog.text


def test_terminated_run_exits_with_the_code_of_its_signal(
    config: TrainConfig, interrupt: Callable[[int, BaseException], None]
) -> None:
    from lightning.pytorch.utilities.exceptions import SIGTERMException

    interrupt(1, SIGTERMException())
    with pytest.raises(SystemExit) as caught:
        train_model(config)
    assert caught.value.code == 128 + signal.SIGTERM


def test_finished_run_is_not_resumed(trained: TrainResult) -> None:
    with pytest.raises(InputError, match="this run is finished"):
        resume_training(trained.run)


def test_other_folder_is_not_resumed(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="not a training run"):
        resume_training(tmp_path)


def test_run_without_a_finished_epoch_is_not_resumed(config: TrainConfig, tmp_path: Path) -> None:
    config.write(tmp_path, dataset_name="images")
    with pytest.raises(InputError, match=r"no last\.ckpt to resume from"):
        resume_training(tmp_path)


def test_file_that_is_no_checkpoint_is_reported_before_an_image_is_read(
    config: TrainConfig, tmp_path: Path
) -> None:
    config.write(tmp_path, dataset_name="images")
    for content in ({"state_dict": {}}, [1]):
        torch.save(content, tmp_path / "last.ckpt")
        with pytest.raises(ModelError, match=r"last\.ckpt: is not a checkpoint of cxr-train"):
            resume_training(tmp_path)


def test_result_is_the_same_when_images_do_not_fit_in_memory(
    config: TrainConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = replace(config, epochs=1)
    in_memory = weights(train_model(config).run)
    monkeypatch.setattr(preparation, "MAX_CACHE_BYTES", 0)
    from_disk = weights(train_model(replace(config, workers=0)).run)
    assert all(torch.equal(in_memory[name], from_disk[name]) for name in in_memory)


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"encoder": "resnet19"}, ModelError, "unknown encoder 'resnet19'"),
        ({"fold": 7}, InputError, "fold 7"),
        ({"classes": ("heart",)}, InputError, "heart"),
        ({"dataset": Path("gone")}, InputError, "gone"),
    ],
)
def test_invalid_request_is_rejected_before_a_run_folder_is_made(
    config: TrainConfig, change: dict[str, object], error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message) as caught:
        train_model(replace(config, **change))  # type: ignore[arg-type]
    assert "\n" not in str(caught.value)
    assert not config.runs.exists()


def test_baselines_are_stored_beside_dice_and_printed_in_the_scores(trained: TrainResult) -> None:
    card = ModelCard.read(trained.run / "model_card.json")
    assert card.baselines == trained.baselines
    names = {name: [one.name for one in baselines] for name, baselines in card.baselines.items()}
    assert names == {
        "lesion": ["empty mask", "mean mask", "whole lung mask"],
        "lung": ["empty mask", "mean mask"],
    }
    empty, mean, lung = card.baselines["lesion"]
    assert (empty.images, mean.images, lung.images) == (2, 2, 2)
    assert empty.dice.value == 0
    # The lung covers 1280 pixels, of which the lesion covers 168.
    assert lung.dice.value == pytest.approx(2 * 168 / (168 + 1280))
    assert card.metrics["lesion"].dice is not None
    model = card.metrics["lesion"].dice.value
    assert mean.difference.value == pytest.approx(model - mean.dice.value)
    table = rows(trained.run / "baseline_scores.csv")
    assert [
        row["baseline"] for row in table if row["image"] == "images/9.png" and row["class"] == "lung"
    ] == [
        "empty mask",
        "mean mask",
    ]


def test_model_no_better_than_a_trivial_one_is_reported(
    config: TrainConfig, caplog: pytest.LogCaptureFixture
) -> None:
    # One epoch at almost no learning rate leaves random weights.
    train_model(replace(config, epochs=1, lr=1e-9))
    assert "lesion: the model is not better than a trivial prediction" in caplog.text


def test_fingerprint_recognizes_the_images_of_the_data_set(trained: TrainResult, images: Path) -> None:
    fingerprint = ModelCard.read(trained.run / "model_card.json").fingerprint
    assert fingerprint is not None
    assert fingerprint.images == 16
    for path in sorted((images / "images").glob("?.png")):
        pixels = np.asarray(cv2.imread(str(path), cv2.IMREAD_GRAYSCALE), np.uint8)
        assert fingerprint.contains(pixels)
        assert not fingerprint.contains(pixels[::-1])


def test_fingerprint_can_be_left_out(config: TrainConfig) -> None:
    result = train_model(replace(config, epochs=1, fingerprint=False))
    assert ModelCard.read(result.run / "model_card.json").fingerprint is None


def test_loss_that_is_not_finite_ends_the_run_and_latest_is_unchanged(
    config: TrainConfig, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    before = train_model(replace(config, epochs=1)).run
    with pytest.raises(InputError, match=r"loss of epoch 1 is not finite .*lower --lr than 1e\+18") as caught:
        train_model(replace(config, lr=1e18, name="diverged"))
    assert "\n" not in str(caught.value)
    assert (config.runs / "latest").resolve() == before
    (diverged,) = config.runs.glob("*-diverged")
    assert not {"best_unet.pth", "last.ckpt", "model_card.json"} & {path.name for path in diverged.iterdir()}
    assert "resume with" not in caplog.text


def test_only_step_of_a_run_is_taken_at_the_learning_rate_given(config: TrainConfig) -> None:
    result = train_model(replace(config, epochs=1, batch_size=16))
    (row,) = rows(result.run / "training_history.csv")
    assert float(row["lr"]) == pytest.approx(config.lr)


@pytest.mark.parametrize("size", [0, 5000])
def test_torn_checkpoint_is_named(
    size: int, config: TrainConfig, interrupt: Callable[[int, BaseException], None]
) -> None:
    interrupt(1, RuntimeError("power cut"))
    with pytest.raises(RuntimeError, match="power cut"):
        train_model(config)
    (run,) = (path for path in config.runs.iterdir() if path.is_dir())
    checkpoint = run / "last.ckpt"
    checkpoint.write_bytes(checkpoint.read_bytes()[:size])
    with pytest.raises(ModelError, match=r"last\.ckpt: this file is damaged") as caught:
        resume_training(run)
    assert "\n" not in str(caught.value)


def test_image_that_disappears_during_training_is_named_in_one_line(
    config: TrainConfig, images: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    moved = tmp_path / "moved"
    shutil.copytree(images, moved)
    monkeypatch.setattr(preparation, "MAX_CACHE_BYTES", 0)
    run = preparation.prepare_run(replace(config, dataset=moved, workers=2))
    (moved / "images/9.png").unlink()
    (moved / "images/8.png").unlink()
    (moved / "images/5.png").unlink()
    with pytest.raises(InputError, match=r"/images/[589]\.png: ") as caught:
        fit.fit(run)
    assert "\n" not in str(caught.value)
    assert "Traceback" not in str(caught.value)
