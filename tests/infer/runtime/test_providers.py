from __future__ import annotations

from importlib import import_module
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from cxr.errors import ProviderError
from cxr.infer.runtime import providers
from cxr.infer.runtime.engine_ort import open_ort
from cxr.infer.runtime.providers import PROVIDERS, ort_providers
from cxr.infer.runtime.selection import Best, recall, remember
from cxr.infer.runtime.session import Session
from cxr.machine.cache import machine_key
from cxr.models.card import Precision
from cxr.models.onnx_file import read_onnx

HASH = "ab" * 32


def test_a_provider_that_is_not_installed_is_refused_with_cause_and_pip_line(model: Path) -> None:
    with pytest.raises(
        ProviderError, match=r"no CUDAExecutionProvider \(it has .*CPU.*pip install .cxr\[gpu\]"
    ):
        Session.open(model, provider="cuda")


def test_falling_back_is_allowed_and_said(model: Path, caplog: pytest.LogCaptureFixture) -> None:
    session = Session.open(model, provider="cuda", allow_fallback=True)
    assert session.provider == "cpu"
    assert "falling back from cuda: this onnxruntime has no" in caplog.text


def test_a_provider_that_the_runtime_silently_replaces_is_refused(
    model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As a broken CUDA does: listed, asked for, and the session runs on the CPU."""
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


def test_the_error_of_a_provider_that_fails_to_start_is_its_cause(
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


def test_an_unknown_provider_lists_the_known() -> None:
    with pytest.raises(ProviderError, match="choose from auto, cpu, openvino, cuda"):
        providers.choose("tpu", providers.check_available)


def test_auto_takes_what_works() -> None:
    assert providers.choose("auto", providers.check_available)[0].name == "cpu"
    assert providers.choose("auto", lambda _row: None)[0].name == "cuda"


def test_the_providers_of_the_table_keep_its_rules() -> None:
    for name, provider in providers.PROVIDERS.items():
        assert provider.name == name
        assert provider.ort_name is None or provider.ort_name.endswith("ExecutionProvider")
        assert "pip install" in provider.install


@pytest.mark.parametrize("name", ["openvino", "cuda", "tensorrt", "coreml", "directml"])
def test_every_provider_that_is_missing_is_refused_by_name(
    name: str, model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(providers, "find_spec", lambda _package: None)
    if PROVIDERS[name].ort_name in import_module("onnxruntime").get_available_providers():
        pytest.skip(f"this onnxruntime has {name}")
    with pytest.raises(ProviderError, match=rf"{name}: .*pip install.*--provider cpu"):
        Session.open(model, provider=name)


def test_cuda_does_not_round_to_tf32() -> None:
    ((name, options),) = ort_providers(PROVIDERS["cuda"], HASH, Precision.FP32)
    assert (name, options["use_tf32"]) == ("CUDAExecutionProvider", "0")


@pytest.mark.parametrize(
    ("precision", "fp16", "int8"), [("fp32", "0", "0"), ("fp16", "1", "0"), ("int8", "0", "1")]
)
def test_tensorrt_lowers_precision_only_where_the_file_did(precision: str, fp16: str, int8: str) -> None:
    (_, options), (helper, _) = ort_providers(PROVIDERS["tensorrt"], HASH, Precision(precision))
    assert (options["trt_fp16_enable"], options["trt_int8_enable"]) == (fp16, int8)
    assert helper == "CUDAExecutionProvider"


def test_tensorrt_keeps_engines_by_model_versions_and_card(monkeypatch: pytest.MonkeyPatch) -> None:
    def folder(model_hash: str) -> str:
        (_, options), _ = ort_providers(PROVIDERS["tensorrt"], model_hash, Precision.FP32)
        assert options["trt_engine_cache_enable"] == options["trt_timing_cache_enable"] == "1"
        return options["trt_engine_cache_path"]

    assert folder(HASH) != folder("cd" * 32)
    before = folder(HASH)
    monkeypatch.setattr(providers, "machine_key", lambda: "another card")
    assert folder(HASH) != before


def test_the_key_of_a_machine_changes_with_its_cards(monkeypatch: pytest.MonkeyPatch) -> None:
    caches = import_module("cxr.machine.cache")
    before = machine_key()
    assert machine_key() == before
    monkeypatch.setattr(caches, "nvidia_gpus", lambda: ("NVIDIA L4, 580.1",))
    assert machine_key() != before


def test_a_bound_session_gives_what_a_plain_one_gives(model: Path) -> None:
    """Memory of the processor stands in for a card's: the calls are the same."""
    plain = Session.open(model)
    runtime = open_ort(read_onnx(model), [("CPUExecutionProvider", {})], device=None, threads=1).runtime
    bound = import_module("cxr.infer.runtime.engine_ort").BoundEngine(runtime, 1, "cpu")
    rng = np.random.default_rng(0)
    batches = [rng.integers(0, 256, (size, 1, 64, 64), np.uint8) for size in (2, 2, 5, 2)]
    outputs = [bound.run(batch) for batch in batches]
    for batch, output in zip(batches, outputs, strict=True):
        np.testing.assert_array_equal(output, plain.run(batch))


def test_openvino_agrees_with_onnx_runtime(model: Path) -> None:
    pytest.importorskip("openvino", reason="OpenVINO is an extra")
    ours, theirs = Session.open(model, provider="openvino", threads=2), Session.open(model)
    assert (ours.provider, ours.streams) == ("openvino", 2)
    rng = np.random.default_rng(0)
    first, second = (rng.integers(0, 256, (3, 1, 64, 64), np.uint8) for _ in range(2))
    one, other = ours.run(first), ours.run(second)
    np.testing.assert_allclose(one, theirs.run(first), atol=1e-5)
    np.testing.assert_allclose(other, theirs.run(second), atol=1e-5)


def test_what_openvino_refuses_is_said_in_one_line(make_model: Any) -> None:
    pytest.importorskip("openvino", reason="OpenVINO is an extra")

    def spoil(model: Any) -> None:
        model.graph.node[3].op_type = "NoSuchOperator"

    with pytest.raises(
        ProviderError, match=r"openvino: OpenVINO cannot load this model \(.+\); run"
    ) as caught:
        Session.open(make_model(change=spoil), provider="openvino")
    assert "\n" not in str(caught.value)


def test_auto_takes_what_a_benchmark_found_best(make_model: Any, card_of: Any) -> None:
    pytest.importorskip("openvino", reason="OpenVINO is an extra")
    model = make_model(card=card_of(name="never benched"))
    before = Session.open(model, provider="auto")
    assert recall(before.model_hash) is None
    kept = remember(before.model_hash, Best("openvino", 5, 123.0))
    try:
        session = Session.open(model, provider="auto")
        assert (session.provider, session.batch_size) == ("openvino", 5)
        assert Session.open(model, provider="cpu").batch_size == PROVIDERS["cpu"].batch_size
    finally:
        kept.unlink()


def test_a_spoilt_memory_is_left_aside_and_said(model: Path, caplog: pytest.LogCaptureFixture) -> None:
    kept = remember(Session.open(model).model_hash, Best("openvino", 5, 123.0))
    try:
        kept.write_text("{")
        assert Session.open(model, provider="auto").provider == "cpu"
        assert "run cxr bench again" in caplog.text
    finally:
        kept.unlink()


def test_the_card_of_a_machine_without_nvidia_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    caches = import_module("cxr.machine.cache")
    monkeypatch.setattr(caches, "shutil", SimpleNamespace(which=lambda _name: None))
    assert caches.nvidia_gpus() == ()


def test_an_input_that_openvino_fused_with_the_layer_after_it_keeps_its_name() -> None:
    """As in a quantized file, whose first layer is a QuantizeLinear."""
    port = SimpleNamespace(
        get_names=lambda: {"image", "x_QuantizeLinear_Output"},
        any_name="x_QuantizeLinear_Output",
        partial_shape=[],
        element_type=SimpleNamespace(to_dtype=lambda: np.uint8),
    )
    assert import_module("cxr.infer.runtime.engine_openvino")._tensor(port, "image").name == "image"
