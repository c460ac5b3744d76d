"""Judge a model on pictures at their own resolution, through the one pixel path and back.

What runs the model does not matter: PyTorch while training, ONNX Runtime after export.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ..data.dataset import Record, load_masks
from ..data.decode import read_picture
from ..data.picture import Grey
from .card import PixelSpec
from .metrics import PictureScore, score
from .preprocess import Probability, prepare, restore

Predict = Callable[[Grey], npt.NDArray[np.float32]]
"""A way to run a model: uint8 `[N,1,H,W]` to float32 probabilities `[N,C,H,W]`."""


@dataclass(frozen=True)
class Prediction:
    """A picture and, at its own size, what a model says of it: float32 `[C,h,w]`."""

    record: Record
    pixels: Grey
    probability: Probability


def predictions(
    predict: Predict, records: Sequence[Record], spec: PixelSpec, *, batch_size: int = 8
) -> Iterator[Prediction]:
    """Run a model over pictures, in order."""
    for start in range(0, len(records), batch_size):
        batch = records[start : start + batch_size]
        pictures = [read_picture(record.path).pixels for record in batch]
        prepared, placements = zip(*(prepare(pixels, spec) for pixels in pictures), strict=True)
        maps = predict(np.stack(prepared)[:, None])
        for record, pixels, placement, probability in zip(batch, pictures, placements, maps, strict=True):
            yield Prediction(record, pixels, np.stack([restore(one, placement) for one in probability]))


def judge(
    prediction: Prediction, classes: Sequence[str], thresholds: Sequence[float]
) -> tuple[PictureScore, ...]:
    """Compare one picture's cut masks with its truth, for the classes of which that is known."""
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
