"""decode | model | measure | write, overlapped and bounded; what comes out is in the order of what went in.

Decoding, measuring and writing share one pool of threads: OpenCV, numba and the file system free the
interpreter's lock. The model has as many threads as its runtime takes passes at once: one on a graphics card,
one a core on the processor, where passes side by side waste nothing on waiting for each other. Each stage
works at most a few batches ahead of the next, so memory does not grow with the folder.
"""

from __future__ import annotations

import errno
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from itertools import chain
from threading import Lock
from time import perf_counter
from typing import ParamSpec, TypeVar

import cv2
import numpy as np

from ..data.decode.isolation import Isolation
from ..data.image import Gray, Radiograph
from ..errors import CxrError, MachineError, ModelError, OutputError
from ..models.preprocess import Placement, Probability, prepare
from .image_features import ImageMeasurement, measure_image, patient_of
from .items import Failure, Item, Row, Stage
from .outputs.images import mask_path, overlay_path, segmentation_path, write_mask, write_overlay
from .outputs.tables import feature_line, lesion_lines, mask_lines
from .runtime.session import Session
from .settings import MaskFormat, Settings

# Out of memory, out of file handles, a network drive that went away.
_LACKING = (errno.ENOMEM, errno.EMFILE, errno.ENFILE, errno.ESTALE)

P = ParamSpec("P")
T = TypeVar("T")
R = TypeVar("R")


@dataclass
class Clock:
    """Seconds spent in each stage, summed over the threads."""

    seconds: dict[Stage, float] = field(default_factory=lambda: dict.fromkeys(Stage, 0.0))
    _lock: Lock = field(default_factory=Lock)

    @contextmanager
    def measuring(self, stage: Stage) -> Iterator[None]:
        """Add the time of the block to a stage."""
        started = perf_counter()
        try:
            yield
        finally:
            with self._lock:
                self.seconds[stage] += perf_counter() - started


@dataclass(frozen=True)
class _Prepared:
    """An image that is ready for the model; its pixels are kept only where an overlay needs them."""

    item: Item
    tensor: Gray
    placement: Placement
    spacing_mm: tuple[float, float] | None
    patient_id: str | None
    pixels: Gray | None


@dataclass(frozen=True)
class _Scored:
    """An image and what the model said of it."""

    image: _Prepared
    probability: Probability


class _FailedError(Exception):
    """Carries the failure of one image out of its stage."""

    def __init__(self, failure: Failure) -> None:
        super().__init__(failure.error)
        self.failure = failure


