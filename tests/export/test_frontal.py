"""An exported lungs model keeps its second output in every precision and on every provider."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch

from cxr.errors import ModelError
from cxr.export.graph import attach_card, write_onnx
from cxr.export.half_storage import store_in_half
from cxr.export.quantize import quantize, recipes
from cxr.infer.runtime.session import Session
from cxr.models.card import ModelCard, Normalization, PixelSpec, Precision
from cxr.models.image_checks import FrontalReference
from cxr.models.network.build import STRIDE4_UNET, build_network
from cxr.models.network.frontal import FrontalHead
from cxr.models.network.segmenter import Segmenter

SIZE = 64
BATCH = np.random.default_rng(0).integers(0, 256, (3, 1, SIZE, SIZE), dtype=np.uint8)
CARD = ModelCard(
    name="small",
    classes=("lung",),
    architecture=STRIDE4_UNET,
    encoder="resnet18",
    pixels=PixelSpec(SIZE, SIZE),
    normalization=Normalization(0.449, 0.226),
    thresholds=(0.5,),
    license="Apache-2.0",
    frontal=FrontalReference(cutoff=0.5, images=40, false_alarms=0.0),
)


@pytest.fixture(scope="module")
def segmenter() -> Segmenter:
    torch.manual_seed(0)
    network = build_network(STRIDE4_UNET, "resnet18", 1, decoder_channels=(16, 8, 8))
    return Segmenter(network, CARD.normalization, FrontalHead(512)).eval()


@pytest.fixture(scope="module")
def files(segmenter: Segmenter, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The model in fp32, with weights stored in half precision, and in int8."""
    folder = tmp_path_factory.mktemp("frontal")
    paths = {name: folder / f"{name}.onnx" for name in ("fp32", "half", "int8")}
    write_onnx(segmenter, CARD, paths["fp32"])
    store_in_half(paths["fp32"], paths["half"])
    quantize(paths["fp32"], paths["int8"], [one[0] for one in BATCH], recipes("cpu")[0])
    attach_card(paths["int8"], replace(CARD, precision=Precision.INT8))
    return paths


@pytest.mark.parametrize("provider", ["cpu", "openvino"])
@pytest.mark.parametrize(("name", "tolerance"), [("fp32", 1e-5), ("half", 2e-3), ("int8", 0.05)])
def test_score_is_that_of_pytorch(
    segmenter: Segmenter, files: dict[str, Path], name: str, tolerance: float, provider: str
) -> None:
    if provider == "openvino":
        pytest.importorskip("openvino", reason="openvino is not installed")
    with torch.no_grad():
        maps, scores = segmenter(torch.from_numpy(BATCH))
    output = Session.open(files[name], provider=provider, threads=1).predict(BATCH)
    assert output.frontal is not None
    np.testing.assert_allclose(output.frontal, scores.numpy(), rtol=0, atol=tolerance)
    assert np.abs(output.probability - maps.numpy()).mean() < max(tolerance, 1e-5)


def test_score_is_not_rounded_to_a_byte(files: dict[str, Path]) -> None:
    names = {name for node in onnx.load(files["int8"]).graph.node for name in (*node.input, *node.output)}
    assert not {name for name in names if name.startswith("frontal_")}


def test_card_with_a_frontal_reference_needs_the_output(segmenter: Segmenter, tmp_path: Path) -> None:
    path = tmp_path / "model.onnx"
    write_onnx(Segmenter(segmenter.network, CARD.normalization).eval(), CARD, path)
    with pytest.raises(ModelError, match="has no output 'frontal'"):
        Session.open(path)
