"""Decode files whose decoders may crash or hang in worker processes that can be killed.

PNG and JPEG, nearly all of an archive, are decoded in the calling thread: their headers bound the work.
Decoders of TIFF, JPEG 2000, BMP and DICOM have a history of crashing on damaged files. They run in worker
processes: if one crashes or exceeds the time limit, only that file fails.
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
from typing import TYPE_CHECKING, Generic, Self, TypeVar

from ...errors import DecodeError, MachineError
from ..image import Radiograph
from .codestream import JPEG_START
from .formats import DICOM_HEAD, PNG_SIGNATURE, is_dicom
from .options import DecodeOptions
from .reader import read_image

if TYPE_CHECKING:
    from multiprocessing.connection import Connection
    from multiprocessing.context import SpawnProcess

T = TypeVar("T")

START_SECONDS = 60.0
"""Time limit for the start of a worker process."""

BYTES_PER_PIXEL = 16
"""Memory limit per pixel of the pixel limit: 32-bit color, and as much again for a copy."""

DECODER_BYTES = 1 << 30
"""Memory limit for the decoders themselves, in addition to that of the pixels."""


class IsolatedReader(Generic[T]):
    """Reads files for many threads, in worker processes that are started when first needed.

    Each worker process has its own pipe, so one that is killed in the middle of a message, for example by the
    system when memory runs out, does not corrupt the messages of another.

    Parameters
    ----------
    workers : int
        Maximum number of worker processes.
    options : DecodeOptions
        How files are decoded; `seconds` is the time limit for one file in a worker process.
    read_file : callable
        Reads one file. A worker process imports it by its name, so it must be a function of a module.
    """

    def __init__(
        self, workers: int, options: DecodeOptions, read_file: Callable[[Path, DecodeOptions], T]
    ) -> None:
        self._options = options
        self._read_file = read_file
        self._idle: SimpleQueue[_Worker[T]] = SimpleQueue()
        self._workers = [_Worker(options, read_file) for _ in range(workers)]
        for worker in self._workers:
            self._idle.put(worker)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for worker in self._workers:
            worker.stop()

    def read(self, path: Path) -> T:
        """Read a file.

        Raises
        ------
        DecodeError
            If the file cannot be read, or its decoder crashed or exceeded the limit of time or memory.
        MachineError
            If no worker process can be started.
        """
        if _is_decoded_in_this_process(path):
            return self._read_file(path, self._options)
        worker = self._idle.get()
        try:
            return worker.read(path)
        finally:
            self._idle.put(worker)


class Isolation(IsolatedReader[Radiograph]):
    """Decodes radiographs for many threads, as `read_image` does; see `IsolatedReader`."""

    def __init__(self, workers: int, options: DecodeOptions) -> None:
        super().__init__(workers, options, read_image)


class _Worker(Generic[T]):
    """A worker process and its pipe; it is restarted after each crash."""

    def __init__(self, options: DecodeOptions, read_file: Callable[[Path, DecodeOptions], T]) -> None:
        self._options = options
        self._read_file = read_file
        self._process: SpawnProcess | None = None
        self._pipe: Connection[Path, T | Exception | None]

    def read(self, path: Path) -> T:
        """Decode in the process, which is restarted first if it has ended while idle."""
        if self._process is None or not self._process.is_alive():
            self._start()
        try:
            self._pipe.send(path)
            answer = self._receive(self._options.seconds)
        except TimeoutError as error:
            self.stop()
            seconds = f"{self._options.seconds:g} seconds"
            raise DecodeError(f"{path}: not decoded within {seconds}; is it damaged?") from error
        except (EOFError, OSError) as error:
            self.stop()
            raise DecodeError(f"{path}: the decoder crashed on this file; is it damaged?") from error
        if isinstance(answer, MemoryError):
            raise DecodeError(
                f"{path}: needs more memory than an image of its size should; is it damaged?"
            ) from answer
        if isinstance(answer, Exception):
            raise answer
        assert answer is not None
        return answer

    def stop(self) -> None:
        """Kill the process."""
        if self._process is not None:
            self._process.kill()
            self._process.join()
            self._pipe.close()
            self._process = None

    def _start(self) -> None:
        self.stop()
        context = get_context("spawn")  # a fork would copy locks that other threads hold at that moment
        self._pipe, worker_end = context.Pipe()
        self._process = context.Process(
            target=_serve, args=(worker_end, self._read_file, self._options), daemon=True
        )
        try:
            self._process.start()
            worker_end.close()
            self._receive(START_SECONDS)
        except (EOFError, OSError, RuntimeError, TimeoutError) as error:
            self._process = None
            raise MachineError(
                "the worker processes that decode TIFF, JPEG 2000, BMP and DICOM cannot be started; "
                'a script must call cxr under `if __name__ == "__main__":`'
            ) from error

    def _receive(self, seconds: float) -> T | Exception | None:
        if not self._pipe.poll(seconds):
            raise TimeoutError
        return self._pipe.recv()


def _serve(
    pipe: Connection[T | Exception | None, Path],
    read: Callable[[Path, DecodeOptions], T],
    options: DecodeOptions,
) -> None:
    """Decode the requested files until the pipe is closed; the first answer, None, reports the start."""
    _prepare_process(options.max_pixels)
    answer: T | Exception | None = None
    while True:
        try:
            pipe.send(answer)
            path = pipe.recv()
        except (EOFError, OSError):
            return
        try:
            answer = read(path, options)
        except Exception as error:  # noqa: BLE001 - the parent process raises it
            answer = error


def _is_decoded_in_this_process(path: Path) -> bool:
    """Return whether a file is PNG or JPEG; the first 128 bytes of DICOM may look like either."""
    try:
        with path.open("rb") as file:
            head = file.read(DICOM_HEAD)
    except OSError:
        return True  # reading it here reports the cause
    return head.startswith((PNG_SIGNATURE, JPEG_START)) and not is_dicom(head)


def _end_with_parent() -> None:
    parent = parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


def _prepare_process(max_pixels: int) -> None:
    """Leave Ctrl-C to the parent process, end when that ends, and limit the memory."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    Thread(target=_end_with_parent, daemon=True).start()
    if sys.platform == "linux":
        import resource

        used = int(Path("/proc/self/statm").read_text().split()[5]) * resource.getpagesize()
        limit = used + DECODER_BYTES + BYTES_PER_PIXEL * max_pixels
        resource.setrlimit(resource.RLIMIT_DATA, (limit, resource.getrlimit(resource.RLIMIT_DATA)[1]))
