"""Fit the reference of `plausibility` on validation images, with whatever runs the model."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ...data.datasets.records import Record
from ..card import LungReference, ModelCard
from ..evaluate import Output, Predict, run_model
from ..preprocess import Probability, image_region
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
    outputs = run_model(predict, records, card.pixels, batch_size=batch_size)
    found = [_find(output, card) for output in outputs]
    return fit_reference([lungs for lungs in found if lungs is not None])


def _find(output: Output, card: ModelCard) -> FoundLungs | None:
    region = image_region(output.placement)
    return find_lungs(output.model_input[region], lung_map(output.maps, card)[region], lung_threshold(card))
