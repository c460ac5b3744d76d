"""Read files that PyTorch has written; one-line errors that name the file."""

from __future__ import annotations

from pathlib import Path
from pickle import UnpicklingError
from typing import TYPE_CHECKING, Any

from ..errors import ModelError
from ..machine.extras import require

if TYPE_CHECKING:
    from torch import nn

UNREADABLE = (OSError, RuntimeError, ValueError, EOFError, UnpicklingError, LookupError, AttributeError)
"""What `torch.load` raises for a damaged file, or one that would execute code."""

_MAX_REASON = 200


def load_torch_file(path: Path) -> Any:
    """Load a file of plain tensors and containers to the CPU; a file that would execute code is rejected.

    Raises
    ------
    ModelError
        If it does not exist, was cut off, or is no such file.
    """
    torch = require("torch", extra="train")
    try:
        return torch.load(path, map_location="cpu", weights_only=True)
    except FileNotFoundError as error:
        raise ModelError(f"{path}: this file does not exist; did the run finish an epoch?") from error
    except UNREADABLE as error:
        raise ModelError(
            f"{path}: this file is damaged or was not written by PyTorch; copy it again, or train again "
            f"({_one_line(error)})"
        ) from error


def load_weights(network: nn.Module, path: Path, *, name: str) -> None:
    """Load a state dict into a network.

    Parameters
    ----------
    network : torch.nn.Module
    path : Path
    name : str
        Of the network, for errors.

    Raises
    ------
    ModelError
        If the file cannot be read (see `load_torch_file`) or is of another network.
    """
    state = load_torch_file(path)
    try:
        network.load_state_dict(state)
    except (RuntimeError, TypeError, AttributeError) as error:
        raise ModelError(f"{path}: these weights do not fit {name}: {_one_line(error)}") from error


def _one_line(error: Exception) -> str:
    text = " ".join(str(error).split()) or type(error).__name__
    return text if len(text) <= _MAX_REASON else text[:_MAX_REASON] + "…"
