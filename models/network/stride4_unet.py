"""A U-Net that stops at stride 4: one convolution per level, then bilinear upsampling of the logits.

The decoder of a U-Net spends most of its arithmetic at full and half resolution, where a lung or an opacity
has no detail that is not in the maps at a quarter of it. This one ends there, as DeepLabv3+ does (Chen et
al. 2018, arXiv:1802.02611), and the logits are enlarged four times.

It is made for int8: every convolution is followed by a normalization that folds into it and by a plain ReLU,
which vanishes into the output range; enlarging inside the decoder copies values (nearest neighbor) and needs
no range of its own; only the logits are interpolated, in float.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

DECODER_CHANNELS = (96, 64, 48)
"""Widths at strides 16, 8 and 4."""

_LOGIT_STRIDE = 4


class ConvBlock(nn.Sequential):
    """A 3 x 3 convolution, batch normalization and ReLU."""

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__(
            nn.Conv2d(in_channels, out_channels, 3, padding=1, bias=False),
            nn.BatchNorm2d(out_channels),
            nn.ReLU(inplace=True),
        )


class Stride4Decoder(nn.Module):
    """Merge the encoder's maps from stride 32 up to stride 4.

    Parameters
    ----------
    encoder_channels : sequence of int
        Widths of the encoder's maps at strides 1, 2, 4, 8, 16 and 32.
    channels : sequence of int
        Widths of the three levels, deepest first.

    Raises
    ------
    ValueError
        If there are not three widths.
    """

    def __init__(self, encoder_channels: Sequence[int], channels: Sequence[int] = DECODER_CHANNELS) -> None:
        super().__init__()
        deepest, *skips = encoder_channels[:1:-1]
        if len(channels) != len(skips):
            raise ValueError(f"the decoder has {len(skips)} widths, got {len(channels)}")
        inputs = (deepest, *channels)
        self.blocks = nn.ModuleList(
            ConvBlock(below + skip, width)
            for below, skip, width in zip(inputs, skips, channels, strict=False)
        )

    def forward(self, features: Sequence[Tensor]) -> Tensor:
        """Return the map at stride 4, float32 `[N, channels[-1], H/4, W/4]`."""
        merged, *skips = features[:1:-1]
        for block, skip in zip(self.blocks, skips, strict=True):
            enlarged = functional.interpolate(merged, scale_factor=2.0, mode="nearest")
            merged = block(torch.cat([enlarged, skip], dim=1))
        return merged


class Stride4Unet(nn.Module):
    """An encoder, a decoder that stops at stride 4, and a 1 x 1 head; its logits are enlarged four times.

    Parameters
    ----------
    encoder : torch.nn.Module
        An encoder of segmentation-models-pytorch with five levels of downsampling: it has `out_channels` and
        returns its maps from stride 1 to stride 32.
    classes : int
        Number of logit maps.
    decoder_channels : sequence of int
        Widths of the decoder's three levels, deepest first.
    """

    def __init__(
        self, encoder: Any, classes: int, decoder_channels: Sequence[int] = DECODER_CHANNELS
    ) -> None:
        super().__init__()
        self.encoder = encoder
        self.decoder = Stride4Decoder(encoder.out_channels, decoder_channels)
        self.segmentation_head = nn.Conv2d(decoder_channels[-1], classes, 1)
        _initialize(self.decoder)

    def forward(self, image: Tensor) -> Tensor:
        """Compute the logits, float32 `[N,classes,H,W]`, of normalized images, float32 `[N,1,H,W]`."""
        logits = self.segmentation_head(self.decoder(self.encoder(image)))
        return functional.interpolate(
            logits, scale_factor=float(_LOGIT_STRIDE), mode="bilinear", align_corners=False
        )


def _initialize(decoder: nn.Module) -> None:
    """Draw the convolutions' weights for ReLU (He et al. 2015, arXiv:1502.01852)."""
    for module in decoder.modules():
        if isinstance(module, nn.Conv2d):
            nn.init.kaiming_uniform_(module.weight, mode="fan_in", nonlinearity="relu")
