"""What is not trained when training starts from pretrained weights."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import nn


class Freeze(StrEnum):
    """The part of a network that keeps its weights."""

    NONE = "none"
    ENCODER = "encoder"
    """Its statistics of batch normalization too: a few images would replace them by worse ones."""


def keep_frozen(network: nn.Module, freeze: Freeze) -> None:
    """Turn off the gradients of a network's frozen part, and put it into evaluation mode.

    In that mode batch normalization uses its statistics and leaves them as they are. It must be called again
    after `train()`, which puts every part into training mode.
    """
    if freeze is Freeze.ENCODER:
        network.get_submodule("encoder").requires_grad_(False).eval()
