"""The output `frontal`: whether an image is an upright frontal chest radiograph, from the encoder's last map.

A lungs model draws lungs on every image, and its mask says little about a lateral radiograph or a CT image.
Its encoder tells more: a logistic regression on the means of its deepest map over the image. It is part of
the graph, so that one number leaves it, the same on every execution provider, in the same pass.
"""

from __future__ import annotations

from torch import Tensor, nn


class FrontalHead(nn.Module):
    """Means of a map over the image, one linear layer and a sigmoid.

    Parameters
    ----------
    channels : int
        Of the map.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.linear = nn.Linear(channels, 1)

    def forward(self, features: Tensor) -> Tensor:
        """Compute the scores, float32 `[N]` in 0..1, from the encoder's last map, float32 `[N,C,h,w]`."""
        return self.logits(pool(features)).sigmoid()

    def logits(self, pooled: Tensor) -> Tensor:
        """Compute the logits, float32 `[N]`, from what `pool` returns."""
        logits: Tensor = self.linear(pooled)
        return logits.squeeze(1)


def pool(features: Tensor) -> Tensor:
    """Average a map over the image: `[N,C,h,w]` to `[N,C]`."""
    return features.mean(dim=(2, 3))
