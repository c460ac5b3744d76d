"""Augmentation: random changes of a training image; geometric changes apply to its masks too."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torchvision import tv_tensors
from torchvision.transforms import v2
from torchvision.transforms.v2 import functional

from ..models.card import PixelSpec


class RandomGamma(nn.Module):
    """Apply a random gamma to the image, as another detector would; the masks are unchanged."""

    def __init__(self, low: float, high: float) -> None:
        super().__init__()
        self.low, self.high = low, high

    def forward(self, image: Tensor, masks: Tensor) -> tuple[Tensor, Tensor]:
        """Draw an exponent and apply it."""
        gamma = float(torch.empty(1).uniform_(self.low, self.high))
        return functional.adjust_gamma(image, gamma), masks


def augmentation(spec: PixelSpec) -> Callable[..., Any]:
    """Return the training transform: mirroring, affine motion, brightness, contrast, gamma and noise.

    It takes and returns (`tv_tensors.Image` uint8 [1,H,W], `tv_tensors.Mask` uint8 [C,H,W]).
    """
    fill = {tv_tensors.Image: spec.pad_value, tv_tensors.Mask: 0}
    steps: Callable[..., Any] = v2.Compose(
        [
            v2.RandomHorizontalFlip(0.5),
            v2.RandomAffine(
                degrees=8,
                translate=(0.05, 0.05),
                scale=(0.9, 1.1),
                interpolation=v2.InterpolationMode.BILINEAR,
                fill=fill,
            ),
            v2.ColorJitter(brightness=0.2, contrast=0.2),
            RandomGamma(0.8, 1.25),
            v2.RandomApply([v2.GaussianNoise(sigma=0.02)], 0.5),
        ]
    )
    return steps
