"""Try a network on a batch before the data set is read."""

from __future__ import annotations

import copy

import torch

from ...errors import InputError
from ...models.network.segmenter import Segmenter

_MAX_SIZE = 512
_STRIDE = 32


def check_trainable(segmenter: Segmenter, *, name: str, size: int, batch_size: int) -> None:
    """Run a copy of a network forward in training mode.

    Parameters
    ----------
    segmenter : Segmenter
        It is not changed.
    name : str
        Architecture and encoder, for the error.
    size : int
        Side of the input in pixels.
    batch_size : int
        The smallest batch of the run.

    Raises
    ------
    InputError
        If the network cannot be trained on such a batch, with what can be changed.
    """
    # Batch statistics need two values per channel: two images, or maps of more than one pixel.
    count = min(batch_size, 2)
    reason = _failure(segmenter, size, count)
    if reason is None:
        return
    if count == 1 and _failure(segmenter, size, 2) is None:
        raise InputError(
            f"{name} cannot be trained on one image of {size} x {size} pixels at a time: "
            "give --batch-size 2 or more, or a larger --size"
        )
    # The nearest larger size that works, else the nearest smaller one.
    sides = (*range(size + _STRIDE, _MAX_SIZE + 1, _STRIDE), *range(size - _STRIDE, 0, -_STRIDE))
    works = next((side for side in sides if _failure(segmenter, side, 2) is None), None)
    advice = f"give --size {works}" if works else "choose another --architecture or --encoder"
    raise InputError(f"{name} cannot be trained on {size} x {size} pixels ({reason}); {advice}")


def _failure(segmenter: Segmenter, size: int, count: int) -> str | None:
    """Return why a forward pass fails; None if it does not, and gives maps of the input's size."""
    trial = copy.deepcopy(segmenter).train()
    with torch.random.fork_rng(), torch.no_grad():
        try:
            logits = trial.logits(torch.zeros((count, 1, size, size), dtype=torch.uint8))
        except (ValueError, RuntimeError, AssertionError) as error:
            return (str(error).splitlines() or [type(error).__name__])[0]
    if logits.shape[2:] != (size, size):
        return f"its maps have {logits.shape[3]} x {logits.shape[2]} pixels"
    return None
