from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from torch import nn

from cxr.errors import ModelError
from cxr.export.graph import write_onnx
from cxr.export.quantize import quantize, recipes
from cxr.export.simplify import merge_normalization
from cxr.models.card import ModelCard, Normalization, PixelSpec
from cxr.models.network.build import STRIDE4_UNET, build_network
from cxr.models.network.frontal import FrontalHead
from cxr.models.network.segmenter import Segmenter, predictor
from cxr.models.network.stride4_unet import DECODER_CHANNELS, Stride4Decoder, Stride4Unet

ENCODERS = ["timm-tf_efficientnet_lite0", "resnet18"]


def build(encoder: str, classes: int = 2, widths: tuple[int, ...] = ()) -> Stride4Unet:
    torch.manual_seed(0)
    network = build_network(STRIDE4_UNET, encoder, classes, decoder_channels=widths).eval()
    assert isinstance(network, Stride4Unet)
    return network


@pytest.mark.parametrize("encoder", [*ENCODERS, "tu-mobilenetv3_small_050", "mit_b0"])
def test_network_returns_one_logit_map_per_class_at_the_size_of_the_input(encoder: str) -> None:
    with torch.inference_mode():
        logits = build(encoder, 3)(torch.randn(2, 1, 64, 96))
    assert logits.shape == (2, 3, 64, 96)


def test_decoder_stops_at_a_quarter_of_the_input() -> None:
    widths = (1, 8, 12, 16, 24, 32)
    features = [torch.randn(1, width, 64 >> level, 96 >> level) for level, width in enumerate(widths)]
    decoder = Stride4Decoder(widths, (20, 12, 8)).eval()
    assert decoder(features).shape == (1, 8, 16, 24)


def test_decoder_has_one_convolution_per_level_each_with_normalization_and_relu() -> None:
    kinds = [type(module) for block in build(ENCODERS[0]).decoder.blocks for module in block]
    assert kinds == [nn.Conv2d, nn.BatchNorm2d, nn.ReLU] * len(DECODER_CHANNELS)


def test_frontal_head_adds_a_score_from_the_encoder_and_changes_no_map() -> None:
    segmenter = Segmenter(build("resnet18"), Normalization(0.449, 0.226)).eval()
    image = torch.randint(0, 256, (3, 1, 64, 96), dtype=torch.uint8)
    with torch.no_grad():
        alone = segmenter(image)
        segmenter.frontal = FrontalHead(512)
        maps, scores = segmenter(image)
        expected = segmenter.frontal.linear(segmenter.features(image).mean(dim=(2, 3))).sigmoid()[:, 0]
    assert segmenter.outputs == ("probability", "frontal")
    torch.testing.assert_close(maps, alone, rtol=0, atol=0)
    torch.testing.assert_close(scores, expected)


def test_decoder_channels_set_the_widths() -> None:
    convolutions = [block[0] for block in build("resnet18", widths=(32, 16, 8)).decoder.blocks]
    assert [layer.out_channels for layer in convolutions] == [32, 16, 8]


@pytest.fixture(scope="module", params=ENCODERS)
def exported(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Segmenter, Path]:
    normalization = Normalization(0.449, 0.226)
    segmenter = Segmenter(build(request.param), normalization).eval()
    card = ModelCard(
        name="stride4",
        classes=("lung", "lesion"),
        architecture=STRIDE4_UNET,
        encoder=request.param,
        pixels=PixelSpec(64, 96),
        normalization=normalization,
        thresholds=(0.5, 0.5),
        license="Apache-2.0",
    )
    path = tmp_path_factory.mktemp("unet-s4") / "model.onnx"
    write_onnx(segmenter, card, path)
    return segmenter, path


def test_onnx_file_computes_what_pytorch_computes(exported: tuple[Segmenter, Path]) -> None:
    segmenter, path = exported
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    for count in (1, 3):
        batch = np.random.default_rng(count).integers(0, 256, (count, 1, 64, 96), dtype=np.uint8)
        np.testing.assert_allclose(
            session.run(None, {"image": batch})[0], predictor(segmenter)(batch), atol=1e-5
        )


def test_every_normalization_folds_into_its_convolution(exported: tuple[Segmenter, Path]) -> None:
    kinds = [node.op_type for node in merge_normalization(onnx.load(exported[1])).graph.node]
    assert "BatchNormalization" not in kinds
    assert kinds[-2:] == ["Resize", "Sigmoid"]


def test_wrong_number_of_widths_is_rejected() -> None:
    with pytest.raises(ModelError, match=r"unet-s4 with encoder resnet18 .*the decoder has 3 widths, got 5"):
        build("resnet18", widths=(128, 64, 32, 16, 16))


def test_logits_and_their_upsampling_stay_in_float_in_an_int8_file(
    exported: tuple[Segmenter, Path], tmp_path: Path
) -> None:
    images = [np.random.default_rng(seed).integers(0, 256, (64, 96), dtype=np.uint8) for seed in range(2)]
    path = tmp_path / "int8.onnx"
    quantize(exported[1], path, images, recipes("cpu")[0])
    kinds = [node.op_type for node in onnx.load(path).graph.node]
    assert kinds[-3:] == ["Conv", "Resize", "Sigmoid"]
    assert kinds.count("QuantizeLinear") > 10
