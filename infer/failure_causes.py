"""Distinguish what is wrong with one image from what is wrong with the machine or the disk."""

from __future__ import annotations

import errno

from ..errors import CxrError, OutputError
from .records import ImageFile

# Out of memory, out of file handles, a network drive that was disconnected.
_EXHAUSTED = (errno.ENOMEM, errno.EMFILE, errno.ENFILE, errno.ESTALE)


def describe_error(error: Exception, file: ImageFile) -> str:
    """Describe an error in one line, without the file's path, which has its own column in the table."""
    text = str(error).removeprefix(f"{file.path}: ")
    return text if isinstance(error, CxrError) else f"{type(error).__name__}: {text}"


def exhausted_resource(error: BaseException | None) -> str | None:
    """Return which resource of the machine was exhausted, or None if the error has another cause.

    The same image may succeed in a later run, so such an error is never recorded as the image's failure.
    """
    while error is not None:
        if isinstance(error, MemoryError):
            return "out of memory"
        if isinstance(error, OSError) and error.errno in _EXHAUSTED:
            return error.strerror
        error = error.__cause__
    return None


def is_disk_error(error: Exception) -> bool:
    """Return whether the output disk cannot be written; a name that is too long is the image's failure."""
    cause = error.__cause__ if isinstance(error, OutputError) else error
    return isinstance(cause, OSError) and cause.errno != errno.ENAMETOOLONG
