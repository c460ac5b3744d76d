from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto

from cxr.errors import ModelError
from cxr.infer.runtime.session import Session
from cxr.models.card import ModelCard, PixelSpec
from cxr.models.file.onnx_file import read_card

MakeModel = Callable[..., Path]


def test_session_returns_the_probability_that_the_graph_defines(model: Path) -> None:
    session = Session.open(model)
    batch = np.arange(2 * 64 * 64, dtype=np.uint32).reshape(2, 1, 64, 64).astype(np.uint8)
    output = session.run(batch)
    expected = 1 / (1 + np.exp((np.array([180.0, 90.0])[:, None, None] - batch) / 4))
    assert output.shape == (2, 2, 64, 64)
    assert output.dtype == np.float32
    np.testing.assert_allclose(output, expected, atol=1e-5)


def test_card_is_read_from_the_model_file(model: Path, card_of: Callable[..., ModelCard]) -> None:
    assert read_card(model) == card_of()
    assert Session.open(model).card == card_of()


def test_session_reports_its_provider_threads_and_model_hash(model: Path) -> None:
    session = Session.open(model, provider="auto", threads=1)
    assert session.provider == "cpu"
    assert session.threads == 1
    assert len(session.model_hash) == 64


def test_model_without_a_card_is_rejected_with_the_option_that_gives_one(make_model: MakeModel) -> None:
    with pytest.raises(ModelError, match=r"no model card.*--card"):
        Session.open(make_model(card=""))


@pytest.mark.parametrize("kind", [str, Path])
def test_model_without_a_card_runs_with_a_card_file(
    make_model: MakeModel, card_of: Callable[..., ModelCard], tmp_path: Path, kind: type
) -> None:
    card_file = tmp_path / "card.json"
    card_file.write_text(card_of().to_json())
    session = Session.open(kind(make_model(card="")), card=kind(card_file))
    assert session.run(np.zeros((1, 1, 64, 64), np.uint8)).shape == (1, 2, 64, 64)


@pytest.mark.parametrize("card", ["{", "[]", '{"name": "x"}'])
def test_invalid_card_is_rejected_with_the_name_of_its_file(make_model: MakeModel, card: str) -> None:
    with pytest.raises(ModelError, match=r"model\.onnx: not a valid model card"):
        Session.open(make_model(card=card))


@pytest.mark.parametrize("name", ["../up", "a/b", "", ".hidden", "a\nb"])
def test_class_name_that_would_be_a_path_is_rejected(make_model: MakeModel, card_of: Any, name: str) -> None:
    with pytest.raises(ModelError, match="in its card is not plain"):
        Session.open(make_model(card=card_of(classes=("lesion", name))))


def rename_input(model: onnx.ModelProto) -> None:
    model.graph.input[0].name = model.graph.node[0].input[0] = "data"


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"change": rename_input}, "needs one input 'image'"),
        ({"kind": TensorProto.FLOAT}, "image is float32, not uint8"),
        ({"axes": ("N", 1, 32, 32)}, r"but its card needs \['N', 1, 64, 64\]"),
        ({"axes": ("N", 1, "H", 32)}, r"but its card needs \['N', 1, 64, 64\]"),
        ({"axes": (4, 1, 64, 64)}, "fixed batch of 4"),
    ],
)
def test_model_that_contradicts_its_card_is_rejected(
    make_model: MakeModel, settings: dict[str, Any], message: str
) -> None:
    with pytest.raises(ModelError, match=message):
        Session.open(make_model(**settings))


def test_card_with_another_number_of_classes_is_rejected(make_model: MakeModel, card_of: Any) -> None:
    with pytest.raises(ModelError, match=r"probability is .* but its card needs \['N', 1, 64, 64\]"):
        Session.open(make_model(("lesion", "lung"), card=card_of(("lesion",))))


def test_graph_that_the_runtime_cannot_load_is_one_error(make_model: MakeModel) -> None:
    def break_model(model: onnx.ModelProto) -> None:
        model.graph.node[3].op_type = "NoSuchOperator"

    with pytest.raises(ModelError, match=r"model\.onnx: ONNX Runtime cannot load this model"):
        Session.open(make_model(change=break_model))


def test_failure_of_the_runtime_is_a_model_error(make_model: MakeModel, card_of: Any) -> None:
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


def test_external_data_is_rejected_unless_allowed(make_model: MakeModel, tmp_path: Path) -> None:
    path = make_model(change=lambda model: move_weight(model, tmp_path))
    (path.parent / "w.bin").write_bytes((tmp_path / "w.bin").read_bytes())
    with pytest.raises(ModelError, match="--allow-external-data"):
        Session.open(path)
    session = Session.open(path, allow_external_data=True)
    assert session.run(np.full((1, 1, 64, 64), 255, np.uint8)).min() > 0.99


def test_custom_operators_are_rejected(make_model: MakeModel) -> None:
    def break_model(model: onnx.ModelProto) -> None:
        model.graph.node[3].domain = "my.company"

    with pytest.raises(ModelError, match=r"operators of 'my\.company', which need code"):
        Session.open(make_model(change=break_model))


def test_operators_defined_in_the_file_are_accepted(make_model: MakeModel) -> None:
    def define(model: onnx.ModelProto) -> None:
        squash = onnx.helper.make_node("Sigmoid", ["x"], ["y"])
        opset = [onnx.helper.make_opsetid("", 17)]
        model.functions.append(onnx.helper.make_function("own", "Squash", ["x"], ["y"], [squash], opset))
        model.graph.node[3].domain, model.graph.node[3].op_type = "own", "Squash"
        model.opset_import.append(onnx.helper.make_opsetid("own", 1))

    session = Session.open(make_model(change=define))
    assert session.run(np.full((1, 1, 64, 64), 255, np.uint8)).min() > 0.99


def test_session_on_the_cpu_has_one_stream_per_thread(model: Path) -> None:
    assert Session.open(model, threads=3).streams == 3


def test_concurrent_calls_give_the_same_results(model: Path) -> None:
    session = Session.open(model, threads=4)
    batches = [np.full((2, 1, 64, 64), value, np.uint8) for value in range(0, 256, 8)]
    with ThreadPoolExecutor(4) as pool:
        for batch, output in zip(batches, pool.map(session.run, batches), strict=True):
            np.testing.assert_array_equal(output, session.run(batch))
