"""decode | model | measure | write: overlapped stages with bounded queues, results in the order of the input.

Decoding, measuring and writing share one pool of threads: OpenCV, numba and the file system release the GIL.
The model has as many threads as its runtime accepts concurrent passes: one on a GPU, one per core on the CPU,
where concurrent single-threaded passes never wait for each other. Each stage works at most a few batches
ahead of the next, so memory does not grow with the folder.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Iterator
from dataclasses import dataclass, field
from functools import partial
from itertools import chain
from typing import ParamSpec, TypeVar

import numpy as np

from ..data.decode.isolation import Isolation
from ..data.image import Gray, Radiograph
from ..errors import MachineError, ModelError
from ..models.preprocess import Placement, Probability, prepare
from .concurrency import ordered_map, single_threaded_opencv, thread_pool
from .failure_causes import describe_error, exhausted_resource, is_disk_error
from .image_features import ImageMeasurement, measure_image, patient_of
from .outputs.masks import MaskSink, NoMasks
from .outputs.overlays import overlay_path, write_overlay
from .outputs.tables import COMPONENT_TABLE, FEATURES, component_lines, feature_line
from .records import Failure, ImageFile, ImageRows, Outcome, Settings, Stage
from .runtime.session import Session
from .timing import StageTimer

P = ParamSpec("P")
R = TypeVar("R")


@dataclass(frozen=True)
class _PreparedImage:
    """An image in the model's input size; its original pixels are kept only if an overlay needs them."""

    file: ImageFile
    model_input: Gray
    placement: Placement
    spacing_mm: tuple[float, float] | None
    patient_id: str | None
    pixels: Gray | None


@dataclass(frozen=True)
class _PredictedImage:
    """An image and its probability maps at the model's input size."""

    image: _PreparedImage
    probability: Probability


class _ImageFailedError(Exception):
    """Carries the failure of one image out of its stage."""

    def __init__(self, failure: Failure) -> None:
        super().__init__(failure.error)
        self.failure = failure


