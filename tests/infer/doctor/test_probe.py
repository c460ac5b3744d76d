from __future__ import annotations

import numpy as np
import onnx
import pytest
from onnx import numpy_helper

from cxr.errors import ProviderError
from cxr.infer.doctor import probe
from cxr.infer.doctor.probe import MODEL, run_probe


def test_model_is_a_cast_and_a_convolution_with_ones() -> None:
    model = onnx.load_model_from_string(MODEL)
    onnx.checker.check_model(model, full_check=True)
    assert [node.op_type for node in model.graph.node] == ["Cast", "Conv"]
    (kernel,) = model.graph.initializer
    np.testing.assert_array_equal(numpy_helper.to_array(kernel), np.ones((1, 1, 3, 3), np.float32))


@pytest.mark.parametrize("name", ["cpu", "openvino"])
def test_working_provider_passes(name: str) -> None:
    if name == "openvino":
        pytest.importorskip("openvino", reason="OpenVINO is an extra")
    run_probe(name)


def test_missing_provider_is_reported_with_its_pip_command() -> None:
    with pytest.raises(ProviderError, match=r"directml: .*pip install onnxruntime-directml"):
        run_probe("directml")


def test_provider_with_a_wrong_result_is_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    model = onnx.load_model_from_string(MODEL)
    model.graph.initializer[0].CopyFrom(numpy_helper.from_array(np.zeros((1, 1, 3, 3), np.float32), "ones"))
    monkeypatch.setattr(probe, "MODEL", model.SerializeToString())
    with pytest.raises(
        ProviderError, match=r"cpu: its result for a small convolution is wrong; run: .*pip install"
    ):
        run_probe("cpu")
