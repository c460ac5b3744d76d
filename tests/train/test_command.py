from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from cxr.errors import ExitCode
from cxr.train.command import command
from cxr.train.run_folder import TrainResult


def test_a_run_by_command_prints_where_it_is_and_how_good(images: Path, tmp_path: Path) -> None:
    options = "--classes lesion --encoder resnet18 --encoder-weights none --size 32 --epochs 1 --batch-size 4"
    runs = tmp_path / "runs"
    result = CliRunner().invoke(
        command, [str(images), *options.split(), "--runs", str(runs), "--name", "toy"]
    )
    assert result.exit_code == ExitCode.DONE, result.output
    assert f"{(runs / 'latest').resolve()}: best of 1 epochs is 1" in result.output
    assert "lesion: Dice " in result.output


def test_without_a_data_set_the_nih_folder_is_looked_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    result = CliRunner().invoke(command, [])
    assert result.exit_code == ExitCode.ERROR
    assert "NIH-Chest-X-ray-dataset" in result.output
    assert "cxr sample" in result.output
    assert list(tmp_path.iterdir()) == []


def test_an_error_is_one_line(images: Path) -> None:
    result = CliRunner().invoke(command, [str(images), "--classes", "heart"])
    assert result.exit_code == ExitCode.ERROR
    assert len(result.output.splitlines()) == 1


@pytest.mark.parametrize("other", [["--epochs", "3"], ["some/folder"], ["--seed", "0", "--size", "64"]])
def test_settings_beside_resume_are_refused(trained: TrainResult, other: list[str]) -> None:
    result = CliRunner().invoke(command, ["--resume", str(trained.run), *other])
    assert result.exit_code == ExitCode.USAGE
    assert "takes every setting from the run" in result.output


def test_a_finished_run_cannot_be_resumed(trained: TrainResult) -> None:
    result = CliRunner().invoke(command, ["--resume", str(trained.run)])
    assert result.exit_code == ExitCode.ERROR
    assert "this run is finished" in result.output


@pytest.mark.parametrize("room", ["train", "models"])
def test_help_imports_nothing_heavy(room: str) -> None:
    heavy = "{'torch', 'numpy', 'onnxruntime', 'cv2', 'pyarrow'}"
    program = (
        f"import sys\nfrom cxr.{room}.command import command\n"
        "command.main(['--help'], standalone_mode=False)\n"
        f"sys.exit(str(sorted({heavy} & set(sys.modules))) if {heavy} & set(sys.modules) else 0)"
    )
    result = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
    assert result.stdout.startswith("Usage:")
