"""decode | model | finish: overlapped stages with bounded queues, results in the order of the input.

Decoding and finishing (measuring, writing) share one pool of threads: OpenCV, numba and the file system
release the GIL. The model has as many threads as its runtime accepts concurrent passes: one on a GPU, one per
core on the CPU, where concurrent single-threaded passes never wait for each other. Each stage works at most a
few batches ahead of the next, so memory does not grow with the folder.
"""

from __future__ import annotations

from collections.abc import Generator, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from itertools import chain
from typing import Generic, Protocol, TypeVar

import numpy as np

from ..data.decode.isolation import Isolation
from ..data.decode.options import DecodeOptions
from ..data.image import Gray, Radiograph
from ..machine.interrupts import interruptible_steps
from ..models.card import ModelCard
from ..models.checks.assessment import Assessment, Assessor, oddities_of
from ..models.checks.plausibility import Plausible
from ..models.preprocess import Placement, Probability, prepare
from .concurrency import ordered_map, single_threaded_opencv, thread_pool
from .image_features import check_size, in_training
from .records import Failure, ImageFile, Stage
from .runtime.session import Session
from .stages import ImageFailedError, Stages

T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)


@dataclass(frozen=True)
class PreparedImage:
    """An image at the model's input size.

    Attributes
    ----------
    file : ImageFile
    model_input : ndarray of uint8, shape (model height, model width)
    placement : Placement
        Where the image lies in the model's input.
    spacing_mm, patient_id
        As the file states them.
    pixels : ndarray of uint8, shape (height, width), or None
        The image itself, kept only where the pipeline keeps pixels.
    header : mapping of str to str
        The columns of the DICOM header that the run asks for.
    in_training : bool or None
        Whether the model was trained on the image; None if unknown.
    gray_from : str
        As in `Radiograph`.
    oddities : tuple of Plausible and str, or None
        What header and gray values alone say against the image.
    """

    file: ImageFile
    model_input: Gray
    placement: Placement
    spacing_mm: tuple[float, float] | None = None
    patient_id: str | None = None
    pixels: Gray | None = None
    header: Mapping[str, str] = field(default_factory=dict)
    in_training: bool | None = None
    gray_from: str = ""
    oddities: tuple[Plausible, str] | None = None


@dataclass(frozen=True)
class PredictedImage:
    """An image, and what the model computed from it.

    Attributes
    ----------
    image : PreparedImage
    probability : ndarray of float32, shape (classes, model height, model width)
    frontal : float or None
        The model's output `frontal`; None if it has none.
    mirrored : ndarray of float32, shape (classes, model height, model width), or None
        The probability maps of the mirrored image, mirrored back; None without a second pass.
    """

    image: PreparedImage
    probability: Probability
    frontal: float | None = None
    mirrored: Probability | None = None


class Finish(Protocol[T_co]):
    """Turns a predicted image into its result, running each of its stages through `stages`."""

    def __call__(self, predicted: PredictedImage, stages: Stages) -> T_co:
        """Measure and, where the result asks for it, write."""


