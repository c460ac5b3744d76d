from __future__ import annotations

from importlib import import_module
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from cxr.errors import ProviderError
from cxr.infer.runtime import providers
from cxr.infer.runtime.providers import PROVIDERS, ort_providers
from cxr.infer.runtime.selection import BestSetting, load_best_setting, store_best_setting
from cxr.infer.runtime.session import Session
from cxr.machine.cache import machine_key
from cxr.machine.hardware import nvidia_gpus
from cxr.models.card import Precision

HASH = "ab" * 32


def test_provider_that_is_not_installed_is_rejected_with_cause_and_pip_command(model: Path) -> None:
    with pytest.raises(
        ProviderError, match=r"no CUDAExecutionProvider \(it has .*CPU.*pip install .*\[gpu\]"
    ):
        Session.open(model, provider="cuda")


def test_allowed_fallback_to_the_cpu_logs_a_warning(model: Path, caplog: pytest.LogCaptureFixture) -> None:
    session = Session.open(model, provider="cuda", allow_fallback=True)
    assert session.provider == "cpu"
    assert "falling back from cuda: this onnxruntime has no" in caplog.text


def test_provider_that_the_runtime_silently_replaces_is_rejected(
    model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A broken CUDA installation does this: it is listed, but the session runs on the CPU."""
    onnxruntime = import_module("onnxruntime")
    build = onnxruntime.InferenceSession
    monkeypatch.setattr(onnxruntime, "get_available_providers", lambda: ["CUDAExecutionProvider"])
    monkeypatch.setattr(onnxruntime, "preload_dlls", lambda: None)
    monkeypatch.setattr(
        onnxruntime,
        "InferenceSession",
        lambda source, options, **_: build(source, options, providers=["CPUExecutionProvider"]),
    )
    with pytest.raises(ProviderError, match="could not start it and chose CPUExecutionProvider"):
        Session.open(model, provider="cuda")


def test_error_of_a_provider_that_fails_to_start_is_the_cause(
    model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    onnxruntime = import_module("onnxruntime")

    def fail(*_args: Any, **_kwargs: Any) -> None:
        raise RuntimeError("no CUDA-capable device is detected")

    monkeypatch.setattr(onnxruntime, "get_available_providers", lambda: ["CUDAExecutionProvider"])
    monkeypatch.setattr(onnxruntime, "preload_dlls", lambda: None)
    monkeypatch.setattr(onnxruntime, "InferenceSession", fail)
    with pytest.raises(ProviderError, match=r"no CUDA-capable device.*pip install"):
        Session.open(model, provider="cuda")


def test_unknown_provider_is_rejected_with_the_known_names() -> None:
    with pytest.raises(ProviderError, match="choose from auto, cpu, openvino, cuda"):
        providers.choose_provider("tpu", providers.check_available)


def test_auto_uses_the_first_provider_that_works() -> None:
    assert providers.choose_provider("auto", providers.check_available)[0].name == "cpu"
    assert providers.choose_provider("auto", lambda _row: None)[0].name == "cuda"


def test_providers_have_valid_names_and_pip_commands() -> None:
    for name, provider in providers.PROVIDERS.items():
        assert provider.name == name
        assert provider.ort_name is None or provider.ort_name.endswith("ExecutionProvider")
        assert "pip install" in provider.install()


@pytest.mark.parametrize("name", ["openvino", "cuda", "tensorrt", "coreml", "directml"])
def test_every_missing_provider_is_rejected_by_name(
    name: str, model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(providers, "find_spec", lambda _package: None)
    if PROVIDERS[name].ort_name in import_module("onnxruntime").get_available_providers():
        pytest.skip(f"this onnxruntime has {name}")
    with pytest.raises(ProviderError, match=rf"{name}: .*pip install.*--provider cpu"):
        Session.open(model, provider=name)


def test_cuda_does_not_use_tf32() -> None:
    ((name, options),) = ort_providers(PROVIDERS["cuda"], HASH, Precision.FP32)
    assert (name, options["use_tf32"]) == ("CUDAExecutionProvider", "0")


@pytest.mark.parametrize(
    ("precision", "fp16", "int8"), [("fp32", "0", "0"), ("fp16", "1", "0"), ("int8", "0", "1")]
)
def test_tensorrt_lowers_precision_only_as_far_as_the_file(precision: str, fp16: str, int8: str) -> None:
    (_, options), (fallback, _) = ort_providers(PROVIDERS["tensorrt"], HASH, Precision(precision))
    assert (options["trt_fp16_enable"], options["trt_int8_enable"]) == (fp16, int8)
    assert fallback == "CUDAExecutionProvider"


def test_tensorrt_caches_engines_per_model_versions_and_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    def folder(model_hash: str) -> str:
        (_, options), _ = ort_providers(PROVIDERS["tensorrt"], model_hash, Precision.FP32)
        assert options["trt_engine_cache_enable"] == options["trt_timing_cache_enable"] == "1"
        return options["trt_engine_cache_path"]

    assert folder(HASH) != folder("cd" * 32)
    before = folder(HASH)
    monkeypatch.setattr(providers, "machine_key", lambda: "another GPU")
    assert folder(HASH) != before


def test_machine_key_changes_with_the_gpus(monkeypatch: pytest.MonkeyPatch) -> None:
    caches = import_module("cxr.machine.cache")
    before = machine_key()
    assert machine_key() == before
    monkeypatch.setattr(caches, "nvidia_gpus", lambda: ("NVIDIA L4, 580.1",))
    assert machine_key() != before


def test_model_that_openvino_rejects_is_reported_in_one_line_with_the_cause(make_model: Any) -> None:
    pytest.importorskip("openvino", reason="OpenVINO is an extra")

    def break_model(model: Any) -> None:
        model.graph.node[3].op_type = "NoSuchOperator"

    with pytest.raises(ProviderError, match=r"openvino: .*cannot load.*NoSuchOperator.*; run") as caught:
        Session.open(make_model(change=break_model), provider="openvino")
    assert "\n" not in str(caught.value)


def test_auto_uses_the_best_setting_of_a_benchmark(make_model: Any, card_of: Any) -> None:
    pytest.importorskip("openvino", reason="OpenVINO is an extra")
    model = make_model(card=card_of(name="never measured"))
    before = Session.open(model, provider="auto")
    assert load_best_setting(before.model_hash) is None
    stored = store_best_setting(before.model_hash, BestSetting("openvino", 5, 123.0))
    try:
        session = Session.open(model, provider="auto")
        assert (session.provider, session.batch_size) == ("openvino", 5)
        assert Session.open(model, provider="cpu").batch_size == PROVIDERS["cpu"].batch_size
    finally:
        stored.unlink()


def test_damaged_stored_setting_is_ignored_with_a_warning(
    model: Path, caplog: pytest.LogCaptureFixture
) -> None:
    stored = store_best_setting(Session.open(model).model_hash, BestSetting("openvino", 5, 123.0))
    try:
        stored.write_text("{")
        assert Session.open(model, provider="auto").provider == "cpu"
        assert "run cxr bench again" in caplog.text
    finally:
        stored.unlink()


def test_machine_without_nvidia_smi_has_no_gpus(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert nvidia_gpus() == ()


def test_input_that_openvino_fused_with_the_next_layer_keeps_its_name() -> None:
    """As in a quantized file, whose first layer is a QuantizeLinear."""
    port = SimpleNamespace(
        get_names=lambda: {"image", "x_QuantizeLinear_Output"},
        any_name="x_QuantizeLinear_Output",
        partial_shape=[],
        element_type=SimpleNamespace(to_dtype=lambda: np.uint8),
    )
    assert import_module("cxr.infer.runtime.engine_openvino")._tensor(port, "image").name == "image"
