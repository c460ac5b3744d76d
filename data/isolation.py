"""Read files whose decoders may crash or hang in processes that may be killed.

PNG and JPEG, nearly all of an archive, are read at once: their work is bounded by the size in their header.
Decoders of TIFF, JPEG 2000, WebP, BMP and DICOM have a history of crashing on damaged files. They run in
processes of their own; one that dies, or takes longer than it may, costs one file and nothing else.
"""

from __future__ import annotations

import signal
from pathlib import Path
from threading import Lock
from types import TracebackType
from typing import TYPE_CHECKING, Self

from ..errors import DecodeError, MachineError
from .decode import read_picture
from .formats import PNG_SIGNATURE
from .picture import Picture
from .reading import Reading

if TYPE_CHECKING:
    from pebble import ProcessPool

_JPEG = b"\xff\xd8\xff"
_AT_ONCE = (PNG_SIGNATURE, _JPEG)


class Isolation:
    """A reader for many threads; its processes are started when a file first needs one.

    Parameters
    ----------
    workers : int
        Most processes.
    reading : Reading
        How files are read; `seconds` is the time that a process may take for one.
    """

    def __init__(self, workers: int, reading: Reading) -> None:
        self._workers = workers
        self._reading = reading
        self._lock = Lock()
        self._pool: ProcessPool | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._pool is not None:
            self._pool.stop()  # type: ignore[no-untyped-call, unused-ignore]
            self._pool.join()

    def read(self, path: Path) -> Picture:
        """Read a file as a radiograph, as `read_picture` does.

        Raises
        ------
        DecodeError
            As `read_picture`, and if the decoder crashed or took too long.
        MachineError
            If no process can be started.
        """
        if _starts_with(path, _AT_ONCE):
            return read_picture(path, self._reading)
        from pebble import ProcessExpired

        seconds = self._reading.seconds
        future = self._started().schedule(read_picture, args=(path, self._reading), timeout=seconds)
        try:
            picture: Picture = future.result()
        except TimeoutError as error:
            raise DecodeError(f"{path}: not decoded within {seconds:g} seconds; is it damaged?") from error
        except ProcessExpired as error:
            raise DecodeError(f"{path}: its decoder crashed on it; is it damaged?") from error
        except Exception as error:
            if self._started().active:
                raise
            raise MachineError(
                "the processes that decode TIFF, JPEG 2000, WebP, BMP and DICOM cannot be started; "
                'a script must call cxr under `if __name__ == "__main__":`'
            ) from error
        return picture

    def _started(self) -> ProcessPool:
        with self._lock:
            if self._pool is None:
                from multiprocessing import get_context

                from pebble import ProcessPool

                # A fork would copy the locks that other threads hold just now.
                self._pool = ProcessPool(
                    self._workers, initializer=_leave_interrupts, context=get_context("spawn")
                )
            return self._pool


def _starts_with(path: Path, signatures: tuple[bytes, ...]) -> bool:
    try:
        with path.open("rb") as file:
            return file.read(8).startswith(signatures)
    except OSError:
        return True  # there is nothing to decode: reading it says why


def _leave_interrupts() -> None:
    """Leave Ctrl-C to the process that started this one, and ends it."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