@dataclass(frozen=True)
class Pipeline(Generic[T]):
    """One model over many images.

    Attributes
    ----------
    session : Session
    finish : Finish
        What becomes of each predicted image.
    batch_size : int
        Images per model pass.
    decoding : DecodeOptions
        How image files are read.
    keep_pixels : bool
        Whether `finish` needs the images themselves.
    mirror : bool
        Whether a second pass predicts the mirrored images.
    stages : Stages
        Sums the seconds of each stage.
    """

    session: Session
    finish: Finish[T]
    batch_size: int
    decoding: DecodeOptions = field(default_factory=DecodeOptions)
    keep_pixels: bool = False
    mirror: bool = False
    stages: Stages = field(default_factory=Stages)

    def run(self, entries: Iterable[ImageFile | Failure]) -> Generator[T | Failure, None, None]:
        """Process every image. Exhaust or close the iterator to end its threads.

        An interrupt (Ctrl-C) ends it too, when the main thread next waits for a result.

        Yields
        ------
        what `finish` returns, or Failure
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
        return interruptible_steps(self._run(entries))

    def _run(self, entries: Iterable[ImageFile | Failure]) -> Generator[T | Failure, None, None]:
        streams, threads = self.session.streams, self.session.threads
        max_pending = (streams + 1) * self.batch_size + threads
        with (
            single_threaded_opencv(),
            thread_pool(threads) as pool,
            thread_pool(streams) as model,
            # Closed first: threads of the pool wait for its processes.
            Isolation(threads, self.decoding) as reader,
        ):
            prepared = ordered_map(pool, partial(self._prepare, reader), entries, max_pending)
            batches = _batches(prepared, self.batch_size)
            predicted = ordered_map(model, self._predict, batches, streams + 1)
            yield from ordered_map(pool, self._finish, chain.from_iterable(predicted), max_pending)

    def _prepare(self, reader: Isolation, entry: ImageFile | Failure) -> PreparedImage | Failure:
        if isinstance(entry, Failure):
            return entry
        try:
            image: Radiograph = self.stages.run(entry, Stage.DECODE, reader.read, entry.path)
            return self.stages.run(
                entry, Stage.PREPARE, prepare_image, entry, image, self.session.card, self.keep_pixels
            )
        except ImageFailedError as failed:
            return failed.failure

    def _predict(self, batch: list[PreparedImage | Failure]) -> list[PredictedImage | Failure]:
        """Run the model on a batch, padded with zeros so that its shape never changes."""
        images = [entry for entry in batch if isinstance(entry, PreparedImage)]
        if not images:
            return [entry for entry in batch if isinstance(entry, Failure)]
        spec = self.session.card.pixels
        tensor = np.zeros((self.batch_size, 1, spec.height, spec.width), np.uint8)
        for index, image in enumerate(images):
            tensor[index, 0] = image.model_input
        with self.stages.measuring(Stage.MODEL):
            predicted = iter(predict_images(self.session, images, tensor, mirror=self.mirror))
        return [next(predicted) if isinstance(entry, PreparedImage) else entry for entry in batch]

    def _finish(self, predicted: PredictedImage | Failure) -> T | Failure:
        if isinstance(predicted, Failure):
            return predicted
        try:
            return self.finish(predicted, self.stages)
        except ImageFailedError as failed:
            return failed.failure


def predict_images(
    session: Session, images: Sequence[PreparedImage], batch: Gray, *, mirror: bool
) -> list[PredictedImage]:
    """Run a model on images that were put in a batch, which may be longer.

    Parameters
    ----------
    session : Session
    images : sequence of PreparedImage
    batch : ndarray of uint8, shape (N, 1, model height, model width)
        Begins with the model inputs of `images`.
    mirror : bool
        Whether to run it on the mirrored images too.
    """
    output = session.predict(batch)
    mirrored = session.run(np.ascontiguousarray(batch[..., ::-1]))[..., ::-1] if mirror else None
    return [
        PredictedImage(
            image,
            output.probability[index],
            None if output.frontal is None else float(output.frontal[index]),
            None if mirrored is None else mirrored[index],
        )
        for index, image in enumerate(images)
    ]


def assess(assessor: Assessor, predicted: PredictedImage) -> Assessment:
    """Assess an image with what the model computed from it."""
    image = predicted.image
    return assessor.assess(
        image.model_input,
        image.placement,
        predicted.probability,
        image.oddities,
        frontal=predicted.frontal,
        mirrored=predicted.mirrored,
    )


def prepare_image(file: ImageFile, image: Radiograph, card: ModelCard, keep_pixels: bool) -> PreparedImage:
    """Check an image and resize it to the model's input size.

    Raises
    ------
    DecodeError
        If it is too small to be a radiograph.
    """
    check_size(image.pixels)
    model_input, placement = prepare(image.pixels, card.pixels)
    return PreparedImage(
        file,
        model_input,
        placement,
        image.spacing_mm,
        image.patient_id,
        image.pixels if keep_pixels else None,
        image.header,
        in_training(card, image.pixels),
        image.gray_from,
        oddities_of(image.pixels, image.notes),
    )


def _batches(
    entries: Iterable[PreparedImage | Failure], size: int
) -> Iterator[list[PreparedImage | Failure]]:
    """Group entries into batches of `size` images; failures stay at their place between the images.

    The last batch may hold fewer images, and so may one with very many failures, which must not wait for
    images to come before they are written.
    """
    batch: list[PreparedImage | Failure] = []
    images = 0
    for entry in entries:
        batch.append(entry)
        images += isinstance(entry, PreparedImage)
        if images == size or len(batch) == 16 * size:
            yield batch
            batch, images = [], 0
    if batch:
        yield batch
