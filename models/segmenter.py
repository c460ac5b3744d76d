"""The network that training fits, validation evaluates and export writes to ONNX."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn

from ..data.image import Gray
from .card import Normalization
from .evaluate import Predict
from .preprocess import Probability


class Segmenter(nn.Module):
    """A network with its normalization: uint8 `[N,1,H,W]` to probabilities `[N,C,H,W]`.

    Parameters
    ----------
    network : torch.nn.Module
        Float `[N,1,H,W]`, normalized, to logits `[N,C,H,W]`.
    normalization : Normalization
    """

    def __init__(self, network: nn.Module, normalization: Normalization) -> None:
        super().__init__()
        self.network = network.to(memory_format=torch.channels_last)
        # One multiplication and one addition, which a runtime can fold into the first layer.
        self.scale = 1 / (255 * normalization.std)
        self.shift = -normalization.mean / normalization.std

    def logits(self, image: Tensor) -> Tensor:
        """Compute the logits, float32 `[N,C,H,W]`."""
        logits: Tensor = self.network(image.to(torch.float32) * self.scale + self.shift)
        return logits

    def forward(self, image: Tensor) -> Tensor:
        """Compute the probability of each class at each pixel, float32 `[N,C,H,W]`."""
        return self.logits(image).sigmoid()


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
            maps = segmenter(torch.from_numpy(batch).to(target))
        return np.asarray(maps.float().cpu().numpy(), np.float32)

    return predict
