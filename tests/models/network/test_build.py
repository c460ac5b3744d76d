from __future__ import annotations

from typing import Any

import pytest
import segmentation_models_pytorch as smp
import torch

from cxr.errors import ModelError
from cxr.models.network.build import UNET_DECODER, build_network, default_decoder


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
def test_network_maps_one_gray_channel_to_logits(architecture: str, encoder: str) -> None:
    torch.manual_seed(0)
    network = build_network(architecture, encoder, 2).eval()
    with torch.inference_mode():
        logits = network(torch.randn(3, 1, 64, 96))
    assert logits.shape == (3, 2, 64, 96)
    assert logits.min() < 0 or logits.max() > 1  # no activation bounds them


def test_decoder_has_the_requested_widths() -> None:
    narrow = build_network("unet", "resnet18", 1, decoder_channels=UNET_DECODER)
    assert narrow.state_dict()["segmentation_head.0.weight"].shape == (1, 16, 3, 3)
    assert sum(map(torch.numel, narrow.parameters())) < sum(
        map(torch.numel, build_network("unet", "resnet18", 1).parameters())
    )


@pytest.mark.parametrize(("architecture", "widths"), [("unet", UNET_DECODER), ("fpn", ())])
def test_only_a_unet_has_a_narrow_decoder_by_default(architecture: str, widths: tuple[int, ...]) -> None:
    assert default_decoder(architecture) == widths


@pytest.mark.parametrize(
    ("architecture", "encoder", "message"),
    [
        ("unett", "resnet18", "unknown architecture 'unett'; did you mean unet"),
        ("unet", "resnet19", "unknown encoder 'resnet19'; did you mean resnet1"),
        ("unet", "tu-mobilenetv3_smal_050", "did you mean tu-mobilenetv3_small_050"),
        ("linknet", "mit_b0", "linknet with encoder mit_b0 cannot be built"),
    ],
)
def test_unknown_name_is_reported_with_the_nearest_names(
    architecture: str, encoder: str, message: str
) -> None:
    with pytest.raises(ModelError, match=message) as caught:
        build_network(architecture, encoder, 1)
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 300


def test_widths_for_an_architecture_without_this_setting_are_rejected() -> None:
    with pytest.raises(ModelError, match="linknet does not take decoder_channels"):
        build_network("linknet", "resnet18", 1, decoder_channels=UNET_DECODER)


@pytest.mark.usefixtures("no_hub")
def test_error_for_an_unreachable_hub_names_the_alternatives() -> None:
    with pytest.raises(ModelError, match=r"cannot be downloaded.*--encoder-weights none"):
        build_network("unet", "resnet18", 1, encoder_weights="imagenet")


@pytest.mark.usefixtures("no_hub")
def test_default_encoder_needs_no_hub() -> None:
    build_network("unet", "timm-tf_efficientnet_lite0", 1, encoder_weights="imagenet")
