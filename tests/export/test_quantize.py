from __future__ import annotations

import logging
import platform
from collections import Counter
from pathlib import Path

import numpy as np
import onnx
import onnxruntime as ort
import pytest
from onnx import TensorProto, numpy_helper

from cxr.data.image import Gray
from cxr.export import quantize as module
from cxr.export.quantize import Activations, Calibration, FloatLayers, Recipe, quantize, recipes
from cxr.export.run import ExportSummary
from cxr.export.run_data import calibration_images, read_split_records
from cxr.infer.runtime.providers import PROVIDERS
from cxr.infer.runtime.session import Session
from cxr.train.run_folder import read_run


@pytest.fixture(scope="module")
def images(exported: ExportSummary) -> list[Gray]:
    return calibration_images(read_split_records(read_run(exported.run)).training, exported.card.pixels)


@pytest.fixture(scope="module")
def int8(exported: ExportSummary, images: list[Gray], tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("int8") / "int8.onnx"
    quantize(exported.path, path, images, Recipe(Calibration.MINMAX))
    return path


def optimized(path: Path, folder: Path) -> onnx.GraphProto:
    """Return the graph that ONNX Runtime optimizes a file to."""
    options = ort.SessionOptions()
    options.optimized_model_filepath = str(folder / "optimized.onnx")
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_ENABLE_EXTENDED
    options.log_severity_level = 4
    ort.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    return onnx.load(folder / "optimized.onnx").graph


def count(graph: onnx.GraphProto) -> Counter[str]:
    return Counter(node.op_type for node in graph.node)


def constants(path: Path) -> dict[str, np.ndarray]:
    return {value.name: numpy_helper.to_array(value) for value in onnx.load(path).graph.initializer}


def test_runtime_computes_convolutions_concatenations_and_upsampling_in_int8(
    exported: ExportSummary, int8: Path, tmp_path: Path
) -> None:
    before, after = count(onnx.load(exported.path).graph), count(graph := optimized(int8, tmp_path))
    assert after["QLinearConv"] == before["Conv"] - 1 > 20
    assert after["QLinearConcat"] == before["Concat"] == 4
    assert after["Resize"] == before["Resize"] == 5
    assert after["FusedConv"] == 1  # the head: ONNX Runtime has no int8 layer with float output
    assert after["Conv"] == after["Concat"] == after["Relu"] == 0
    producer = {name: node.op_type for node in graph.node for name in node.output}
    upsampled = {producer[node.input[0]] for node in graph.node if node.op_type == "Resize"}
    assert upsampled <= {"QLinearConv", "QLinearAdd"}


def test_pixels_are_quantized_once_and_dequantized_once(int8: Path, tmp_path: Path) -> None:
    graph = optimized(int8, tmp_path)
    assert count(graph)["QuantizeLinear"] == 1
    assert count(graph)["DequantizeLinear"] == 3  # the head's input, weights and bias
    assert graph.node[-1].op_type == "FusedConv"


def test_probabilities_have_more_than_256_values(int8: Path) -> None:
    batch = np.random.default_rng(0).integers(0, 256, (1, 1, 64, 64), np.uint8)
    for provider in ("cpu", "openvino"):
        assert len(np.unique(Session.open(int8, provider=provider).run(batch))) > 256


def test_weights_are_signed_bytes_with_one_scale_per_channel(int8: Path) -> None:
    graph, values = onnx.load(int8).graph, constants(int8)
    producer = {node.output[0]: node for node in graph.node}
    weights = [producer[node.input[1]].input for node in graph.node if node.op_type == "Conv"]
    assert {values[quantized].dtype for quantized, *_ in weights} == {np.dtype(np.int8)}
    assert all(values[scale].shape == values[quantized].shape[:1] for quantized, scale, _ in weights)


def test_all_calibration_images_are_used(exported: ExportSummary, tmp_path: Path) -> None:
    """The darkest image is first, the brightest last; the range covers both."""
    extremes = [np.full((64, 64), level, np.uint8) for level in (0, 128, 255)]
    quantize(exported.path, tmp_path / "x.onnx", extremes, Recipe(Calibration.MINMAX))
    first = next(
        node for node in onnx.load(tmp_path / "x.onnx").graph.node if node.op_type == "QuantizeLinear"
    )
    scale, zero = (constants(tmp_path / "x.onnx")[name] for name in first.input[1:])
    normalization = exported.card.normalization
    assert scale == pytest.approx(1 / (255 * normalization.std), rel=1e-5)
    assert zero == round(255 * normalization.mean)


def test_percentiles_exclude_outliers(tmp_path: Path) -> None:
    graph = onnx.helper.make_graph(
        [
            onnx.helper.make_node("Cast", ["image"], ["gray"], "cast", to=TensorProto.FLOAT),
            onnx.helper.make_node("Conv", ["gray", "weight"], ["logit"], "conv"),
            onnx.helper.make_node("Sigmoid", ["logit"], ["probability"], "sigmoid"),
        ],
        "tiny",
        [onnx.helper.make_tensor_value_info("image", TensorProto.UINT8, ["N", 1, 64, 64])],
        [onnx.helper.make_tensor_value_info("probability", TensorProto.FLOAT, ["N", 1, 64, 64])],
        [numpy_helper.from_array(np.ones((1, 1, 1, 1), np.float32), "weight")],
    )
    model = onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 20)], ir_version=10)
    onnx.save(model, tmp_path / "tiny.onnx")
    typical = np.full((64, 64), 100, np.uint8)
    outlier = typical.copy()
    outlier[0, 0] = 250  # one pixel in 327,680, less than 0.0005 % at this end
    maxima = {}
    for calibration in Calibration:
        quantize(tmp_path / "tiny.onnx", tmp_path / "x.onnx", [outlier, *[typical] * 79], Recipe(calibration))
        maxima[calibration] = 255 * constants(tmp_path / "x.onnx")["gray_scale"]
    assert maxima[Calibration.MINMAX] == pytest.approx(250)
    assert maxima[Calibration.PERCENTILE] == pytest.approx(100, abs=1)


