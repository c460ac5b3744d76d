"""The worst and the median images of each class, drawn with the outlines of ground truth and prediction."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

import cv2
import numpy as np

from ...data.datasets.masks import load_masks
from ...data.datasets.records import Record
from ...data.image import Gray
from ...models.evaluate import Prediction, predictions
from ...report.page import data_uri
from ..outputs.overlays import draw_overlay
from ..runtime.session import Session
from .pairing import ClassPair
from .records import ImageResult

_COUNT = 4
_SIDE = 420
_QUALITY = 85


class Kind(StrEnum):
    """Which images are shown."""

    WORST = "worst"
    MEDIAN = "median"


@dataclass(frozen=True)
class Example:
    """One drawn image, as a data URI, with the class and the text below it."""

    kind: Kind
    class_name: str
    image: str
    caption: str


def choose_examples(results: Sequence[ImageResult]) -> dict[Kind, list[ImageResult]]:
    """Choose the images with the lowest Dice and others around the median, of results of one class."""
    ranked = sorted((one for one in results if one.is_positive), key=lambda one: one.model.overlap.dice)
    # Up to four are all among the worst; of five, the worst one is left out.
    middle = (len(ranked) - _COUNT + 1) // 2
    around = ranked[middle : middle + _COUNT] if middle > 0 else []
    return {Kind.WORST: ranked[:_COUNT], Kind.MEDIAN: around}


def draw_examples(
    session: Session, records: Mapping[str, Record], results: Sequence[ImageResult]
) -> list[Example]:
    """Draw the examples of every class; the model runs again on those few images.

    Parameters
    ----------
    session : Session
    records : mapping of str to Record
        By key.
    results : sequence of ImageResult
        Of all classes.
    """
    by_class: dict[str, list[ImageResult]] = {}
    for one in results:
        by_class.setdefault(one.pair.name, []).append(one)
    chosen = [
        (kind, one)
        for of_class in by_class.values()
        for kind, images in choose_examples(of_class).items()
        for one in images
    ]
    keys = dict.fromkeys(one.key for _, one in chosen)
    found = predictions(session.run, [records[key] for key in keys], session.card.pixels)
    drawn = {
        (prediction.record.key, one.pair.name): _draw(prediction, one.pair, session)
        for prediction in found
        for _, one in chosen
        if one.key == prediction.record.key
    }
    return [
        Example(kind, one.pair.name, drawn[one.key, one.pair.name], _caption(one)) for kind, one in chosen
    ]


def _caption(one: ImageResult) -> str:
    return f"{one.key}: Dice {one.model.overlap.dice:.3f}"


def _draw(prediction: Prediction, pair: ClassPair, session: Session) -> str:
    """Reduce the image before the outlines are drawn, so that they stay visible."""
    truth, _ = load_masks(prediction.record, (pair.truth,), prediction.pixels.shape)
    mask = (prediction.probability[pair.index] >= session.card.thresholds[pair.index]).astype(np.uint8)
    scale = min(1.0, _SIDE / max(prediction.pixels.shape))
    masks = {"ground truth": _reduced_mask(truth[0], scale), "model": _reduced_mask(mask, scale)}
    overlay = draw_overlay(_reduced(prediction.pixels, scale), masks)
    encoded = cv2.imencode(".jpg", overlay, [cv2.IMWRITE_JPEG_QUALITY, _QUALITY])[1]
    return data_uri(encoded.tobytes(), "image/jpeg")


def _reduced(pixels: Gray, scale: float) -> Gray:
    if scale == 1:
        return pixels
    return np.asarray(cv2.resize(pixels, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA), np.uint8)


def _reduced_mask(mask: Gray, scale: float) -> Gray:
    return np.asarray(_reduced(mask * 255, scale) >= 128, np.uint8)
