"""An exponential moving average of a network's weights, as a network of its own.

The average is what is kept: it is better than the last weights of a short run, and steadier (Tarvainen and
Valpola 2017, arXiv:1703.01780).
"""

from __future__ import annotations

from functools import partial

import torch
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel

DECAY = 0.99
_WARMUP = 10


def moving_average(model: nn.Module, decay: float = DECAY) -> AveragedModel:
    """Start a moving average at a model's present weights.

    Call `update_parameters(model)` after each step of the optimizer; `module` is the averaged network.
    Statistics of batch normalization are averaged like weights; counters are copied.

    Parameters
    ----------
    model : torch.nn.Module
    decay : float
        Weight of the past, between 0 and 1. The first steps forget faster: see `decay_at`.

    Raises
    ------
    ValueError
        If `decay` is not between 0 and 1.
    """
    if not 0 <= decay < 1:
        raise ValueError(f"decay must lie in [0, 1), got {decay}")
    return AveragedModel(model, multi_avg_fn=partial(_average, decay=decay), use_buffers=True)


def decay_at(step: int, decay: float) -> float:
    """Return the weight of the past at a step, counted from 0: small at first, when the past is untrained."""
    return min(decay, (1 + step) / (_WARMUP + step))


@torch.no_grad()
def _average(
    averages: list[Tensor] | tuple[Tensor, ...],
    current: list[Tensor] | tuple[Tensor, ...],
    step: Tensor | int,
    *,
    decay: float,
) -> None:
    weight = 1 - decay_at(int(step), decay)
    for average, value in zip(averages, current, strict=True):
        if average.is_floating_point():
            average.lerp_(value, weight)
        else:
            average.copy_(value)