@pytest.mark.parametrize(("float_layers", "convolutions"), [(FloatLayers.HEAD, 1), (FloatLayers.ENDS, 4)])
def test_activation_after_a_float_layer_stays_in_float(
    exported: ExportSummary,
    images: list[Gray],
    tmp_path: Path,
    float_layers: FloatLayers,
    convolutions: int,
) -> None:
    quantize(exported.path, tmp_path / "x.onnx", images[:2], Recipe(Calibration.MINMAX, float_layers))
    optimized_graph = optimized(tmp_path / "x.onnx", tmp_path)
    assert sum(count(optimized_graph)[kind] for kind in ("Conv", "FusedConv")) == convolutions
    graph = onnx.load(tmp_path / "x.onnx").graph
    quantized = {name for node in graph.node if node.op_type == "QuantizeLinear" for name in node.input}
    activated = {name for node in graph.node if node.op_type == "Relu" for name in node.input}
    assert len(activated) == convolutions - 1
    assert quantized.isdisjoint(activated)


def test_signed_activations_are_symmetric_and_biases_stay_in_float(
    exported: ExportSummary, images: list[Gray], tmp_path: Path
) -> None:
    (recipe, *_) = recipes("tensorrt")
    assert recipe.activations is Activations.SIGNED
    quantize(exported.path, tmp_path / "x.onnx", images[:2], recipe)
    values = constants(tmp_path / "x.onnx")
    nodes = onnx.load(tmp_path / "x.onnx").graph.node
    zeros = [
        values[node.input[2]] for node in nodes if node.op_type in ("QuantizeLinear", "DequantizeLinear")
    ]
    assert {zero.dtype for zero in zeros} == {np.dtype(np.int8)}
    assert not any(zero.any() for zero in zeros)


@pytest.mark.parametrize(
    ("machine", "signed"),
    [
        ("x86_64", {"tensorrt"}),
        ("AMD64", {"tensorrt"}),
        ("aarch64", {"tensorrt", "cpu", "coreml"}),
        ("arm64", {"tensorrt", "cpu", "coreml"}),
    ],
)
def test_each_provider_gets_the_bytes_it_is_fast_with(
    monkeypatch: pytest.MonkeyPatch, machine: str, signed: set[str]
) -> None:
    monkeypatch.setattr(platform, "machine", lambda: machine)
    first = {name: recipes(name)[0].activations for name in PROVIDERS}
    assert {name for name, kind in first.items() if kind is Activations.SIGNED} == signed


def test_weights_have_seven_bits_where_products_would_overflow(
    exported: ExportSummary, images: list[Gray], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(platform, "machine", lambda: "x86_64")
    monkeypatch.setattr(module, "int8_saturates", lambda: False)
    assert {recipe.weight_bits for recipe in recipes("cpu")} == {8}
    monkeypatch.setattr(module, "int8_saturates", lambda: True)
    assert {recipe.weight_bits for recipe in recipes("tensorrt")} == {8}
    (recipe, *_) = recipes("cpu")
    assert str(recipe) == "minmax u8s7"
    quantize(exported.path, tmp_path / "x.onnx", images[:2], recipe)
    weights = [value for value in constants(tmp_path / "x.onnx").values() if value.ndim == 4]
    assert max(np.abs(value.astype(int)).max() for value in weights) == 64


def test_nothing_is_printed_and_the_log_level_is_restored(
    exported: ExportSummary, images: list[Gray], tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    level = logging.getLogger().level
    quantize(exported.path, tmp_path / "x.onnx", images[:1], Recipe(Calibration.PERCENTILE))
    assert capfd.readouterr() == ("", "")
    assert logging.getLogger().level == level


def test_convolutions_of_enlarged_maps_are_computed_in_int8_at_the_small_size(
    exported: ExportSummary, images: list[Gray], int8: Path, tmp_path: Path
) -> None:
    (recipe, *_) = recipes("cpu")
    assert recipe.merge_enlargements
    assert not recipes("tensorrt")[0].merge_enlargements
    quantize(exported.path, tmp_path / "x.onnx", images, recipe)
    before, after = count(onnx.load(exported.path).graph), count(optimized(tmp_path / "x.onnx", tmp_path))
    assert after["Resize"] == after["QLinearConcat"] == 0
    assert after["DepthToSpace"] == 5
    assert after["QLinearConv"] == before["Conv"] - 1 + 4  # four have a skip connection
    batch = np.stack(images)[:, None]
    exact, plain, merged = (
        Session.open(path).run(batch) >= 0.5 for path in (exported.path, int8, tmp_path / "x.onnx")
    )
    assert (merged == exact).mean() > (plain == exact).mean() - 0.03
