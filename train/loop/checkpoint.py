"""The checkpoint that a run resumes from: all that training needs, in one file that is never half written."""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from lightning.fabric.plugins import TorchCheckpointIO
from torch import nn

from ...errors import ModelError, OutputError
from ...models.network.torch_file import load_torch_file, save_torch_file
from ..run_folder import LAST, WEIGHTS

_COPIES = 10
"""Of the network: weights, average and both moments of the optimizer in a checkpoint, its successor, the best
weights and theirs."""


class CheckpointFile(TorchCheckpointIO):
    """Writes beside the file and renames.

    Lightning's own way passes through the system's temporary folder, and leaves files there if it is killed.
    """

    def save_checkpoint(
        self, checkpoint: dict[str, Any], path: str | os.PathLike[str], storage_options: Any = None
    ) -> None:
        """Write a checkpoint; on a full disk the one before is kept."""
        save_torch_file(checkpoint, Path(path))


def finished_epochs(path: Path) -> int:
    """Return after how many epochs a checkpoint was written.

    Raises
    ------
    ModelError
        If the file is damaged, or no checkpoint of a training run.
    """
    checkpoint = load_torch_file(path)
    epoch = checkpoint.get("epoch") if isinstance(checkpoint, Mapping) else None
    if not isinstance(epoch, int):
        raise ModelError(f"{path}: is not a checkpoint of cxr-train; copy it again, or start a new run")
    return epoch + 1


def check_space(folder: Path, network: nn.Module) -> None:
    """Check before the first epoch that a run's files, as far as they are not there yet, fit on its disk.

    Parameters
    ----------
    folder : Path
        Of the run; one that resumes has files already.
    network : torch.nn.Module
        That is trained, without a moving average.

    Raises
    ------
    OutputError
        If they do not.
    """
    size = sum(tensor.nbytes for tensor in network.state_dict().values())
    present = sum(path.stat().st_size for name in (LAST, WEIGHTS) if (path := folder / name).is_file())
    free, needed = shutil.disk_usage(folder).free, _COPIES * size - present
    if free < needed:
        raise OutputError(
            f"{folder}: the checkpoints of this run need up to {_megabytes(needed)}, and {_megabytes(free)} "
            "are free on this disk; free some, or give --runs on another disk"
        )


def _megabytes(size: int) -> str:
    return f"{size / 1e6:.0f} MB"
