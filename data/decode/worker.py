"""The worker process: reads the files that its parent names, and sends their records or errors.

Its standard input and output are pipes to the parent. It holds nothing that must be saved, so it may be
killed at any moment, and it ends as soon as its parent does.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from io import FileIO
from pathlib import Path
from queue import SimpleQueue
from threading import Thread
from typing import Any

import msgspec

from ...errors import DecodeError
from ...machine.os_errors import causes
from .messages import READY, Buffer, error_answer, record_answer, unpack
from .options import DecodeOptions

BYTES_PER_PIXEL = 16
"""Memory limit per pixel of the pixel limit: 32-bit color, and as much again for a copy."""

DECODER_BYTES = 1 << 30
"""Memory limit for the decoders themselves, in addition to that of the pixels."""


@dataclass(frozen=True)
class Task:
    """What a worker process is started for.

    Attributes
    ----------
    module, function : str
        The function that reads one file.
    options : DecodeOptions
    """

    module: str
    function: str
    options: DecodeOptions


def serve() -> None:
    """Read files until the parent ends or closes the pipe."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the parent
    requests, answers = FileIO(os.dup(0)), FileIO(os.dup(1), "wb")
    _discard(0, 1)  # what a library prints must not get between the answers
    task = msgspec.json.decode(unpack(requests), type=Task)
    read = getattr(import_module(task.module), task.function)
    memory_is_ours = _limit_memory(task.options.max_pixels)
    paths: SimpleQueue[Path] = SimpleQueue()
    Thread(target=_receive_paths, args=(requests, paths), daemon=True).start()
    _send(answers, [READY])
    _discard(2)  # from here on, errors are answers; decoders write warnings that name no file
    while True:
        _send(answers, _answer(read, paths.get(), task.options, memory_is_ours=memory_is_ours))


def _answer(
    read: Callable[[Path, DecodeOptions], Any], path: Path, options: DecodeOptions, *, memory_is_ours: bool
) -> list[Buffer]:
    try:
        return record_answer(read(path, options))
    except Exception as error:  # noqa: BLE001 - the parent raises it
        if memory_is_ours and any(isinstance(cause, MemoryError) for cause in causes(error)):
            error = DecodeError(f"{path}: needs more memory than an image of its size should; is it damaged?")
        return error_answer(error)


def _receive_paths(requests: FileIO, paths: SimpleQueue[Path]) -> None:
    """Pass requests on; end the process, whatever its decoder is doing, when the parent has ended."""
    try:
        while True:
            paths.put(Path(os.fsdecode(unpack(requests))))
    finally:
        os._exit(0)


def _send(answers: FileIO, buffers: list[Buffer]) -> None:
    try:
        for buffer in buffers:
            rest = memoryview(buffer)
            while rest:
                rest = rest[answers.write(rest) :]
    except OSError:
        os._exit(0)  # the parent has ended, or waits no longer


def _discard(*descriptors: int) -> None:
    null = os.open(os.devnull, os.O_RDWR)
    for descriptor in descriptors:
        os.dup2(null, descriptor)
    os.close(null)


def _limit_memory(max_pixels: int) -> bool:
    """Limit the memory of this process; return whether the limit is ours, not a lower one set outside."""
    if sys.platform != "linux":
        return False
    import resource

    used = int(Path("/proc/self/statm").read_text().split()[5]) * resource.getpagesize()
    wanted = used + DECODER_BYTES + BYTES_PER_PIXEL * max_pixels
    allowed = [one for one in resource.getrlimit(resource.RLIMIT_DATA) if one != resource.RLIM_INFINITY]
    limit = min([wanted, *allowed])
    resource.setrlimit(resource.RLIMIT_DATA, (limit, limit))
    return limit == wanted and resource.getrlimit(resource.RLIMIT_AS)[0] == resource.RLIM_INFINITY
