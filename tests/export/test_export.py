"""`cxr-export` writes one self-describing file that matches PyTorch, or no file."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from click.testing import CliRunner

from cxr.errors import ModelError
from cxr.export.command import command
from cxr.export.parity import BATCHES, Limits, check_limits, compare
from cxr.export.run import ExportSummary, export_model, load_segmenter
from cxr.infer.runtime.session import Session
from cxr.metrics.records import BaselineMetrics, Interval
from cxr.models.card import ModelCard, Parity
from cxr.models.file.onnx_file import read_card
from cxr.models.network.segmenter import predictor


def test_export_is_one_file_with_the_card_inside(exported: ExportSummary) -> None:
    assert [path.name for path in exported.path.parent.iterdir()] == ["model.onnx"]
    session = Session.open(exported.path, provider="cpu")
    assert session.card == exported.card
    assert session.card.parity == exported.parity


def test_metadata_has_plain_keys_for_other_tools(exported: ExportSummary) -> None:
    model = onnx.load(exported.path)
    keys = {entry.key: entry.value for entry in model.metadata_props}
    assert keys["names"] == "{0: 'lung', 1: 'lesion'}"
    assert keys["imgsz"] == "[64, 64]"
    assert keys["license"] == "Apache-2.0"


def test_model_maps_pixels_to_probabilities_at_any_batch_size(exported: ExportSummary) -> None:
    session = Session.open(exported.path, provider="cpu")
    for batch in (*BATCHES, 5):
        output = session.run(np.full((batch, 1, 64, 64), 255, np.uint8))
        assert output.shape == (batch, 2, 64, 64)
        assert output.dtype == np.float32
        assert output.min() >= 0
        assert output.max() <= 1


def test_graph_normalizes_as_the_card_says(run_folder: Path) -> None:
    card = ModelCard.read(run_folder / "model_card.json")
    segmenter = load_segmenter(run_folder, card)
    pixels = torch.randint(0, 256, (2, 1, 64, 64), dtype=torch.uint8)
    normalized = (pixels / 255 - card.normalization.mean) / card.normalization.std
    with torch.inference_mode():
        actual = segmenter(pixels)
        expected = segmenter.network(normalized).sigmoid()
    torch.testing.assert_close(actual, expected, atol=1e-5, rtol=1e-4)


def test_parity_is_measured_on_noise_and_all_validation_images(exported: ExportSummary) -> None:
    assert exported.parity.batches == BATCHES
    assert exported.parity.images == 5
    assert exported.parity.max_difference < 1e-4
    assert exported.parity.mask_agreement > 0.9999


def test_parity_detects_a_different_model(run_folder: Path) -> None:
    card = ModelCard.read(run_folder / "model_card.json")
    predict = predictor(load_segmenter(run_folder, card))
    images = sorted((run_folder / "images").glob("*.png"))

    def darker(batch: np.ndarray) -> np.ndarray:
        return predict(batch // 2)

    wrong = compare(predict, darker, card, images, provider="cpu")
    same = compare(predict, predict, card, images, provider="cpu")
    assert same == replace(same, max_difference=0.0, mask_agreement=1.0, rows_equal=1.0)
    with pytest.raises(ModelError, match="probabilities differ"):
        check_limits(wrong, Limits())
    check_limits(same, Limits())


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"max_difference": 0.1}, "probabilities differ by 0.1"),
        ({"max_difference": float("nan")}, "probabilities differ"),
        ({"mask_agreement": 0.5}, "masks agree on 0.5"),
        ({"rows_equal": 0.2}, "feature rows agree on 0.2"),
    ],
)
def test_each_limit_is_enforced(change: dict[str, float], message: str) -> None:
    good = Parity("cpu", BATCHES, 3, max_difference=1e-7, mask_agreement=1.0, rows_equal=1.0)
    check_limits(good, Limits())
    with pytest.raises(ModelError, match=message):
        check_limits(replace(good, **change), Limits())


def test_no_file_is_written_if_parity_fails(run_folder: Path, tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="no file was written"):
        export_model(tmp_path / "model.onnx", run=run_folder, limits=Limits(max_difference=0.0))
    assert list(tmp_path.iterdir()) == []


def test_weights_of_another_network_are_rejected(run_folder: Path, tmp_path: Path) -> None:
    other = tmp_path / "run"
    shutil.copytree(run_folder, other)
    torch.save({"x": torch.zeros(1)}, other / "best_unet.pth")
    with pytest.raises(ModelError, match="do not fit Unet/resnet18"):
        export_model(tmp_path / "model.onnx", run=other)
    assert not (tmp_path / "model.onnx").exists()


def test_error_without_a_run_names_cxr_train(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    result = CliRunner().invoke(command, ["model.onnx"])
    assert result.exit_code == 1
    assert len(result.stderr.splitlines()) == 1
    assert "cxr-train" in result.stderr


def test_command_prints_the_parity(run_folder: Path, tmp_path: Path) -> None:
    result = CliRunner().invoke(command, [str(tmp_path / "m.onnx"), "--run", str(run_folder)])
    assert result.exit_code == 0, result.stderr
    assert "mask pixels that agree" in result.stdout
    assert "100.0" in result.stdout


@pytest.mark.parametrize("size", [0, 100, 5000])
def test_torn_weights_are_named_in_one_line_and_no_file_is_written(
    size: int, run_folder: Path, tmp_path: Path
) -> None:
    other = tmp_path / "run"
    shutil.copytree(run_folder, other)
    weights = other / "best_unet.pth"
    weights.write_bytes(weights.read_bytes()[:size])
    result = CliRunner().invoke(command, [str(tmp_path / "model.onnx"), "--run", str(other)])
    assert result.exit_code == 1
    assert len(result.stderr.splitlines()) == 1
    assert "best_unet.pth: this file is damaged" in result.stderr
    assert not (tmp_path / "model.onnx").exists()


def test_parity_without_any_image_counts_no_feature_row(run_folder: Path, tmp_path: Path) -> None:
    moved = tmp_path / "run"
    shutil.copytree(run_folder, moved)
    settings = (moved / "training.json").read_text()
    (moved / "training.json").write_text(settings.replace(str(run_folder / "images"), str(tmp_path / "none")))
    result = CliRunner().invoke(command, [str(tmp_path / "m.onnx"), "--run", str(moved)])
    assert result.exit_code == 0, result.stderr
    assert "none compared" in result.stdout
    parity = read_card(tmp_path / "m.onnx").parity
    assert parity is not None
    assert (parity.images, parity.rows_equal) == (0, None)


def test_warning_about_a_trivial_model_is_repeated(
    run_folder: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    other = tmp_path / "run"
    shutil.copytree(run_folder, other)
    interval = Interval(0.1, -0.1, 0.3)
    baseline = BaselineMetrics("mean mask", 5, Interval(0.4, 0.3, 0.5), interval)
    card = replace(ModelCard.read(other / "model_card.json"), baselines={"lung": (baseline,)})
    (other / "model_card.json").write_text(card.to_json())
    summary = export_model(tmp_path / "model.onnx", run=other)
    assert summary.card.baselines == card.baselines
    assert "lung: the model is not better than a trivial prediction" in caplog.text
