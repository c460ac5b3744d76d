"""Decode files whose decoders may crash or hang in worker processes that can be killed.

PNG and JPEG, nearly all of an archive, are decoded in the calling thread: their headers bound the work.
Decoders of TIFF, JPEG 2000, BMP and DICOM have a history of crashing on damaged files. They run in worker
processes: if one crashes or exceeds the time limit, only that file fails.
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable
from io import FileIO
from pathlib import Path
from queue import SimpleQueue
from threading import Lock
from types import TracebackType
from typing import Any, Generic, Self, TypeVar, cast, get_type_hints

from ...errors import DecodeError, MachineError
from ..image import Radiograph
from .codestream import JPEG_START
from .formats import DICOM_HEAD, PNG_SIGNATURE, is_dicom
from .messages import ProtocolError, pack, read_answer
from .options import DecodeOptions
from .reader import read_image
from .time_limits import TimeLimits
from .worker import BYTES_PER_PIXEL, DECODER_BYTES, Task
from .worker_process import (
    NotStartedError,
    close,
    is_crash,
    signal_name,
    start_process,
    wait_until_ready,
)

T = TypeVar("T")

START_SECONDS = 60.0
"""Time limit for the start of a worker process."""

END_SECONDS = 5.0
"""Time limit for the end of a worker process that has closed its pipe."""


class IsolatedReader(Generic[T]):
    """Reads files for many threads, in worker processes that are started when first needed.

    Each worker process has its own pipes, so one that is killed in the middle of a message, for example by
    the system when memory runs out, does not corrupt the messages of another.

    Parameters
    ----------
    workers : int
        Maximum number of worker processes.
    options : DecodeOptions
        How files are decoded; `seconds` is the time limit for one file in a worker process.
    read_file : callable
        Reads one file. A worker process imports it by its name, so it must be a function of a module; its
        annotations state the type that it returns.
    """

    def __init__(
        self, workers: int, options: DecodeOptions, read_file: Callable[[Path, DecodeOptions], T]
    ) -> None:
        self._options = options
        self._read_file = read_file
        self._limits = TimeLimits()
        self._idle: SimpleQueue[_Worker[T]] = SimpleQueue()
        self._workers = [_Worker(options, read_file, self._limits) for _ in range(workers)]
        for worker in self._workers:
            self._idle.put(worker)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for worker in self._workers:
            worker.abort()  # all at once: threads that wait for an answer get an error
        for worker in self._workers:
            worker.close()
        self._limits.close()

    def read(self, path: Path) -> T:
        """Read a file.

        Raises
        ------
        DecodeError
            If the file cannot be read, or its decoder crashed or exceeded the limit of time or memory.
        MachineError
            If no worker process can be started, or it was killed by another program or by the system; this
            says nothing about the file.
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
    """A worker process and its pipes; it is restarted after each crash."""

    def __init__(
        self,
        options: DecodeOptions,
        read_file: Callable[[Path, DecodeOptions], T],
        limits: TimeLimits,
    ) -> None:
        self._options = options
        self._read_file = read_file
        self._limits = limits
        self._record_type = get_type_hints(read_file).get("return", Any)
        self._process: subprocess.Popen[bytes] | None = None
        self._is_ready = False
        self._is_closed = False
        self._in_use = Lock()
        self._state = Lock()  # of `_process` and `_is_closed`

    def read(self, path: Path) -> T:
        """Read in the process, which is restarted first if it has ended while idle."""
        with self._in_use:
            try:
                if self._process is None or self._process.poll() is not None:
                    self._start(path)
                answer = self._exchange(path)
            except BaseException:
                self._end()
                raise
        if isinstance(answer, Exception):
            raise answer
        return answer

    def abort(self) -> None:
        """Kill the process for good, from any thread; a thread that waits for its answer gets an error."""
        with self._state:
            self._is_closed = True
            if self._process is not None:
                self._process.kill()

    def close(self) -> None:
        """Kill the process for good, and wait for its end."""
        self.abort()
        with self._in_use:
            self._end()

    def _start(self, path: Path) -> None:
        self._end()
        task = Task(self._read_file.__module__, self._read_file.__qualname__, self._options)
        try:
            self._limits.start()
            with self._state:
                self._process = start_process(task)
                if self._is_closed:
                    self._process.kill()
            self._receive(START_SECONDS)
        except (NotStartedError, OSError, RuntimeError) as error:
            cause = f"not ready within {START_SECONDS:g} s" if isinstance(error, TimeoutError) else error
            raise MachineError(f"{path}: the process that decodes it cannot be started: {cause}") from error

    def _exchange(self, path: Path) -> T | Exception:
        assert self._process is not None
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(pack(os.fsencode(path)))
            answer: T | Exception = self._receive(self._options.seconds)
        except TimeoutError as error:
            seconds = f"{self._options.seconds:g} seconds"
            raise DecodeError(f"{path}: not decoded within {seconds}; is it damaged?") from error
        except (EOFError, OSError, ProtocolError) as error:
            raise self._why_it_failed(path, self._process, error) from error
        return answer

    def _receive(self, seconds: float) -> Any:
        """Wait until a new process is ready, else for the answer of a process."""
        process = self._process
        assert process is not None
        assert process.stdout is not None
        with self._limits.limit(seconds, process.kill):
            if not self._is_ready:
                wait_until_ready(process)
                self._is_ready = True
                return None
            most = DECODER_BYTES + BYTES_PER_PIXEL * self._options.max_pixels
            return read_answer(cast(FileIO, process.stdout), self._record_type, most)

    def _why_it_failed(self, path: Path, process: subprocess.Popen[bytes], error: Exception) -> Exception:
        """Return the error for a process that sent no answer; the file's fault if its decoder crashed."""
        if self._is_closed:
            return MachineError(f"{path}: not decoded, because the reader is closed")
        status = None if isinstance(error, ProtocolError) else _status(process)
        if status is None or is_crash(status):
            return DecodeError(f"{path}: the decoder crashed on this file; is it damaged?")
        when = ", as the system does when memory runs out" if signal_name(status) == "SIGKILL" else ""
        return MachineError(f"{path}: the process that decodes it was ended by {signal_name(status)}{when}")

    def _end(self) -> None:
        with self._state:
            process, self._process, self._is_ready = self._process, None, False
        if process is not None:
            close(process)


def _status(process: subprocess.Popen[bytes]) -> int | None:
    """Return the exit status of a process whose pipe has ended, or None if it does not end."""
    try:
        return process.wait(END_SECONDS)
    except subprocess.TimeoutExpired:
        return None


def _is_decoded_in_this_process(path: Path) -> bool:
    """Return whether a file is PNG or JPEG; the first 128 bytes of DICOM may look like either."""
    try:
        with path.open("rb") as file:
            head = file.read(DICOM_HEAD)
    except OSError:
        return True  # reading it here reports the cause
    return head.startswith((PNG_SIGNATURE, JPEG_START)) and not is_dicom(head)
