"""Errors of the system that are the fault of the machine or of a drive, never of one file."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from pathlib import Path

from ..errors import MachineError

_EXHAUSTED = (errno.ENOMEM, errno.EMFILE, errno.ENFILE)

# By name: not every system has all of them.
_DISCONNECTED = frozenset(
    getattr(errno, name)
    for name in (
        "ECOMM",
        "ECONNABORTED",
        "ECONNREFUSED",
        "ECONNRESET",
        "EHOSTDOWN",
        "EHOSTUNREACH",
        "EIO",
        "ENETDOWN",
        "ENETRESET",
        "ENETUNREACH",
        "ENODEV",
        "ENOLINK",
        "ENOMEDIUM",
        "ENOTCONN",
        "ENXIO",
        "EPROTO",
        "EREMOTEIO",
        "ESHUTDOWN",
        "ESTALE",
        "ETIMEDOUT",
    )
    if hasattr(errno, name)
)


def causes(error: BaseException | None) -> Iterator[BaseException]:
    """Yield an error and the errors that caused it."""
    while error is not None:
        yield error
        error = error.__cause__


def is_exhausted(error: BaseException) -> bool:
    """Return whether the machine is out of memory or of file handles."""
    return isinstance(error, MemoryError) or (isinstance(error, OSError) and error.errno in _EXHAUSTED)


def is_disconnected(error: BaseException) -> bool:
    """Return whether a drive or a share does not answer."""
    return isinstance(error, OSError) and error.errno in _DISCONNECTED


def drive_error(path: Path, cause: str) -> MachineError:
    """Return the error of a drive or share that does not answer, or that is gone."""
    return MachineError(
        f"{path}: {cause}; is its drive or share still connected? "
        "Run the same command again once it is; if only this file cannot be read, remove it first"
    )


def check_drive(path: Path, error: OSError) -> None:
    """Check that an error of a file or folder is not one of its drive.

    Raises
    ------
    MachineError
        If it is.
    """
    if is_disconnected(error):
        raise drive_error(path, error.strerror or str(error)) from error


def has_disappeared(path: Path) -> bool:
    """Return whether a file that was there is gone along with its drive, and was not just deleted.

    Without its drive a file's folder is gone, or is the empty folder that the drive was mounted on. For a
    link this is the folder of its target.
    """
    try:
        path.stat()
    except FileNotFoundError:
        folder = Path(os.path.realpath(path)).parent
        try:
            with os.scandir(folder) as entries:
                return next(entries, None) is None
        except OSError:
            return True
    except OSError as error:
        return is_disconnected(error)
    return False
