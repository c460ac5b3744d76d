"""The stages of one image: how long each takes, and what its errors mean."""

from __future__ import annotations

import errno
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from threading import Lock
from time import perf_counter
from typing import ParamSpec, TypeVar

from ..errors import CxrError, MachineError, MissingExtraError, ModelError, OutputError
from ..machine.os_errors import causes, drive_error, has_disappeared, is_disconnected, is_exhausted
from .records import Failure, ImageFile, Stage

P = ParamSpec("P")
R = TypeVar("R")


_UNUSABLE_NAME = frozenset({errno.ENAMETOOLONG, errno.EINVAL, errno.EILSEQ})
"""What disks report for a name: too long, with a character that they reserve, or not in their encoding."""


class ImageFailedError(Exception):
    """Carries the failure of one image out of its stage; the pipeline turns it into that image's result."""

    def __init__(self, failure: Failure) -> None:
        super().__init__(failure.error)
        self.failure = failure


@dataclass
class Stages:
    """Runs the stages of images, and sums the seconds of each stage over the threads.

    Attributes
    ----------
    seconds : dict of Stage to float
    advice : str
        What to do when the machine is exhausted: the end of that error's message.
    """

    seconds: dict[Stage, float] = field(default_factory=lambda: dict.fromkeys(Stage, 0.0))
    advice: str = (
        "finished images are kept: run the same command again to resume, "
        "with a lower --threads or --max-pixels to use less memory"
    )
    _lock: Lock = field(default_factory=Lock)

    @contextmanager
    def measuring(self, stage: Stage) -> Iterator[None]:
        """Add the duration of the block to a stage."""
        started = perf_counter()
        try:
            yield
        finally:
            with self._lock:
                self.seconds[stage] += perf_counter() - started

    def run(
        self, file: ImageFile, stage: Stage, function: Callable[P, R], *args: P.args, **kwargs: P.kwargs
    ) -> R:
        """Run one stage of one image.

        Raises
        ------
        ImageFailedError
            If the image cannot be measured.
        MachineError, OutputError, MissingExtraError
            If the machine, a drive or the installation is to blame: the image may succeed in a later run.
        """
        try:
            with self.measuring(stage):
                return function(*args, **kwargs)
        except MissingExtraError:
            raise
        except MachineError as error:
            raise MachineError(f"{error}; {self.advice}") from error
        except Exception as error:
            if (cause := _exhausted_resource(error)) is not None:
                raise MachineError(f"{file.path}: {cause}; {self.advice}") from error
            if stage is Stage.WRITE and _is_disk_error(error):
                raise
            if (cause := _lost_drive(error, file)) is not None:
                raise drive_error(file.path, cause) from error
            failed_stage = Stage.MODEL if isinstance(error, ModelError) else stage
            raise ImageFailedError(Failure(file.key, failed_stage, _describe(error, file))) from error


def _describe(error: Exception, file: ImageFile) -> str:
    """Describe an error in one line, without the file's path, which has its own column in the table."""
    text = str(error).removeprefix(f"{file.path}: ")
    return text if isinstance(error, CxrError) else f"{type(error).__name__}: {text}"


def _exhausted_resource(error: Exception) -> str | None:
    """Return which resource of the machine was exhausted, or None if the error has another cause.

    The same image may succeed in a later run, so such an error is never recorded as the image's failure.
    """
    for cause in causes(error):
        if is_exhausted(cause):
            return cause.strerror if isinstance(cause, OSError) else "out of memory"
    return None


def _lost_drive(error: Exception, file: ImageFile) -> str | None:
    """Return what happened to the drive that the image is on, or None if the error has another cause."""
    for cause in causes(error):
        if isinstance(cause, OSError) and is_disconnected(cause):
            return cause.strerror
    was_listed = file.size is not None
    return "has disappeared" if was_listed and has_disappeared(file.path) else None


def _is_disk_error(error: Exception) -> bool:
    """Return whether the output disk cannot be written; a name that it cannot hold is the image's failure."""
    cause = error.__cause__ if isinstance(error, OutputError) else error
    return isinstance(cause, OSError) and cause.errno not in _UNUSABLE_NAME
