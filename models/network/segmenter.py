"""The network that training fits, validation evaluates and export writes to ONNX."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from ...data.image import Gray
from ..card import Normalization
from ..evaluate import Predict
from ..preprocess import Probability
from .frontal import FrontalHead


class Segmenter(nn.Module):
    """A network with its normalization: uint8 `[N,1,H,W]` to probabilities `[N,C,H,W]`.

    Parameters
    ----------
    network : torch.nn.Module
        Float `[N,1,H,W]`, normalized, to logits `[N,C,H,W]`.
    normalization : Normalization
    frontal : FrontalHead, optional
        What the output `frontal` is computed with, for a network of an encoder, a decoder and a head.
    """

    def __init__(
        self, network: nn.Module, normalization: Normalization, frontal: FrontalHead | None = None
    ) -> None:
        super().__init__()
        self.frontal = frontal
        self.network = network.to(memory_format=torch.channels_last)
        # One multiplication and one addition, which a runtime can fold into the first layer.
        self.scale = 1 / (255 * normalization.std)
        self.shift = -normalization.mean / normalization.std

    @property
    def outputs(self) -> tuple[str, ...]:
        """The names of what `forward` returns, as they are in an exported file."""
        return ("probability",) if self.frontal is None else ("probability", "frontal")

    def logits(self, image: Tensor) -> Tensor:
        """Compute the logits, float32 `[N,C,H,W]`."""
        logits: Tensor = self.network(self._normalize(image))
        return logits

    def features(self, image: Tensor) -> Tensor:
        """Compute the encoder's last map, float32 `[N,channels,H/32,W/32]`."""
        encoder: Any = self.network.encoder
        deepest: Tensor = encoder(self._normalize(image))[-1]
        return deepest

    def forward(self, image: Tensor) -> Tensor | tuple[Tensor, Tensor]:
        """Compute the probability of each class at each pixel, float32 `[N,C,H,W]`.

        With a frontal head also its score of each image, float32 `[N]`.
        """
        if self.frontal is None:
            return self.logits(image).sigmoid()
        features: list[Tensor] = []
        encoder: Any = self.network.encoder
        # The network returns its logits only: its encoder's maps are taken on the way.
        hook = encoder.register_forward_hook(lambda _module, _inputs, maps: features.append(maps[-1]))
        logits = self.logits(image)
        hook.remove()
        return logits.sigmoid(), self.frontal(features[0])

    def _normalize(self, image: Tensor) -> Tensor:
        return image.to(torch.float32) * self.scale + self.shift


def predictor(segmenter: Segmenter, device: torch.device | None = None) -> Predict:
    """Wrap a segmenter as a function from uint8 `[N,1,H,W]` to float32 probabilities `[N,C,H,W]`.

    Parameters
    ----------
    segmenter : Segmenter
        It is set to evaluation mode.
    device : torch.device, optional
        Where it runs; by default the CPU.
    """
    target = device or torch.device("cpu")
    segmenter = segmenter.to(target).eval()

    def predict(batch: Gray) -> Probability:
        with torch.inference_mode():
            maps = segmenter.logits(torch.from_numpy(batch).to(target)).sigmoid()
        return np.asarray(maps.float().cpu().numpy(), np.float32)

    return predict
