"""Which of the two files of a shipped model runs."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from cxr.export.graph import attach_card
from cxr.infer.runtime import model_file
from cxr.infer.runtime.model_file import choose_file
from cxr.infer.runtime.selection import BestSetting, store_best_setting
from cxr.models.card import Precision, Quantization
from cxr.models.file.onnx_file import read_card, read_onnx
from cxr.models.shipped import ShippedModel


@pytest.fixture
def shipped(model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ShippedModel:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return with_int8(model, tmp_path, "minmax u8s8")


def with_int8(model: Path, folder: Path, method: str) -> ShippedModel:
    """Add a copy of a model whose card says that it was quantized by a method."""
    path = folder / "lungs_int8.onnx"
    shutil.copy(model, path)
    quantization = Quantization(method, calibration_images=1, dice_drop=0.0, speed_up=2.0, provider="cpu")
    attach_card(path, replace(read_card(model), precision=Precision.INT8, quantization=quantization))
    return ShippedModel("lungs", model, path)


def test_file_that_is_named_is_used(model: Path) -> None:
    assert choose_file(model, "cuda") == model


@pytest.mark.parametrize("provider", ["cpu", "openvino"])
def test_int8_file_runs_on_the_cpu_unless_its_products_saturate_there(
    shipped: ShippedModel, model: Path, tmp_path: Path, provider: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(model_file, "int8_saturates", lambda: False)
    assert choose_file(shipped, provider) == shipped.int8_file
    monkeypatch.setattr(model_file, "int8_saturates", lambda: True)
    assert choose_file(shipped, provider) == shipped.float_file
    seven_bits = with_int8(model, tmp_path, "minmax u8s7")
    assert choose_file(seven_bits, provider) == seven_bits.int8_file


@pytest.mark.parametrize("provider", ["cuda", "tensorrt", "coreml", "directml"])
def test_float_file_runs_elsewhere(shipped: ShippedModel, provider: str) -> None:
    assert choose_file(shipped, provider) == shipped.float_file


def test_with_auto_the_file_that_the_bench_found_faster_runs(shipped: ShippedModel) -> None:
    assert shipped.int8_file is not None
    for faster, slower in ((shipped.float_file, shipped.int8_file), (shipped.int8_file, shipped.float_file)):
        store_best_setting(read_onnx(faster).hash(), BestSetting("cpu", 4, 200.0))
        store_best_setting(read_onnx(slower).hash(), BestSetting("cpu", 4, 100.0))
        assert choose_file(shipped, "auto") == faster


def test_with_auto_a_file_that_alone_was_measured_is_not_the_faster_one(
    shipped: ShippedModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(model_file, "int8_saturates", lambda: False)
    monkeypatch.setattr(model_file, "_expected", lambda _provider: "cpu")
    store_best_setting(read_onnx(shipped.float_file).hash(), BestSetting("cpu", 4, 200.0))
    assert choose_file(shipped, "auto") == shipped.int8_file


def test_without_a_stored_result_no_file_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(model_file, "int8_saturates", lambda: False)  # else the int8 file's card decides
    missing = ShippedModel("lungs", tmp_path / "lungs.onnx", tmp_path / "lungs_int8.onnx")
    assert choose_file(missing, "auto") in missing.files