@dataclass(frozen=True)
class Pipeline:
    """The stages of a run, with their model, settings and masks, and the time that each stage took."""

    session: Session
    settings: Settings
    batch_size: int
    masks: MaskSink = field(default_factory=NoMasks)
    timer: StageTimer = field(default_factory=StageTimer)

    def run(self, entries: Iterable[ImageFile | Failure]) -> Generator[Outcome, None, None]:
        """Measure every image. Exhaust or close the iterator to end its threads.

        Yields
        ------
        ImageRows or Failure
            One per entry, in the order of `entries`; a failure is passed on unchanged.

        Raises
        ------
        ModelError
            If the model cannot run at all.
        MachineError
            If the machine is out of memory, file handles or processes.
        OutputError
            If the output disk cannot be written.
        """
        streams, threads = self.session.streams, self.session.threads
        max_pending = (streams + 1) * self.batch_size + threads
        with (
            single_threaded_opencv(),
            thread_pool(threads) as pool,
            thread_pool(streams) as model,
            # Closed first: threads of the pool wait for its processes.
            Isolation(threads, self.settings.decoding) as reader,
        ):
            prepared = ordered_map(pool, partial(self._prepare, reader), entries, max_pending)
            batches = _batches(prepared, self.batch_size)
            predicted = ordered_map(model, self._predict, batches, streams + 1)
            yield from ordered_map(pool, self._finish, chain.from_iterable(predicted), max_pending)

    def _prepare(self, reader: Isolation, entry: ImageFile | Failure) -> _PreparedImage | Failure:
        if isinstance(entry, Failure):
            return entry
        spec = self.session.card.pixels
        try:
            image: Radiograph = self._run_stage(entry, Stage.DECODE, reader.read, entry.path)
            model_input, placement = self._run_stage(entry, Stage.PREPARE, prepare, image.pixels, spec)
        except _ImageFailedError as failed:
            return failed.failure
        pixels = image.pixels if self.settings.overlays else None
        return _PreparedImage(entry, model_input, placement, image.spacing_mm, image.patient_id, pixels)

    def _predict(self, batch: list[_PreparedImage | Failure]) -> list[_PredictedImage | Failure]:
        """Run the model on a batch, padded with zeros so that its shape never changes."""
        images = [entry for entry in batch if isinstance(entry, _PreparedImage)]
        if not images:
            return [entry for entry in batch if isinstance(entry, Failure)]
        spec = self.session.card.pixels
        tensor = np.zeros((self.batch_size, 1, spec.height, spec.width), np.uint8)
        for index, image in enumerate(images):
            tensor[index, 0] = image.model_input
        with self.timer.measuring(Stage.MODEL):
            output = iter(self.session.run(tensor))
        return [
            _PredictedImage(entry, next(output)) if isinstance(entry, _PreparedImage) else entry
            for entry in batch
        ]

    def _finish(self, predicted: _PredictedImage | Failure) -> Outcome:
        if isinstance(predicted, Failure):
            return predicted
        file = predicted.image.file
        try:
            measured = self._run_stage(file, Stage.MEASURE, self._measure, predicted)
            self._run_stage(file, Stage.WRITE, self._write, predicted.image, measured)
        except _ImageFailedError as failed:
            return failed.failure
        return self._rows(predicted.image, measured)

    def _measure(self, predicted: _PredictedImage) -> ImageMeasurement:
        image, settings = predicted.image, self.settings
        return measure_image(
            predicted.probability,
            image.placement,
            self.session.card,
            threshold=settings.threshold,
            min_area=settings.min_area,
            spacing_mm=image.spacing_mm,
        )

    def _write(self, image: _PreparedImage, measured: ImageMeasurement) -> None:
        out = self.settings.out
        self.masks.write(out, image.file, measured.masks)
        if image.pixels is not None:
            write_overlay(overlay_path(out, image.file.key), image.pixels, measured.masks)

    def _rows(self, image: _PreparedImage, measured: ImageMeasurement) -> ImageRows:
        key, placement = image.file.key, image.placement
        patient = patient_of(image.file.path.name, image.patient_id)
        size = (placement.width, placement.height)
        text = {
            FEATURES: feature_line(key, patient, size, image.spacing_mm, measured.features),
            COMPONENT_TABLE: component_lines(key, measured),
            **self.masks.rows(key, measured.masks),
        }
        return ImageRows(key, text)

    def _run_stage(
        self, file: ImageFile, stage: Stage, function: Callable[P, R], *args: P.args, **kwargs: P.kwargs
    ) -> R:
        """Run one stage of one image: its errors are the image's failure, except those of machine or disk."""
        try:
            with self.timer.measuring(stage):
                return function(*args, **kwargs)
        except MachineError:
            raise
        except Exception as error:
            if (cause := exhausted_resource(error)) is not None:
                raise MachineError(
                    f"{file.path}: {cause}; finished images are kept: run the same command again to resume, "
                    "with a lower --threads or --max-pixels to use less memory"
                ) from error
            if stage is Stage.WRITE and is_disk_error(error):
                raise
            failed_stage = Stage.MODEL if isinstance(error, ModelError) else stage
            raise _ImageFailedError(Failure(file.key, failed_stage, describe_error(error, file))) from error


def _batches(
    entries: Iterable[_PreparedImage | Failure], size: int
) -> Iterator[list[_PreparedImage | Failure]]:
    """Group entries into batches of `size` images; failures stay at their place between the images.

    The last batch may hold fewer images, and so may one with very many failures, which must not wait for
    images to come before they are written.
    """
    batch: list[_PreparedImage | Failure] = []
    images = 0
    for entry in entries:
        batch.append(entry)
        images += isinstance(entry, _PreparedImage)
        if images == size or len(batch) == 16 * size:
            yield batch
            batch, images = [], 0
    if batch:
        yield batch
