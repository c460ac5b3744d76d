"""`cxr-train --init` and `--freeze`: what training starts from, and what it leaves alone."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from click.testing import CliRunner

from cxr.errors import CxrError, ExitCode, InputError
from cxr.models.card import ModelCard
from cxr.models.command import card_lines
from cxr.models.network.build import NetworkSpec
from cxr.train.command import command
from cxr.train.freeze import Freeze
from cxr.train.preparation import prepare_run
from cxr.train.run import TrainConfig, resume_training, train_model
from cxr.train.run_folder import TrainResult
from cxr.train.start.weights import read_initial_weights

SMALL_DECODER = (32, 16, 16, 8, 8)


def state(run: Path) -> dict[str, torch.Tensor]:
    loaded: dict[str, torch.Tensor] = torch.load(run / "best_unet.pth", weights_only=True)
    return loaded


@pytest.fixture
def starting(config: TrainConfig, trained: TrainResult) -> TrainConfig:
    """A configuration that starts from the finished run and leaves its network open."""
    return replace(config, init=str(trained.run), encoder=None, decoder_channels=None, epochs=2)


@pytest.fixture
def copied(trained: TrainResult, tmp_path: Path) -> Path:
    return Path(shutil.copytree(trained.run, tmp_path / "copied"))


@pytest.mark.parametrize("name", ["", "best_unet.pth"])
def test_run_folder_and_its_weights_give_the_best_epoch(trained: TrainResult, name: str) -> None:
    weights = read_initial_weights(str(trained.run / name))
    assert weights.network == NetworkSpec("unet", "resnet18", SMALL_DECODER)
    assert weights.classes == ("lesion", "lung")
    best = state(trained.run)
    assert all(torch.equal(weights.tensors[name], tensor) for name, tensor in best.items())


@pytest.mark.parametrize("finished", [True, False])
def test_checkpoint_gives_the_last_epoch(copied: Path, finished: bool) -> None:
    card = ModelCard.read(copied / "model_card.json")
    if not finished:
        (copied / "model_card.json").unlink()
    weights = read_initial_weights(str(copied / "last.ckpt"))
    assert weights.network == NetworkSpec("unet", "resnet18", SMALL_DECODER)
    assert weights.classes == card.classes
    assert weights.tensors.keys() == state(copied).keys()
    license_text = card.license if finished else "not stated (an unfinished run)"
    assert (weights.ancestor.name, weights.ancestor.license) == ("images", license_text)


def test_network_defaults_to_that_of_the_model_and_size_stays_a_choice(
    starting: TrainConfig, trained: TrainResult
) -> None:
    prepared = prepare_run(replace(starting, size=64))
    assert prepared.network == NetworkSpec("unet", "resnet18", SMALL_DECODER)
    assert prepared.config.encoder == "resnet18"
    assert (prepared.spec.height, prepared.spec.width) == (64, 64)
    encoder = "encoder.layer1.0.conv1.weight"
    assert torch.equal(prepared.segmenter.network.state_dict()[encoder], state(trained.run)[encoder])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"encoder": "resnet34"}, "is a unet with encoder resnet18 .*, not a unet with encoder resnet34"),
        ({"architecture": "fpn"}, "not a fpn with encoder resnet18 .*: leave out --architecture and --enc"),
        ({"decoder_channels": (8, 8, 8, 8, 8)}, "decoder 32-16-16-8-8, not a .* decoder 8-8-8-8-8"),
        ({"init": "lungz"}, "--init lungz: there is no such file; give"),
        ({"init": "notes.txt"}, "training cannot start from this kind of file"),
        ({"init": "runs"}, "this run is not finished"),
        ({"init": "alone/best_unet.pth"}, "no model_card.json beside it"),
        ({"init": "alone/last.ckpt"}, "no training.json beside it"),
        ({"init": "alone/other.ckpt"}, "is not a checkpoint of cxr-train"),
        ({"init": "alone/torn.ckpt"}, "damaged or was not written by PyTorch"),
    ],
)
def test_what_training_cannot_start_from_is_named_in_one_line_before_the_images_are_read(
    starting: TrainConfig,
    trained: TrainResult,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    change: dict[str, object],
    message: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "runs").mkdir()
    (tmp_path / "alone").mkdir()
    (tmp_path / "notes.txt").touch()
    for name in ("best_unet.pth", "last.ckpt"):
        shutil.copy(trained.run / name, tmp_path / "alone" / name)
    shutil.copy(trained.run / "best_unet.pth", tmp_path / "alone" / "other.ckpt")
    (tmp_path / "alone" / "torn.ckpt").write_bytes((trained.run / "last.ckpt").read_bytes()[:5000])
    with pytest.raises(CxrError, match=message) as caught:
        train_model(replace(starting, **change))
    assert "\n" not in str(caught.value)
    assert list(starting.runs.glob("*")) == []


def test_weights_of_another_network_are_rejected(copied: Path, starting: TrainConfig) -> None:
    card = ModelCard.read(copied / "model_card.json")
    (copied / "model_card.json").write_text(replace(card, encoder="resnet34").to_json())
    with pytest.raises(
        CxrError, match=r"has no encoder\.layer1\.2\..*, so it is no unet with encoder resnet34"
    ):
        train_model(replace(starting, init=str(copied)))


def test_encoder_weights_beside_a_model_are_rejected(starting: TrainConfig) -> None:
    with pytest.raises(InputError, match="init takes all weights"):
        replace(starting, encoder_weights="encoder.pth")


def test_random_encoder_cannot_be_frozen(config: TrainConfig) -> None:
    with pytest.raises(InputError, match="its weights would stay random"):
        replace(config, freeze=Freeze.ENCODER)


def test_frozen_encoder_keeps_every_weight_and_statistic_while_the_rest_learns(
    starting: TrainConfig, trained: TrainResult
) -> None:
    before = state(trained.run)
    after = state(train_model(replace(starting, freeze=Freeze.ENCODER)).run)
    changed = {name for name, tensor in before.items() if not torch.equal(after[name], tensor)}
    encoder = {name for name in before if name.startswith("encoder.")}
    assert encoder
    assert changed.isdisjoint(encoder)
    assert {"decoder.blocks.0.conv1.0.weight", "decoder.blocks.0.conv1.1.running_mean"} <= changed


def test_all_weights_learn_unless_they_are_frozen(starting: TrainConfig, trained: TrainResult) -> None:
    before, after = state(trained.run), state(train_model(starting).run)
    assert not torch.equal(after["encoder.conv1.weight"], before["encoder.conv1.weight"])
    assert not torch.equal(after["encoder.bn1.running_mean"], before["encoder.bn1.running_mean"])


def test_card_names_the_ancestor_and_its_license(starting: TrainConfig, trained: TrainResult) -> None:
    run = train_model(replace(starting, epochs=1)).run
    card = ModelCard.read(run / "model_card.json")
    assert card.ancestor == read_initial_weights(str(trained.run)).ancestor
    assert card.license == f"not stated; initialized from images: {card.ancestor.license}"
    lines = "\n".join(card_lines(card))
    assert f"initialized from  images ({card.ancestor.license}), sha256 {card.ancestor.sha256}" in lines


def test_validation_images_that_the_model_has_seen_are_reported(
    starting: TrainConfig, caplog: pytest.LogCaptureFixture
) -> None:
    prepare_run(starting)
    assert "4 of 4 validation images are in the data set of" in caplog.text


def test_run_is_resumed_without_the_file_it_started_from(
    copied: Path,
    starting: TrainConfig,
    interrupt: Callable[[int, BaseException], None],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    frozen = replace(starting, init=str(copied), freeze=Freeze.ENCODER)
    whole = train_model(replace(frozen, name="whole")).run
    interrupt(1, RuntimeError("power cut"))
    with pytest.raises(RuntimeError, match="power cut"):
        train_model(replace(frozen, name="broken"))
    monkeypatch.undo()
    (broken,) = starting.runs.glob("*-broken")
    expected = read_initial_weights(str(copied)).ancestor
    shutil.rmtree(copied)
    result = resume_training(broken)
    assert ModelCard.read(result.run / "model_card.json").ancestor == expected
    resumed = state(result.run)
    assert all(torch.equal(resumed[name], tensor) for name, tensor in state(whole).items())


def test_command_trains_from_a_model(images: Path, trained: TrainResult, tmp_path: Path) -> None:
    arguments = [str(images), "--init", str(trained.run), "--freeze", "encoder", "--classes", "lesion"]
    arguments += ["--size", "32", "--epochs", "1", "--batch-size", "4", "--runs", str(tmp_path)]
    result = CliRunner().invoke(command, arguments)
    assert result.exit_code == ExitCode.DONE, result.output
    assert "lesion: Dice" in result.output


def test_command_rejects_another_encoder_in_one_line(images: Path, trained: TrainResult) -> None:
    arguments = [str(images), "--classes", "lesion", "--init", str(trained.run), "--encoder", "resnet34"]
    result = CliRunner().invoke(command, arguments)
    assert result.exit_code == ExitCode.ERROR
    assert len(result.stderr.splitlines()) == 1
    assert "leave out --architecture and --encoder" in result.stderr
