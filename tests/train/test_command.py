from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from cxr.errors import ExitCode
from cxr.models.card import ModelCard
from cxr.train.command import command
from cxr.train.run_folder import TrainResult


def test_command_prints_the_run_folder_and_the_metrics(images: Path, tmp_path: Path) -> None:
    options = (
        "--classes lesion --encoder resnet18 --encoder-weights none --size 32 --epochs 1 --batch-size 4 "
        "--no-fingerprint"
    )
    runs = tmp_path / "runs"
    result = CliRunner().invoke(
        command, [str(images), *options.split(), "--runs", str(runs), "--name", "toy"]
    )
    assert result.exit_code == ExitCode.DONE, result.output
    assert f"{(runs / 'latest').resolve()}: best epoch 1 of 1" in result.output
    assert "lesion: Dice " in result.output
    assert "mean mask: Dice " in result.output
    assert ModelCard.read(runs / "latest" / "model_card.json").fingerprint is None


def test_without_an_argument_the_nih_folder_is_expected(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    result = CliRunner().invoke(command, [])
    assert result.exit_code == ExitCode.ERROR
    assert "NIH-Chest-X-ray-dataset" in result.output
    assert "cxr sample" in result.output
    assert list(tmp_path.iterdir()) == []


def test_error_is_one_line(images: Path) -> None:
    result = CliRunner().invoke(command, [str(images), "--classes", "heart"])
    assert result.exit_code == ExitCode.ERROR
    assert len(result.output.splitlines()) == 1


@pytest.mark.parametrize("other", [["--epochs", "3"], ["some/folder"], ["--seed", "0", "--size", "64"]])
def test_settings_given_with_resume_are_rejected(trained: TrainResult, other: list[str]) -> None:
    result = CliRunner().invoke(command, ["--resume", str(trained.run), *other])
    assert result.exit_code == ExitCode.USAGE
    assert "takes all settings from the run" in result.output


def test_finished_run_cannot_be_resumed(trained: TrainResult) -> None:
    result = CliRunner().invoke(command, ["--resume", str(trained.run)])
    assert result.exit_code == ExitCode.ERROR
    assert "this run is finished" in result.output


@pytest.mark.parametrize("package", ["train", "models"])
def test_help_imports_nothing_heavy(package: str) -> None:
    heavy = "{'torch', 'numpy', 'onnxruntime', 'cv2', 'pyarrow'}"
    program = (
        f"import sys\nfrom cxr.{package}.command import command\n"
        "command.main(['--help'], standalone_mode=False)\n"
        f"sys.exit(str(sorted({heavy} & set(sys.modules))) if {heavy} & set(sys.modules) else 0)"
    )
    result = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
    assert result.stdout.startswith("Usage:")


def test_empty_list_of_classes_is_wrong_usage() -> None:
    result = CliRunner().invoke(command, ["set", "--classes", ""])
    assert result.exit_code == ExitCode.USAGE
    assert "no class is named" in result.stderr
