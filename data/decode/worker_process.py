"""Start a worker process without multiprocessing, and find out why one ended.

A process of multiprocessing imports the user's script again, which fails for scripts without a `__main__`
guard and for those read from standard input, and the workers of a pool, which are daemons, may not start
any. This one is Python with a module of ours, and shares nothing with its parent but two pipes.
"""

from __future__ import annotations

import errno
import os
import signal
import subprocess
import sys
from contextlib import suppress
from multiprocessing import spawn

import msgspec

from ...errors import MachineError
from .messages import READY, pack
from .worker import Task

_PROGRAM = (
    "import sys; sys.path[:] = sys.argv[1:]; del sys.argv[1:]; "
    f"from {__package__}.worker import serve; serve()"
)

# glibc would give the memory of each image back to the system, and clear it anew for the next.
_MEMORY_KEPT = {"MALLOC_MMAP_THRESHOLD_": str(32 << 20), "MALLOC_TRIM_THRESHOLD_": str(64 << 20)}

_CRASHES = frozenset(
    getattr(signal, name)
    for name in ("SIGABRT", "SIGBUS", "SIGFPE", "SIGILL", "SIGSEGV", "SIGSYS", "SIGTRAP")
    if hasattr(signal, name)
)

_CURES = {
    errno.EAGAIN: "; raise the limit of processes (ulimit -u)",
    errno.EMFILE: "; raise the limit of open files (ulimit -n)",
    errno.ENFILE: "; raise the limit of open files of the system",
}


class NotStartedError(Exception):
    """A worker process could not be started; the text is the cause."""


def start_process(task: Task) -> subprocess.Popen[bytes]:
    """Start a worker process; it is ready when `wait_until_ready` returns.

    Raises
    ------
    NotStartedError
        If the system starts no more processes.
    """
    try:
        process = subprocess.Popen(
            [_python(), *_flags(), "-c", _PROGRAM, *_module_folders()],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            bufsize=0,
            env=_MEMORY_KEPT | os.environ,
            # In a group of its own: Ctrl-C in the terminal is for the parent alone.
            process_group=None if sys.platform == "win32" else 0,
            creationflags=getattr(subprocess, "CREATE_NEW_PROCESS_GROUP", 0),
        )
    except OSError as error:
        raise NotStartedError(f"{error.strerror or error}{_CURES.get(error.errno or 0, '')}") from error
    assert process.stdin is not None
    with suppress(OSError):  # if it has ended, `wait_until_ready` finds out why
        process.stdin.write(pack(msgspec.json.encode(task)))
    return process


def wait_until_ready(process: subprocess.Popen[bytes]) -> None:
    """Wait until a new process can read files.

    Raises
    ------
    NotStartedError
        If it ends before.
    """
    assert process.stdout is not None
    assert process.stderr is not None
    printed = b""
    while not printed.endswith(READY):
        if not (byte := process.stdout.read(1)):
            raise NotStartedError(_why_it_ended(process))
        printed += byte
    process.stderr.close()


def close(process: subprocess.Popen[bytes]) -> int:
    """Kill a process, unless it has ended, and return its exit status as `Popen.returncode`."""
    process.kill()
    for pipe in (process.stdin, process.stdout, process.stderr):
        if pipe is not None:
            pipe.close()
    return process.wait()


def is_crash(status: int) -> bool:
    """Return whether a process ended by itself, and was not killed by a user or the system."""
    return status >= 0 or -status in _CRASHES


def signal_name(status: int) -> str:
    """Return the name of the signal that ended a process."""
    try:
        return signal.Signals(-status).name
    except ValueError:
        return f"signal {-status}"


def _why_it_ended(process: subprocess.Popen[bytes]) -> str:
    assert process.stderr is not None
    lines = process.stderr.read().decode(errors="replace").strip().splitlines()
    status = process.wait()
    if lines:
        return lines[-1]
    return f"ended by {signal_name(status)}" if status < 0 else f"ended with exit status {status}"


def _python() -> str:
    """Return the Python interpreter that multiprocessing would use too."""
    python = os.fsdecode(spawn.get_executable() or "")
    if not python or (getattr(sys, "frozen", False) and python == sys.executable):
        raise MachineError(
            "TIFF, JPEG 2000, BMP and DICOM are decoded in processes of a Python interpreter, and this "
            "program has none; call multiprocessing.set_executable() with the path of a Python that has cxr"
        )
    return python


def _flags() -> list[str]:
    """Return the options of the interpreter that matter: those on which the import of modules depends."""
    given = {
        "-E": sys.flags.ignore_environment,
        "-s": sys.flags.no_user_site,
        "-B": sys.flags.dont_write_bytecode,
    }
    utf8 = ["-X", "utf8"] if sys.flags.utf8_mode else []
    return ["-P", *(flag for flag, is_given in given.items() if is_given), *utf8]


def _module_folders() -> list[str]:
    """Return `sys.path`; the empty entry is the working directory, if that still exists."""
    folders = []
    for folder in sys.path:
        try:
            folders.append(str(folder) or os.getcwd())  # noqa: PTH109
        except FileNotFoundError:
            continue
    return folders
