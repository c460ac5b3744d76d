from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto

from cxr.errors import ModelError, ProviderError
from cxr.infer import providers
from cxr.infer.session import Session, read_card
from cxr.models.card import ModelCard, PixelSpec

MakeModel = Callable[..., Path]


def test_a_session_gives_the_probability_that_the_graph_defines(model: Path) -> None:
    session = Session.open(model)
    batch = np.arange(2 * 64 * 64, dtype=np.uint32).reshape(2, 1, 64, 64).astype(np.uint8)
    output = session.run(batch)
    expected = 1 / (1 + np.exp((np.array([180.0, 90.0])[:, None, None] - batch) / 4))
    assert output.shape == (2, 2, 64, 64)
    assert output.dtype == np.float32
    np.testing.assert_allclose(output, expected, atol=1e-5)


def test_the_card_is_read_from_the_file(model: Path, card_of: Callable[..., ModelCard]) -> None:
    assert read_card(model) == card_of()
    assert Session.open(model).card == card_of()


def test_a_session_says_what_it_runs_on(model: Path) -> None:
    session = Session.open(model, provider="auto", threads=1)
    assert session.provider == "cpu"
    assert session.threads == 1
    assert len(session.model_hash) == 64


def test_a_model_without_a_card_names_the_option(make_model: MakeModel) -> None:
    with pytest.raises(ModelError, match=r"no model card.*--card"):
        Session.open(make_model(card=""))


def test_a_foreign_model_runs_with_a_card_beside_it(
    make_model: MakeModel, card_of: Callable[..., ModelCard], tmp_path: Path
) -> None:
    beside = tmp_path / "card.json"
    beside.write_text(card_of().to_json())
    session = Session.open(make_model(card=""), card=beside)
    assert session.run(np.zeros((1, 1, 64, 64), np.uint8)).shape == (1, 2, 64, 64)


@pytest.mark.parametrize("card", ["{", "[]", '{"name": "x"}'])
def test_an_invalid_card_is_named_with_its_file(make_model: MakeModel, card: str) -> None:
    with pytest.raises(ModelError, match=r"model\.onnx: not a valid model card"):
        Session.open(make_model(card=card))


@pytest.mark.parametrize("name", ["../up", "a/b", "", ".hidden", "a\nb"])
def test_a_class_that_would_be_a_path_is_refused(make_model: MakeModel, card_of: Any, name: str) -> None:
    with pytest.raises(ModelError, match="is not a plain name"):
        Session.open(make_model(card=card_of(classes=("lesion", name))))


def rename_input(model: onnx.ModelProto) -> None:
    model.graph.input[0].name = model.graph.node[0].input[0] = "data"


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"change": rename_input}, "needs one input 'image'"),
        ({"kind": TensorProto.FLOAT}, r"image is tensor\(float\), not tensor\(uint8\)"),
        ({"axes": ("N", 1, 32, 32)}, r"but its card needs \['N', 1, 64, 64\]"),
        ({"axes": ("N", 1, "H", 32)}, r"but its card needs \['N', 1, 64, 64\]"),
        ({"axes": (4, 1, 64, 64)}, "fixed batch of 4"),
    ],
)
def test_a_model_that_does_not_fit_its_card_is_refused(
    make_model: MakeModel, settings: dict[str, Any], message: str
) -> None:
    with pytest.raises(ModelError, match=message):
        Session.open(make_model(**settings))


def test_a_card_of_another_number_of_classes_is_refused(make_model: MakeModel, card_of: Any) -> None:
    with pytest.raises(ModelError, match=r"probability is .* but its card needs \['N', 1, 64, 64\]"):
        Session.open(make_model(("lesion", "lung"), card=card_of(("lesion",))))


def test_a_graph_that_the_runtime_cannot_load_is_said_in_one_line(make_model: MakeModel) -> None:
    def spoil(model: onnx.ModelProto) -> None:
        model.graph.node[3].op_type = "NoSuchOperator"

    with pytest.raises(ModelError, match=r"model\.onnx: ONNX Runtime cannot load this model"):
        Session.open(make_model(change=spoil))


def test_what_fails_while_running_is_a_model_error(make_model: MakeModel, card_of: Any) -> None:
    path = make_model(axes=("N", 1, "H", "W"), card=card_of(pixels=PixelSpec(64, 64)))
    with pytest.raises(ModelError, match="failed on a batch of 2"):
        Session.open(path).run(np.zeros((2, 3, 64, 64), np.uint8))


def move_weight(model: onnx.ModelProto, folder: Path) -> None:
    tensor = model.graph.initializer[1]
    (folder / "w.bin").write_bytes(tensor.raw_data)
    tensor.ClearField("raw_data")
    tensor.data_location = TensorProto.EXTERNAL
    entry = tensor.external_data.add()
    entry.key, entry.value = "location", "w.bin"


def test_external_data_is_refused_until_it_is_allowed(make_model: MakeModel, tmp_path: Path) -> None:
    path = make_model(change=lambda model: move_weight(model, tmp_path))
    (path.parent / "w.bin").write_bytes((tmp_path / "w.bin").read_bytes())
    with pytest.raises(ModelError, match="--allow-external-data"):
        Session.open(path)
    session = Session.open(path, allow_external_data=True)
    assert session.run(np.full((1, 1, 64, 64), 255, np.uint8)).min() > 0.99


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
    with pytest.raises(ProviderError, match="choose from auto, cpu, cuda"):
        providers.resolve("tpu")


def test_auto_takes_what_works(monkeypatch: pytest.MonkeyPatch) -> None:
    assert providers.resolve("auto").name == "cpu"
    monkeypatch.setattr(providers, "check_available", lambda _: None)
    assert providers.resolve("auto").name == "cuda"


def test_the_providers_of_the_table_keep_its_rules() -> None:
    for name, provider in providers.PROVIDERS.items():
        assert provider.name == name
        assert provider.ort_name.endswith("ExecutionProvider")
        assert "pip install" in provider.install
