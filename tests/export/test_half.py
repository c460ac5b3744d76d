from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto

from cxr.export.half import halve
from cxr.export.run import ExportSummary
from cxr.infer.runtime.session import Session


@pytest.fixture(scope="module")
def half(exported: ExportSummary, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("half") / "half.onnx"
    halve(exported.path, path)
    return path


def test_weights_are_halves_and_both_ends_are_as_they_were(exported: ExportSummary, half: Path) -> None:
    graph = onnx.load(half).graph
    kinds = Counter(value.data_type for value in graph.initializer if len(value.dims) == 4)
    assert set(kinds) == {TensorProto.FLOAT16}
    ends = [value.type.tensor_type.elem_type for value in (*graph.input, *graph.output)]
    assert ends == [TensorProto.UINT8, TensorProto.FLOAT]
    assert half.stat().st_size < 0.51 * exported.bytes


def test_types_change_only_at_the_ends(half: Path) -> None:
    graph = onnx.load(half).graph
    casts = [node for node in graph.node if node.op_type == "Cast"]
    assert [node.input[0] for node in casts][:1] == ["image"]
    assert [node.output[0] for node in casts][1:] == ["probability"]


def test_probabilities_are_near_those_of_fp32(exported: ExportSummary, half: Path) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (3, 1, 64, 64), dtype=np.uint8)
    expected, got = (Session.open(path).run(noise) for path in (exported.path, half))
    assert np.abs(got - expected).max() < 0.05
    assert np.abs(got - expected).mean() < 0.002
