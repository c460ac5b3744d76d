"""`cxr-export --int8` and `--fp16`: the file that was named, if it passes the gate, else a table."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
import torch
from click.testing import CliRunner

from cxr.export.command import command
from cxr.models.card import Precision
from cxr.models.onnx_file import read_card


@pytest.fixture(scope="module")
def broken_run(run_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same function in float, but one channel of some layers is 10,000 times as wide as the rest."""
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


def test_output_is_the_int8_file_once_the_gate_let_it_pass(run_folder: Path, tmp_path: Path) -> None:
    output = tmp_path / "model.onnx"
    arguments = [str(output), "--run", str(run_folder), "--int8", "--max-dice-drop", "0.1"]
    result = CliRunner().invoke(command, arguments)
    assert result.exit_code == 0, result.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["model.onnx"]
    card = read_card(output)
    assert card.precision is Precision.INT8
    assert card.quantization is not None
    assert card.quantization.calibration_images == 6
    assert card.quantization.dice_drop <= 0.1
    assert card.quantization.speed_up > 1
    assert card.parity is not None
    assert card.parity.max_difference < 1e-4
    assert card.metrics["lung"].positives == card.metrics["lesion"].positives == 5
    assert "kept" in result.stdout
    assert "parity of fp32 with PyTorch" in result.stdout
    assert output.stat().st_size < 0.3 * (run_folder / "best_unet.pth").stat().st_size


def test_a_model_that_int8_destroys_is_refused_with_the_table_of_what_was_tried(
    broken_run: Path, tmp_path: Path
) -> None:
    output = tmp_path / "model.onnx"
    output.write_bytes(b"what was there")
    result = CliRunner().invoke(command, [str(output), "--run", str(broken_run), "--int8"])
    assert result.exit_code == 1
    assert result.stdout.count("worse") == 5
    for tried in ("minmax", "percentile", "head in float", "ends in float"):
        assert tried in result.stdout
    assert len([line for line in result.stderr.splitlines() if "error" in line]) == 1
    assert "no int8 file was written" in result.stderr.splitlines()[-1]
    assert "where fp32 has 1.0000" in result.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["model.onnx"]
    assert output.read_bytes() == b"what was there"


def test_a_file_has_one_precision(tmp_path: Path) -> None:
    result = CliRunner().invoke(command, [str(tmp_path / "x.onnx"), "--int8", "--fp16"])
    assert result.exit_code == 2
    assert "choose one of --int8 and --fp16" in result.stderr


@pytest.mark.parametrize(
    "option", [("--provider", "cuda"), ("--provider", "cpu"), ("--max-dice-drop", "0.1")]
)
def test_what_only_a_lower_precision_heeds_is_refused_without_it(
    option: tuple[str, str], tmp_path: Path
) -> None:
    result = CliRunner().invoke(command, [str(tmp_path / "x.onnx"), *option])
    assert result.exit_code == 2
    assert f"{option[0]} goes with --int8 or --fp16" in result.stderr
