"""Read and write files of PyTorch; one-line errors that name the file."""

from __future__ import annotations

from io import BytesIO
from pathlib import Path
from pickle import UnpicklingError
from typing import TYPE_CHECKING, Any

from ...errors import ModelError
from ...machine.extras import require
from ...machine.files import replacing

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


def save_torch_file(value: Any, path: Path) -> None:
    """Write tensors and containers; a file of this name is replaced only by a complete one.

    Raises
    ------
    OutputError
        If it cannot be written, as on a full disk.
    """
    torch = require("torch", extra="train")
    # PyTorch's own writer hides the cause where a disk is full.
    buffer = BytesIO()
    torch.save(value, buffer)
    with replacing(path) as temporary:
        temporary.write_bytes(buffer.getbuffer())


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
