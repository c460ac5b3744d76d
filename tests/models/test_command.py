from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner
from onnx import TensorProto, helper, save

from cxr.errors import ExitCode, ModelError
from cxr.export.graph import attach_card
from cxr.metrics.records import ClassMetrics, Interval
from cxr.models import shipped
from cxr.models.card import METADATA_KEY, ModelCard, Parity, Quantization, TrainingData
from cxr.models.checksum import Checksum
from cxr.models.command import card_lines, command


@pytest.fixture
def model(tmp_path: Path, toy_card: ModelCard) -> Path:
    shape: list[str | int | None] = ["N", 1, 64, 96]
    graph = helper.make_graph(
        [helper.make_node("Identity", ["image"], ["probability"])],
        "toy",
        [helper.make_tensor_value_info("image", TensorProto.UINT8, shape)],
        [helper.make_tensor_value_info("probability", TensorProto.UINT8, shape)],
    )
    made = helper.make_model(graph)
    helper.set_model_props(made, {METADATA_KEY: toy_card.to_json()})
    save(made, tmp_path / "toy.onnx")
    return tmp_path / "toy.onnx"


def test_command_without_any_shipped_model_says_how_to_make_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shipped, "_FOLDER", tmp_path)
    result = CliRunner().invoke(command, [])
    assert result.exit_code == ExitCode.DONE
    assert "no model is shipped" in result.output


def test_card_in_a_json_file_is_shown(tmp_path: Path, toy_card: ModelCard) -> None:
    path = tmp_path / "card.json"
    path.write_text(toy_card.to_json(), encoding="utf-8")
    result = CliRunner().invoke(command, [str(path)])
    assert result.exit_code == ExitCode.DONE
    assert result.output.splitlines() == card_lines(toy_card)
    assert "lung at 0.5, lesion at 0.4" in result.output
    assert "96 x 64 pixels, pad" in result.output


def test_shipped_model_is_listed_with_its_files_and_its_dice_by_source(
    model: Path, toy_card: ModelCard, monkeypatch: pytest.MonkeyPatch
) -> None:
    metrics = {"lung": ClassMetrics(12, 0, Interval(0.953, 0.95, 0.96), Interval(0.91, 0.9, 0.92))}
    training = TrainingData("s", 1, 1, 12, 12, "x", "CC0", command="python train.py")
    card = replace(toy_card, metrics_by_source={"Montgomery": metrics}, training=training)
    attach_card(model, card)
    model.rename(model.with_name("lungs.onnx"))
    monkeypatch.setattr(shipped, "_FOLDER", model.parent)
    listed = CliRunner().invoke(command, []).output
    assert listed.startswith("lungs  lung, lesion  lungs.onnx (0.0 MB)\n  Montgomery, lung: Dice 0.953")
    shown = CliRunner().invoke(command, ["lungs"]).output
    assert "Montgomery, lung: Dice 0.953" in shown
    assert "trained by" in shown


def test_metrics_of_a_source_are_of_the_models_classes(toy_card: ModelCard) -> None:
    with pytest.raises(ModelError, match="unknown classes"):
        replace(toy_card, metrics_by_source={"Montgomery": {"heart": ClassMetrics(1, 0)}})


def test_card_of_a_model_is_shown_without_importing_torch(model: Path, toy_card: ModelCard) -> None:
    code = (
        "import sys\nfrom cxr.models.command import command\n"
        "command.main([sys.argv[1]], standalone_mode=False)\n"
    )
    check = "assert 'torch' not in sys.modules and 'onnxruntime' not in sys.modules"
    program = f"try:\n  {code.replace(chr(10), chr(10) + '  ')}\nfinally:\n  {check}"
    result = subprocess.run(
        [sys.executable, "-c", program, str(model)], capture_output=True, text=True, check=False
    )
    assert result.stderr == ""
    assert result.stdout.splitlines() == card_lines(toy_card)


def test_every_field_of_a_complete_card_is_shown(toy_card: ModelCard) -> None:
    interval = Interval(0.95, 0.94, 0.96)
    full = replace(
        toy_card,
        training=TrainingData("images", 80, 40, 20, 10, "abc", "CC0"),
        metrics={"lung": ClassMetrics(18, 2, interval, interval, interval)},
        parity=Parity("cpu", (1, 2), 24, 1e-6, 0.99999, 1.0),
        quantization=Quantization("static QDQ", 96, 0.0008, 1.7, "cpu"),
        versions={"torch": "2.9", "cxr": "0.1.0"},
    )
    text = "\n".join(card_lines(full))
    for phrase in ("80 images of 40 patients", "20 images of 10 other", "Dice 0.950 (0.940 to 0.960)"):
        assert phrase in text
    for phrase in ("99.9990% of mask pixels", "static QDQ: Dice -0.0008, 1.70 x", "cxr 0.1.0, torch 2.9"):
        assert phrase in text


@pytest.mark.parametrize("name", ["gone.json", "gone.onnx"])
def test_missing_file_is_reported_in_one_line_with_exit_code_1(tmp_path: Path, name: str) -> None:
    result = CliRunner().invoke(command, [str(tmp_path / name)])
    assert result.exit_code == ExitCode.ERROR
    assert len(result.output.splitlines()) == 1
    assert name in result.output


def test_chosen_thresholds_and_checksums_are_shown(toy_card: ModelCard) -> None:
    choice = {"lesion": "best mean Dice of 0.05 to 0.95 on 9 images that show it (a set)"}
    card = replace(toy_card, threshold_choice=choice, checksum=Checksum("ab" * 32, "cd" * 32))
    lines = card_lines(card)
    assert any(line.startswith("threshold of lesion") and "on 9 images" in line for line in lines)
    assert any(line.startswith("checksum") and "ab" * 32 in line for line in lines)
