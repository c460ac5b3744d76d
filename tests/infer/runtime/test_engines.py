"""The contract of every engine: ONNX Runtime on the CPU and on CUDA, and OpenVINO."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from cxr.errors import CxrError, EngineError, ProviderError
from cxr.infer.runtime.engine import FRONTAL, OUTPUT, Engine, Tensor
from cxr.infer.runtime.engine_openvino import open_openvino
from cxr.infer.runtime.engine_ort import BoundEngine, open_ort
from cxr.infer.runtime.providers import PROVIDERS, check_available, ort_providers
from cxr.models.card import Precision
from cxr.models.file.onnx_file import read_onnx

THREADS = 3
SIZE = 64
CUTS = np.array([180.0, 90.0])

TOLERANCE = {"cpu": 1e-6, "cpu with bound memory": 1e-6, "openvino": 1e-5, "cuda": 1e-5}
"""Largest difference from the probability computed in float64."""

OpenEngine = Callable[[Path], Engine]


def open_with_bound_memory(path: Path) -> BoundEngine:
    """Make the calls of the engine for GPUs, with the CPU's memory in place of a GPU's."""
    engine = open_ort(read_onnx(path), [("CPUExecutionProvider", {})], device=None, threads=1)
    return BoundEngine(engine.runtime, 1, "cpu")


@pytest.fixture(params=TOLERANCE)
def engine_name(request: pytest.FixtureRequest) -> str:
    name = str(request.param)
    if name in PROVIDERS:
        try:
            check_available(PROVIDERS[name])
        except ProviderError as error:
            pytest.skip(str(error))
    return name


@pytest.fixture
def open_engine(engine_name: str) -> OpenEngine:
    """Return a function that opens a model file with one engine."""
    if engine_name == "cpu with bound memory":
        return open_with_bound_memory
    provider = PROVIDERS[engine_name]
    if provider.ort_name is None:
        return lambda path: open_openvino(read_onnx(path), threads=THREADS)
    names = ort_providers(provider, "0" * 64, Precision.FP32)
    return lambda path: open_ort(read_onnx(path), names, device=provider.device, threads=THREADS)


@pytest.fixture
def engine(open_engine: OpenEngine, model: Path) -> Engine:
    return open_engine(model)


def random_batch(count: int, seed: int = 0) -> npt.NDArray[np.uint8]:
    return np.random.default_rng(seed).integers(0, 256, (count, 1, SIZE, SIZE), np.uint8)


def reference(batch: npt.NDArray[np.uint8]) -> npt.NDArray[np.float64]:
    """Compute the probability that the test model defines."""
    return np.asarray(1 / (1 + np.exp((CUTS[:, None, None] - batch.astype(np.float64)) / 4)))


def test_engine_reports_input_and_output_with_a_dynamic_batch(engine: Engine) -> None:
    assert engine.inputs == (Tensor("image", "uint8", (None, 1, SIZE, SIZE)),)
    assert engine.outputs == (Tensor("probability", "float32", (None, 2, SIZE, SIZE)),)


def test_engine_reports_the_dtype_of_another_input(
    open_engine: OpenEngine, make_model: Callable[..., Path]
) -> None:
    engine = open_engine(make_model(kind=TensorProto.FLOAT))
    assert engine.inputs == (Tensor("image", "float32", (None, 1, SIZE, SIZE)),)


@pytest.mark.parametrize("count", [1, 3, 2, 5])
def test_probability_equals_the_reference_for_any_batch_size(
    engine: Engine, engine_name: str, count: int
) -> None:
    batch = random_batch(count)
    output = engine.run(batch)[OUTPUT]
    assert output.dtype == np.float32
    assert output.shape == (count, 2, SIZE, SIZE)
    np.testing.assert_allclose(output, reference(batch), rtol=0, atol=TOLERANCE[engine_name])


def test_batch_size_may_change_between_calls(engine: Engine, engine_name: str) -> None:
    for count in (2, 2, 5, 1, 2):
        batch = random_batch(count, seed=count)
        output = engine.run(batch)[OUTPUT]
        np.testing.assert_allclose(output, reference(batch), rtol=0, atol=TOLERANCE[engine_name])


def test_batch_need_not_be_contiguous(engine: Engine) -> None:
    batch = random_batch(6)
    one, other = (engine.run(part)[OUTPUT] for part in (batch[::2], batch[::2].copy()))
    np.testing.assert_array_equal(one, other)


def test_later_calls_do_not_modify_an_output(engine: Engine) -> None:
    first = engine.run(random_batch(2, seed=1))[OUTPUT]
    copy = first.copy()
    engine.run(random_batch(2, seed=2))
    np.testing.assert_array_equal(first, copy)


def test_concurrent_streams_give_the_same_results(engine: Engine) -> None:
    assert engine.streams in (1, THREADS)
    batches = [random_batch(2, seed) for seed in range(24)]
    with ThreadPoolExecutor(engine.streams) as pool:
        concurrent = list(pool.map(engine.run, batches))
    for batch, output in zip(batches, concurrent, strict=True):
        np.testing.assert_array_equal(output[OUTPUT], engine.run(batch)[OUTPUT])


def add_frontal(model: onnx.ModelProto) -> None:
    """Give the model an output `frontal`: the mean of the gray values in 0..1."""
    axes = numpy_helper.from_array(np.array([1, 2, 3], np.int64), "axes")
    model.graph.initializer.append(axes)
    node = helper.make_node("ReduceMean", ["unit", "axes"], [FRONTAL], keepdims=0)
    model.graph.node.append(node)
    model.graph.output.append(helper.make_tensor_value_info(FRONTAL, TensorProto.FLOAT, ["N"]))
    model.opset_import[0].version = 18


@pytest.mark.parametrize("count", [3, 1])
def test_engine_computes_the_second_output_in_the_same_pass(
    open_engine: OpenEngine, make_model: Callable[..., Path], count: int
) -> None:
    engine = open_engine(make_model(change=add_frontal))
    assert engine.outputs[1] == Tensor(FRONTAL, "float32", (None,))
    batch = random_batch(count)
    output = engine.run(batch)
    assert set(output) == {OUTPUT, FRONTAL}
    np.testing.assert_allclose(output[FRONTAL], batch.mean(axis=(1, 2, 3)) / 255, rtol=1e-4)
    kept = output[FRONTAL].copy()
    engine.run(255 - batch)
    np.testing.assert_array_equal(output[FRONTAL], kept)


def test_model_that_cannot_be_loaded_is_an_engine_error(
    open_engine: OpenEngine, make_model: Callable[..., Path]
) -> None:
    def break_model(model: Any) -> None:
        model.graph.node[3].op_type = "NoSuchOperator"

    assert issubclass(EngineError, CxrError)
    with pytest.raises(EngineError, match="NoSuchOperator"):
        open_engine(make_model(change=break_model))


def test_model_without_its_weights_is_an_engine_error(
    open_engine: OpenEngine, make_model: Callable[..., Path]
) -> None:
    def remove_weights(model: onnx.ModelProto) -> None:
        del model.graph.initializer[:]

    with pytest.raises(EngineError):
        open_engine(make_model(change=remove_weights))
