"""A lock on an open file, which one process at a time can hold."""

from __future__ import annotations

import errno
import logging
import sys
from io import FileIO

log = logging.getLogger(__name__)

_LOCKED = (errno.EWOULDBLOCK, errno.EAGAIN, errno.EACCES)
"""What the system answers where another process holds the lock."""


def lock(file: FileIO) -> bool:
    """Lock a file until it is closed or the process ends; return False if another process has locked it.

    Many network file systems have no locks, and report so with whatever error: there the file counts as
    locked.
    """
    try:
        if sys.platform == "win32":
            import msvcrt

            file.seek(0)  # locking applies to the bytes at the current position
            msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)
        else:
            import fcntl

            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        if error.errno in _LOCKED:
            return False
        log.debug("%s: cannot be locked (%s); continuing without a lock", file.name, error)
    return True
