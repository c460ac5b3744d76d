"""Every architecture that can be trained is exported with parity, and its int8 file has float logits."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import segmentation_models_pytorch as smp
import torch

from cxr.export.graph import write_onnx
from cxr.export.parity import Limits, check_limits, compare
from cxr.export.quantize import Calibration, Recipe, quantize
from cxr.infer.runtime.session import Session
from cxr.models.card import ModelCard, Normalization, PixelSpec
from cxr.models.network.build import build_network
from cxr.models.network.segmenter import Segmenter, predictor

SIZES = {"pan": 128, "dpt": 224}
ENCODERS = {"dpt": "tu-vit_tiny_patch16_224"}
FAST = ("fpn",)
NORMALIZATION = Normalization(0.449, 0.226)


@pytest.mark.parametrize(
    "architecture",
    [
        pytest.param(name, marks=() if name in FAST else pytest.mark.slow)
        for name in smp.MODEL_ARCHITECTURES_MAPPING
    ],
)
def test_architecture_is_exported_with_parity_and_float_logits(architecture: str, tmp_path: Path) -> None:
    size, encoder = SIZES.get(architecture, 64), ENCODERS.get(architecture, "resnet18")
    torch.manual_seed(0)
    segmenter = Segmenter(build_network(architecture, encoder, 1), NORMALIZATION).eval()
    card = ModelCard(
        name="untrained",
        classes=("lung",),
        architecture=architecture,
        encoder=encoder,
        pixels=PixelSpec(size, size),
        normalization=NORMALIZATION,
        thresholds=(0.5,),
        license="CC0",
    )
    write_onnx(segmenter, card, tmp_path / "fp32.onnx")
    session = Session.open(tmp_path / "fp32.onnx")
    check_limits(compare(predictor(segmenter), session.run, card, [], provider="cpu"), Limits())
    images = list(np.random.default_rng(0).integers(0, 256, (4, size, size), np.uint8))
    quantize(tmp_path / "fp32.onnx", tmp_path / "int8.onnx", images, Recipe(Calibration.MINMAX))
    probability = Session.open(tmp_path / "int8.onnx").run(np.stack(images)[:, None])
    assert len(np.unique(probability)) > 256
