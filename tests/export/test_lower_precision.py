"""`cxr-export --int8` and `--fp16` write the file if it is accepted, else print a table of results."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
import torch
from click.testing import CliRunner

from cxr.export.command import command
from cxr.models.card import Precision
from cxr.models.file.onnx_file import read_card
from cxr.models.file.verify import verify_model


@pytest.fixture(scope="module")
def broken_run(run_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run whose network is unchanged in float, but has channels of 10,000 times the range of the others."""
    folder = tmp_path_factory.mktemp("broken") / "run"
    shutil.copytree(run_folder, folder)
    state = torch.load(folder / "best_unet.pth", weights_only=True)
    for block in range(4):
        norm, after = f"decoder.blocks.{block}.conv1.1", f"decoder.blocks.{block}.conv2.0"
        state[f"{norm}.weight"][0] *= 1e4
        state[f"{norm}.bias"][0] *= 1e4
        state[f"{after}.weight"][:, 0] /= 1e4
    torch.save(state, folder / "best_unet.pth")
    return folder


def test_output_is_the_accepted_int8_file(run_folder: Path, tmp_path: Path) -> None:
    output = tmp_path / "model.onnx"
    arguments = [str(output), "--run", str(run_folder), "--int8", "--max-dice-drop", "0.1"]
    result = CliRunner().invoke(command, arguments)
    assert result.exit_code == 0, result.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["model.onnx"]
    verify_model(output)
    card = read_card(output)
    assert card.precision is Precision.INT8
    assert card.quantization is not None
    assert card.quantization.calibration_images == 6
    assert card.quantization.dice_drop <= 0.1
    assert card.quantization.speed_up > 1
    assert card.parity is not None
    assert card.parity.max_difference < 1e-4
    assert card.metrics["lung"].positives == card.metrics["lesion"].positives == 5
    assert "accepted" in result.stdout
    assert "parity of fp32 with PyTorch" in result.stdout
    assert output.stat().st_size < 0.3 * (run_folder / "best_unet.pth").stat().st_size


def test_inaccurate_int8_is_rejected_with_a_table_of_candidates(broken_run: Path, tmp_path: Path) -> None:
    output = tmp_path / "model.onnx"
    output.write_bytes(b"an earlier file")
    result = CliRunner().invoke(command, [str(output), "--run", str(broken_run), "--int8"])
    assert result.exit_code == 1
    assert result.stdout.count("less accurate") == 5
    for candidate in ("minmax", "percentile", "head in float", "ends in float"):
        assert candidate in result.stdout
    assert len([line for line in result.stderr.splitlines() if "error" in line]) == 1
    assert "no int8 file was written" in result.stderr.splitlines()[-1]
    assert "fp32 has 1.0000" in result.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["model.onnx"]
    assert output.read_bytes() == b"an earlier file"


def test_only_one_precision_can_be_given(tmp_path: Path) -> None:
    result = CliRunner().invoke(command, [str(tmp_path / "x.onnx"), "--int8", "--fp16"])
    assert result.exit_code == 2
    assert "give only one of --int8 and --fp16" in result.stderr


@pytest.mark.parametrize(
    "option", [("--provider", "cuda"), ("--provider", "cpu"), ("--max-dice-drop", "0.1")]
)
def test_options_of_lower_precision_are_rejected_for_fp32(option: tuple[str, str], tmp_path: Path) -> None:
    result = CliRunner().invoke(command, [str(tmp_path / "x.onnx"), *option])
    assert result.exit_code == 2
    assert f"{option[0]} needs --int8 or --fp16" in result.stderr
