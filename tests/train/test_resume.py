"""A run that is stopped at any moment and resumed ends as one that was not stopped."""

from __future__ import annotations

import csv
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from cxr.train.config import TrainConfig
from cxr.train.loop import fit, recorder
from cxr.train.options import Augmentation, Loss
from cxr.train.run import resume_training, train_model
from cxr.train.scores.history import PATIENCE

EPOCHS = 6
PROGRAM = """
import sys
from pathlib import Path

import torch

from cxr.train.config import TrainConfig
from cxr.train.run import train_model

torch.set_num_threads(1)
train_model(TrainConfig.read(Path(sys.argv[1])))
"""


def with_everything(config: TrainConfig) -> TrainConfig:
    """All that has a state: the average, the sampler with weights, the streams of changes, the optimizer."""
    return replace(
        config,
        epochs=EPOCHS,
        augmentation=Augmentation.STRONG,
        loss=Loss.FOCAL_TVERSKY,
        ema=0.9,
        balance=True,
    )


@pytest.fixture(scope="module")
def unbroken(
    make_tiny_config: Callable[[Path], TrainConfig], tmp_path_factory: pytest.TempPathFactory
) -> Path:
    config = make_tiny_config(tmp_path_factory.mktemp("unbroken") / "runs")
    return train_model(with_everything(config)).run


def assert_equal_runs(run: Path, expected: Path) -> None:
    assert history(run) == history(expected)
    for name, values in (
        ("best_unet.pth", lambda state: state),
        ("last.ckpt", lambda checkpoint: checkpoint["state_dict"]),
    ):
        found, wanted = (values(torch.load(folder / name, weights_only=True)) for folder in (run, expected))
        assert found.keys() == wanted.keys()
        assert all(torch.equal(found[key], wanted[key]) for key in wanted)
    for name in ("validation_scores.csv", "splits.csv"):
        assert (run / name).read_bytes() == (expected / name).read_bytes()


def history(run: Path) -> list[dict[str, str]]:
    with (run / "training_history.csv").open(encoding="utf-8", newline="") as handle:
        return [{**row, "seconds": ""} for row in csv.DictReader(handle)]


@pytest.mark.parametrize("workers", [0, 2])
def test_killed_run_resumes_to_the_weights_of_an_unbroken_one(
    workers: int, tiny: TrainConfig, unbroken: Path, tmp_path: Path
) -> None:
    settings = tmp_path / "settings"
    settings.mkdir()
    with_everything(replace(tiny, workers=workers)).write(settings, dataset_name="images")
    with subprocess.Popen([sys.executable, "-c", PROGRAM, str(settings)]) as process:
        while not (checkpoints := list(tiny.runs.glob("*/last.ckpt"))) and process.poll() is None:
            time.sleep(0.02)
        time.sleep(random.uniform(0, 0.5))
        process.kill()
    (checkpoint,) = checkpoints
    run = checkpoint.parent
    assert process.returncode == -signal.SIGKILL
    assert not (run / "model_card.json").exists()
    resume_training(run)
    assert_equal_runs(run, unbroken)


@pytest.mark.parametrize("step", ["write_history", "save_torch_file"])
def test_run_stopped_between_two_files_of_an_epoch_resumes_to_the_same(
    step: str, tiny: TrainConfig, unbroken: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        stop_at_call(patch, recorder, step, 2)
        with pytest.raises(RuntimeError, match="power cut"):
            train_model(with_everything(tiny))
    (run,) = (path for path in tiny.runs.iterdir() if path.is_dir())
    resume_training(run)
    assert_equal_runs(run, unbroken)


def test_run_stopped_after_its_last_epoch_is_only_evaluated(
    tiny: TrainConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        stop_at_call(patch, fit, "evaluate_run", 1)
        with pytest.raises(RuntimeError, match="power cut"):
            # Nothing is learned, so training ends once its patience does.
            train_model(replace(tiny, epochs=12, lr=1e-12))
    (run,) = (path for path in tiny.runs.iterdir() if path.is_dir())
    before = history(run)
    result = resume_training(run)
    assert result.epochs == len(before) == 1 + PATIENCE
    assert history(run) == before


def stop_at_call(patch: pytest.MonkeyPatch, place: Any, name: str, number: int) -> None:
    """Stop the program when a function is called for this time, before it does anything."""
    original: Callable[..., Any] = getattr(place, name)
    calls = 0

    def stop(*arguments: Any, **settings: Any) -> Any:
        nonlocal calls
        calls += 1
        if calls == number:
            raise RuntimeError("power cut")
        return original(*arguments, **settings)

    patch.setattr(place, name, stop)
