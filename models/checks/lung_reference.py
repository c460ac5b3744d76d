"""Fit the reference of `plausibility` on validation images, with whatever runs the model."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from ...data.datasets.records import Record
from ...data.decode.reader import read_image
from ..card import LungReference, ModelCard
from ..evaluate import Predict
from ..preprocess import Probability, image_region, prepare
from .plausibility import FoundLungs, LungCheck, find_lungs, fit_reference


def lung_map(maps: Probability, card: ModelCard) -> Probability:
    """Return the probability of any lung class, float32 (height, width), from a model's maps."""
    chosen = [card.classes.index(name) for name in card.lung_classes]
    return np.asarray(maps[chosen].max(axis=0), np.float32)


def lung_threshold(card: ModelCard) -> float:
    """Return the lowest threshold of the lung classes."""
    return min(card.thresholds[card.classes.index(name)] for name in card.lung_classes)


def lung_check(card: ModelCard) -> LungCheck | None:
    """Return what assesses images by their lungs; None for a model without a lung class or reference."""
    if card.lungs is None or not card.lung_classes:
        return None
    return LungCheck(card.lungs, lung_threshold(card))


def fit_lung_reference(
    predict: Predict, records: Sequence[Record], card: ModelCard, *, batch_size: int = 8
) -> LungReference | None:
    """Fit the lung reference of a model.

    Parameters
    ----------
    predict : callable
        uint8 `[N,1,H,W]` to float32 probabilities `[N,C,H,W]`.
    records : sequence of Record
        Validation images: radiographs as the model is meant for, none that it was trained on.
    card : ModelCard
        Classes, thresholds and preprocessing.
    batch_size : int

    Returns
    -------
    LungReference or None
        None if the model has no lung class, or there are too few images.
    """
    if not card.lung_classes:
        return None
    found = [lungs for lungs in _find(predict, records, card, batch_size) if lungs is not None]
    return fit_reference(found)


def _find(
    predict: Predict, records: Sequence[Record], card: ModelCard, batch_size: int
) -> Iterator[FoundLungs | None]:
    threshold = lung_threshold(card)
    for start in range(0, len(records), batch_size):
        batch = records[start : start + batch_size]
        prepared = [prepare(read_image(record.path).pixels, card.pixels) for record in batch]
        maps = predict(np.stack([pixels for pixels, _ in prepared])[:, None])
        for (pixels, placement), of_image in zip(prepared, maps, strict=True):
            region = image_region(placement)
            yield find_lungs(pixels[region], lung_map(of_image, card)[region], threshold)
