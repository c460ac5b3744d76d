from __future__ import annotations

from typing import Any

import pytest
import segmentation_models_pytorch as smp
import torch

from cxr.errors import ModelError
from cxr.models.network import UNET_DECODER, build_network, default_decoder


@pytest.fixture
def no_hub(monkeypatch: pytest.MonkeyPatch) -> None:
    def unreachable(*_args: Any, **_settings: Any) -> str:
        raise ConnectionError("no route to the hub")

    monkeypatch.setattr(smp.encoders, "hf_hub_download", unreachable)


@pytest.mark.parametrize(
    ("architecture", "encoder"),
    [
        ("unet", "resnet18"),
        ("Unet", "timm-tf_efficientnet_lite0"),
        ("fpn", "mobilenet_v2"),
        ("unet", "tu-mobilenetv3_small_050"),
        ("unet", "timm-mobilenetv3_small_075"),
    ],
)
@pytest.mark.usefixtures("no_hub")
def test_a_network_leads_from_one_gray_channel_to_logits(architecture: str, encoder: str) -> None:
    torch.manual_seed(0)
    network = build_network(architecture, encoder, 2).eval()
    with torch.inference_mode():
        logits = network(torch.randn(3, 1, 64, 96))
    assert logits.shape == (3, 2, 64, 96)
    assert logits.min() < 0 or logits.max() > 1  # no activation keeps them between


def test_the_decoder_takes_the_widths_given() -> None:
    narrow = build_network("unet", "resnet18", 1, decoder_channels=UNET_DECODER)
    assert narrow.state_dict()["segmentation_head.0.weight"].shape == (1, 16, 3, 3)
    assert sum(map(torch.numel, narrow.parameters())) < sum(
        map(torch.numel, build_network("unet", "resnet18", 1).parameters())
    )


@pytest.mark.parametrize(("architecture", "widths"), [("unet", UNET_DECODER), ("fpn", ())])
def test_only_a_unet_has_a_narrow_decoder_by_default(architecture: str, widths: tuple[int, ...]) -> None:
    assert default_decoder(architecture) == widths


@pytest.mark.parametrize(
    ("architecture", "encoder", "said"),
    [
        ("unett", "resnet18", "architecture 'unett' is not known; did you mean unet"),
        ("unet", "resnet19", "encoder 'resnet19' is not known; did you mean resnet1"),
        ("unet", "tu-mobilenetv3_smal_050", "did you mean tu-mobilenetv3_small_050"),
        ("linknet", "mit_b0", "linknet with encoder mit_b0 cannot be built"),
    ],
)
def test_wrong_names_are_one_line_with_what_was_meant(architecture: str, encoder: str, said: str) -> None:
    with pytest.raises(ModelError, match=said) as caught:
        build_network(architecture, encoder, 1)
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 300


def test_widths_for_an_architecture_that_takes_none_are_refused() -> None:
    with pytest.raises(ModelError, match="linknet takes no decoder channels"):
        build_network("linknet", "resnet18", 1, decoder_channels=UNET_DECODER)


@pytest.mark.usefixtures("no_hub")
def test_where_the_hub_cannot_be_reached_the_error_says_what_to_do() -> None:
    with pytest.raises(ModelError, match=r"cannot be downloaded here.*--encoder-weights none"):
        build_network("unet", "resnet18", 1, encoder_weights="imagenet")


@pytest.mark.usefixtures("no_hub")
def test_the_default_encoder_needs_no_hub() -> None:
    build_network("unet", "timm-tf_efficientnet_lite0", 1, encoder_weights="imagenet")