@dataclass(frozen=True)
class Pipeline:
    """One model, one way to treat images, and the time that each stage took."""

    session: Session
    settings: Settings
    batch_size: int
    clock: Clock = field(default_factory=Clock)

    def run(self, items: Iterable[Item | Failure]) -> Generator[Row | Failure, None, None]:
        """Treat every item; close the iterator, or use it up, to end its threads.

        Yields
        ------
        Row or Failure
            For each item, in the order of `items`. A failure passes through untouched.

        Raises
        ------
        ModelError
            If the model cannot run at all.
        OutputError
            If a mask or overlay cannot be written: not one image's fault, so the run ends.
        """
        streams, threads = self.session.streams, self.session.threads
        ahead = (streams + 1) * self.batch_size + threads
        with (
            _one_thread_in_opencv(),
            _threads(threads) as pool,
            _threads(streams) as model,
            Isolation(threads, self.settings.reading) as files,  # the first to end: its files hold threads up
        ):
            prepared = _ordered(pool, partial(self._prepare, files), items, ahead)
            batches = _batches(prepared, self.batch_size)
            scored = _ordered(model, self._score, batches, streams + 1)
            yield from _ordered(pool, self._finish, chain.from_iterable(scored), ahead)

    def _prepare(self, files: Isolation, item: Item | Failure) -> _Prepared | Failure:
        if isinstance(item, Failure):
            return item
        try:
            image: Radiograph = self._attempt(item, Stage.DECODE, files.read, item.path)
            spec = self.session.card.pixels
            tensor, placement = self._attempt(item, Stage.PREPARE, prepare, image.pixels, spec)
        except _FailedError as stopped:
            return stopped.failure
        pixels = image.pixels if self.settings.overlays else None
        return _Prepared(item, tensor, placement, image.spacing_mm, image.patient_id, pixels)

    def _score(self, batch: list[_Prepared | Failure]) -> list[_Scored | Failure]:
        """Run the model on a batch, padded so that its shape never changes."""
        images = [entry for entry in batch if isinstance(entry, _Prepared)]
        if not images:
            return [entry for entry in batch if isinstance(entry, Failure)]
        spec = self.session.card.pixels
        tensor = np.zeros((self.batch_size, 1, spec.height, spec.width), np.uint8)
        for place, image in zip(tensor, images, strict=False):
            place[0] = image.tensor
        with self.clock.measuring(Stage.MODEL):
            output = iter(self.session.run(tensor))
        return [_Scored(entry, next(output)) if isinstance(entry, _Prepared) else entry for entry in batch]

    def _finish(self, scored: _Scored | Failure) -> Row | Failure:
        if isinstance(scored, Failure):
            return scored
        item = scored.image.item
        try:
            measured = self._attempt(item, Stage.MEASURE, self._measure, scored)
            self._attempt(item, Stage.WRITE, self._write, scored.image, measured)
        except _FailedError as stopped:
            return stopped.failure
        return self._row(scored.image, measured)

    def _measure(self, scored: _Scored) -> ImageMeasurement:
        image, settings = scored.image, self.settings
        return measure_image(
            scored.probability,
            image.placement,
            self.session.card,
            threshold=settings.threshold,
            min_area=settings.min_area,
            spacing_mm=image.spacing_mm,
        )

    def _write(self, image: _Prepared, measured: ImageMeasurement) -> None:
        out, item, form = self.settings.out, image.item, self.settings.masks
        key = item.key
        if form is MaskFormat.PNG:
            for name, mask in measured.masks.items():
                write_mask(mask_path(out, name, key), mask)
        elif form is MaskFormat.DICOM_SEG:
            from .outputs.dicom_seg import write_segmentation

            session, path = self.session, segmentation_path(out, key)
            write_segmentation(path, item.path, measured.masks, session.card, model_hash=session.model_hash)
        if image.pixels is not None:
            write_overlay(overlay_path(out, key), image.pixels, measured.masks)

    def _row(self, image: _Prepared, measured: ImageMeasurement) -> Row:
        key, placement = image.item.key, image.placement
        patient = patient_of(image.item.path.name, image.patient_id)
        size = (placement.width, placement.height)
        features = feature_line(key, patient, size, image.spacing_mm, measured.features)
        masks = mask_lines(key, measured.masks) if self.settings.masks is MaskFormat.RLE else ""
        return Row(key, features, lesion_lines(key, measured), masks)

    def _attempt(
        self, item: Item, stage: Stage, function: Callable[P, R], *args: P.args, **kwargs: P.kwargs
    ) -> R:
        """Do one stage of one image: what goes wrong is its failure, save for what is the machine's."""
        try:
            with self.clock.measuring(stage):
                return function(*args, **kwargs)
        except MachineError:
            raise
        except Exception as error:
            if (cause := _lacking(error)) is not None:
                raise MachineError(
                    f"{item.path}: {cause}; what is finished is safe: the same command goes on from there, "
                    "and a lower --threads or --max-pixels needs less"
                ) from error
            if stage is Stage.WRITE and _blames_disk(error):
                raise
            blamed = Stage.MODEL if isinstance(error, ModelError) else stage
            raise _FailedError(Failure(item.key, blamed, _reason(error, item))) from error


def _ordered(executor: Executor, function: Callable[[T], R], items: Iterable[T], ahead: int) -> Iterator[R]:
    """Map in an executor with at most `ahead` items under way; results come in the order of the items."""
    pending: deque[Future[R]] = deque()
    for item in items:
        pending.append(executor.submit(function, item))
        while pending and (len(pending) >= ahead or pending[0].done()):
            yield pending.popleft().result()
    while pending:
        yield pending.popleft().result()


def _batches(entries: Iterable[_Prepared | Failure], size: int) -> Iterator[list[_Prepared | Failure]]:
    """Group so that a group holds `size` images; failures ride along in their place.

    The last may hold fewer, and so may one with very many failures, which shall not wait to be written.
    """
    batch: list[_Prepared | Failure] = []
    images = 0
    for entry in entries:
        batch.append(entry)
        images += isinstance(entry, _Prepared)
        if images == size or len(batch) == 16 * size:
            yield batch
            batch, images = [], 0
    if batch:
        yield batch


@contextmanager
def _threads(count: int) -> Iterator[Executor]:
    """Give a pool that, when left early, drops what has not begun."""
    pool = ThreadPoolExecutor(count)
    try:
        yield pool
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


@contextmanager
def _one_thread_in_opencv() -> Iterator[None]:
    """Keep each OpenCV call on its own thread: the pool fills the cores, more threads would only contend.

    The setting is the process's, so it is put back.
    """
    before = cv2.getNumThreads()
    cv2.setNumThreads(1)
    try:
        yield
    finally:
        cv2.setNumThreads(before)


def _reason(error: Exception, item: Item) -> str:
    """Say what was wrong; the file's name has a column of its own."""
    text = str(error).removeprefix(f"{item.path}: ")
    return text if isinstance(error, CxrError) else f"{type(error).__name__}: {text}"


def _lacking(error: BaseException | None) -> str | None:
    """Say what the machine lacks, where that is why; such a failure is not to stand in a table for good."""
    while error is not None:
        if isinstance(error, MemoryError):
            return "not enough memory"
        if isinstance(error, OSError) and error.errno in _LACKING:
            return error.strerror
        error = error.__cause__
    return None


def _blames_disk(error: Exception) -> bool:
    """Tell a disk that cannot be written from an image, or a name too long for the file system."""
    cause = error.__cause__ if isinstance(error, OutputError) else error
    return isinstance(cause, OSError) and cause.errno != errno.ENAMETOOLONG
