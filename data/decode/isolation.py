"""Read files whose decoders may crash or hang in processes that may be killed.

PNG and JPEG, nearly all of an archive, are read at once: their work is bounded by what their header says.
Decoders of TIFF, JPEG 2000, WebP, BMP and DICOM have a history of crashing on damaged files. They run in
processes of their own; one that dies, or takes longer than it may, costs one file and nothing else.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable
from multiprocessing import get_context, parent_process
from pathlib import Path
from queue import SimpleQueue
from threading import Thread
from types import TracebackType
from typing import TYPE_CHECKING, Self

from ...errors import DecodeError, MachineError
from ..image import Radiograph
from .formats import DICOM_HEAD, PNG_SIGNATURE, is_dicom
from .options import DecodeOptions
from .reader import read_image

if TYPE_CHECKING:
    from multiprocessing.connection import Connection
    from multiprocessing.context import SpawnProcess

_AT_ONCE = (PNG_SIGNATURE, b"\xff\xd8\xff")  # PNG and JPEG

START_SECONDS = 60.0
"""How long a process may take to start."""

BYTES_A_PIXEL = 16
"""Memory that a process may take for each pixel of the limit: colors in 32 bits, and once more to copy."""

SPARE_BYTES = 1 << 30
"""Memory that it may take besides, for the decoders themselves."""


class Isolation:
    """A reader for many threads; its processes are started when a file first needs one.

    Each process has pipes of its own, so that one that is killed in the middle of a message, as the system
    does when memory runs out, spoils no other's.

    Parameters
    ----------
    workers : int
        Most processes.
    reading : DecodeOptions
        How files are read; `seconds` is the time that a process may take for one.
    """

    def __init__(self, workers: int, reading: DecodeOptions) -> None:
        self._reading = reading
        self._idle: SimpleQueue[_Worker] = SimpleQueue()
        self._workers = [_Worker(reading) for _ in range(workers)]
        for worker in self._workers:
            self._idle.put(worker)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for worker in self._workers:
            worker.stop()

    def read(self, path: Path) -> Radiograph:
        """Read a file as a radiograph, as `read_image` does.

        Raises
        ------
        DecodeError
            As `read_image`, and if the decoder crashed, took too long or too much memory.
        MachineError
            If no process can be started.
        """
        if _is_read_at_once(path):
            return read_image(path, self._reading)
        worker = self._idle.get()
        try:
            return worker.read(path)
        finally:
            self._idle.put(worker)


class _Worker:
    """One process with a pipe of its own, made anew whenever it is lost."""

    def __init__(self, reading: DecodeOptions) -> None:
        self._reading = reading
        self._process: SpawnProcess | None = None
        self._pipe: Connection[Path, Radiograph | Exception | None]

    def read(self, path: Path) -> Radiograph:
        """Read in the process; one that was lost while idle is made anew first."""
        if self._process is None or not self._process.is_alive():
            self._start()
        try:
            self._pipe.send(path)
            answer = self._receive(self._reading.seconds)
        except TimeoutError as error:
            self.stop()
            seconds = f"{self._reading.seconds:g} seconds"
            raise DecodeError(f"{path}: not decoded within {seconds}; is it damaged?") from error
        except (EOFError, OSError) as error:
            self.stop()
            raise DecodeError(f"{path}: its decoder crashed on it; is it damaged?") from error
        if isinstance(answer, MemoryError):
            raise DecodeError(
                f"{path}: takes more memory than its pixels explain; is it damaged?"
            ) from answer
        if isinstance(answer, Exception):
            raise answer
        assert answer is not None
        return answer

    def stop(self) -> None:
        """End the process, whatever it does."""
        if self._process is not None:
            self._process.kill()
            self._process.join()
            self._pipe.close()
            self._process = None

    def _start(self) -> None:
        self.stop()
        context = get_context("spawn")  # a fork would copy the locks that other threads hold just now
        self._pipe, theirs = context.Pipe()
        self._process = context.Process(target=_serve, args=(theirs, read_image, self._reading), daemon=True)
        try:
            self._process.start()
            theirs.close()
            self._receive(START_SECONDS)
        except (EOFError, OSError, RuntimeError, TimeoutError) as error:
            self._process = None
            raise MachineError(
                "the processes that decode TIFF, JPEG 2000, WebP, BMP and DICOM cannot be started; "
                'a script must call cxr under `if __name__ == "__main__":`'
            ) from error

    def _receive(self, seconds: float) -> Radiograph | Exception | None:
        if not self._pipe.poll(seconds):
            raise TimeoutError
        return self._pipe.recv()


def _serve(
    pipe: Connection[Radiograph | Exception | None, Path],
    read: Callable[[Path, DecodeOptions], Radiograph],
    reading: DecodeOptions,
) -> None:
    """Read what is asked for until the other end is closed; the first answer says that it has begun."""
    _begin(reading.max_pixels)
    answer: Radiograph | Exception | None = None
    while True:
        try:
            pipe.send(answer)
            path = pipe.recv()
        except (EOFError, OSError):
            return
        try:
            answer = read(path, reading)
        except Exception as error:  # noqa: BLE001 - whatever it is, it is the other end's to judge
            answer = error


def _is_read_at_once(path: Path) -> bool:
    """Say whether a file is PNG or JPEG; DICOM may begin like either, since its first 128 bytes are free."""
    try:
        with path.open("rb") as file:
            head = file.read(DICOM_HEAD)
    except OSError:
        return True  # there is nothing to decode: reading it says why
    return head.startswith(_AT_ONCE) and not is_dicom(head)


def _end_with_parent() -> None:
    parent = parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


def _begin(max_pixels: int) -> None:
    """Prepare a process: Ctrl-C is its parent's affair, and it neither outlives that nor takes all memory."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    Thread(target=_end_with_parent, daemon=True).start()
    if sys.platform == "linux":
        import resource

        held = int(Path("/proc/self/statm").read_text().split()[5]) * resource.getpagesize()
        most = held + SPARE_BYTES + BYTES_A_PIXEL * max_pixels
        resource.setrlimit(resource.RLIMIT_DATA, (most, resource.getrlimit(resource.RLIMIT_DATA)[1]))
