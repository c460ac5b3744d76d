"""Evaluate a model on images at their own resolution, with the preprocessing that inference uses.

The model may run anywhere: in PyTorch during training, in a session after export and quantization.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ..data.datasets.masks import load_masks
from ..data.datasets.records import Record
from ..data.decode.reader import read_image
from ..data.image import Gray, Radiograph
from ..metrics.overlap import ImageScore, score
from .card import PixelSpec
from .preprocess import Placement, Probability, prepare, restore_size

Predict = Callable[[Gray], npt.NDArray[np.float32]]
"""Runs a model: uint8 `[N,1,H,W]` to float32 probabilities `[N,C,H,W]`."""


@dataclass(frozen=True)
class Output:
    """What a model returned for an image.

    Attributes
    ----------
    record : Record
    image : Radiograph
    model_input : ndarray of uint8, shape (model height, model width)
    placement : Placement
    maps : ndarray of float32, shape (classes, model height, model width)
    """

    record: Record
    image: Radiograph
    model_input: Gray
    placement: Placement
    maps: Probability

    def restore(self) -> Prediction:
        """Return the maps at the image's own size."""
        probability = np.stack([restore_size(one, self.placement) for one in self.maps])
        return Prediction(self.record, self.image.pixels, probability, self.image.spacing_mm)


@dataclass(frozen=True)
class Prediction:
    """An image, its pixel spacing (vertical, horizontal) if known, and its maps, float32 `[C,h,w]`."""

    record: Record
    pixels: Gray
    probability: Probability
    spacing_mm: tuple[float, float] | None = None


def run_model(
    predict: Predict, records: Sequence[Record], spec: PixelSpec, *, batch_size: int = 8
) -> Iterator[Output]:
    """Run a model over the images of records; yield what it returns in the order of the records."""
    for start in range(0, len(records), batch_size):
        batch = records[start : start + batch_size]
        images = [read_image(record.path) for record in batch]
        prepared, placements = zip(*(prepare(image.pixels, spec) for image in images), strict=True)
        maps = predict(np.stack(prepared)[:, None])
        yield from map(Output, batch, images, prepared, placements, maps)


def predictions(
    predict: Predict, records: Sequence[Record], spec: PixelSpec, *, batch_size: int = 8
) -> Iterator[Prediction]:
    """Run a model over the images of records; yield predictions in the order of the records."""
    for output in run_model(predict, records, spec, batch_size=batch_size):
        yield output.restore()


def score_prediction(
    prediction: Prediction, classes: Sequence[str], thresholds: Sequence[float]
) -> tuple[ImageScore, ...]:
    """Compare the thresholded masks of one image with its ground truth, where that is known."""
    masks, known = load_masks(prediction.record, classes, prediction.pixels.shape)
    return tuple(
        score(
            masks[index],
            (prediction.probability[index] >= thresholds[index]).astype(np.uint8),
            key=prediction.record.key,
            patient_id=prediction.record.patient_id,
            class_name=name,
        )
        for index, name in enumerate(classes)
        if known[index]
    )


def evaluate(
    predict: Predict,
    records: Sequence[Record],
    spec: PixelSpec,
    classes: Sequence[str],
    thresholds: Sequence[float],
    *,
    batch_size: int = 8,
) -> list[ImageScore]:
    """Score a model on every image and class with known ground truth; other images are not read.

    Parameters
    ----------
    predict : callable
        uint8 `[N,1,H,W]` to float32 probabilities `[N,C,H,W]`.
    records : sequence of Record
    spec, classes, thresholds
        From the model's card.
    batch_size : int
        Images per forward pass.

    Returns
    -------
    list of ImageScore
        In the order of `records`, then of `classes`.

    Raises
    ------
    InputError
        If an image or a mask cannot be read.
    """
    known = [record for record in records if record.has_truth(classes)]
    scores: list[ImageScore] = []
    for prediction in predictions(predict, known, spec, batch_size=batch_size):
        scores.extend(score_prediction(prediction, classes, thresholds))
    return scores


def mean_dice(scores: Sequence[ImageScore]) -> float:
    """Return the mean over classes of the mean Dice on images that show the class; NaN if none does."""
    by_class: dict[str, list[float]] = {}
    for item in scores:
        if item.truth_area:
            by_class.setdefault(item.class_name, []).append(item.dice)
    return float(np.mean([np.mean(values) for values in by_class.values()])) if by_class else float("nan")
