"""Which of the two files of a shipped model runs."""

from __future__ import annotations

from pathlib import Path

import pytest

from cxr.infer.runtime import model_file
from cxr.infer.runtime.model_file import choose_file
from cxr.infer.runtime.selection import BestSetting, store_best_setting
from cxr.models.file.onnx_file import read_onnx
from cxr.models.shipped import ShippedModel


@pytest.fixture
def shipped(model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ShippedModel:
    """Two files with other hashes: the second has one byte more in its metadata."""
    import onnx

    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    copy = onnx.load(model)
    onnx.helper.set_model_props(copy, {"note": "int8"})
    onnx.save(copy, tmp_path / "lungs_int8.onnx")
    return ShippedModel("lungs", model, tmp_path / "lungs_int8.onnx")


def test_file_that_is_named_is_used(model: Path) -> None:
    assert choose_file(model, "cuda") == model


@pytest.mark.parametrize("provider", ["cpu", "openvino"])
def test_int8_file_runs_on_processors_made_for_it(
    shipped: ShippedModel, provider: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for saturates, expected in ((False, shipped.int8_file), (True, shipped.float_file)):
        monkeypatch.setattr(model_file, "int8_saturates", lambda saturates=saturates: saturates)
        assert choose_file(shipped, provider) == expected


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
    missing = ShippedModel("lungs", tmp_path / "lungs.onnx", tmp_path / "lungs_int8.onnx")
    assert choose_file(missing, "auto") in missing.files
