"""Fit the cutoff of `uncertainty` on images with drawn masks, with whatever runs the model."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np
import numpy.typing as npt

from ...data.datasets.records import Record
from ..card import ModelCard
from ..evaluate import Predict, run_model, score_prediction
from ..image_checks import UncertaintyReference
from ..preprocess import image_region
from .lung_reference import fit_lung_reference
from .uncertainty import uncertainty

POOR_DICE = 0.9
FEWEST_IMAGES = 30
FEWEST_POOR = 3
_FALSE_ALARMS = 0.05

Floats = npt.NDArray[np.float64]


def fit_lung_checks(
    predict: Predict, records: Sequence[Record], card: ModelCard, *, batch_size: int = 8
) -> ModelCard:
    """Return the card of a lungs model with what judges an image by its lungs; see the functions it calls."""
    return replace(
        card,
        lungs=fit_lung_reference(predict, records, card, batch_size=batch_size),
        uncertainty=fit_uncertainty(predict, records, card, batch_size=batch_size),
    )


def fit_uncertainty(
    predict: Predict, records: Sequence[Record], card: ModelCard, *, batch_size: int = 8
) -> UncertaintyReference | None:
    """Fit the cutoff of a model with a lung class.

    Parameters
    ----------
    predict : callable
        uint8 `[N,1,H,W]` to float32 probabilities `[N,C,H,W]`.
    records : sequence of Record
        Images that the model was not trained on; those that show a lung class, with its drawn mask, are used,
        each in the class in which it was drawn.
    card : ModelCard
        Classes, thresholds and preprocessing.
    batch_size : int

    Returns
    -------
    UncertaintyReference or None
        None if the model has no lung class, or there are too few images or poor masks.
    """
    known = [record for record in records if record.has_truth(card.lung_classes)]
    if not card.lung_classes or len(known) < FEWEST_IMAGES:
        return None
    measured = np.array(list(_measure(predict, known, card, batch_size)))
    if len(measured) < FEWEST_IMAGES:
        return None
    return choose_cutoff(measured[:, 0], measured[:, 1])


def choose_cutoff(uncertainties: Floats, dice: Floats) -> UncertaintyReference | None:
    """Choose the cutoff that one in twenty of the good masks exceeds; None for too few poor masks."""
    poor = dice < POOR_DICE
    if poor.sum() < FEWEST_POOR or not (~poor).any():
        return None
    good = np.sort(uncertainties[~poor])
    cutoff = float(np.quantile(good, 1 - _FALSE_ALARMS))
    return UncertaintyReference(
        cutoff=round(cutoff, 6),
        dice=POOR_DICE,
        images=len(dice),
        poor=int(poor.sum()),
        auc=round(_area_under_roc(uncertainties[poor], good), 4),
        caught=round(float((uncertainties[poor] >= cutoff).mean()), 4),
        false_alarms=round(float((good >= cutoff).mean()), 4),
    )


def _area_under_roc(positive: Floats, negative: Floats) -> float:
    """Return the probability that a positive exceeds a negative; ties count half. `negative` is sorted."""
    below = np.searchsorted(negative, positive, side="left")
    up_to = np.searchsorted(negative, positive, side="right")
    return float((below + up_to).sum() / 2 / (len(positive) * len(negative)))


def _measure(
    predict: Predict, records: Sequence[Record], card: ModelCard, batch_size: int
) -> Iterator[tuple[float, float]]:
    """Yield the uncertainty of each image, and the mean Dice over the lung classes that were drawn on it.

    An empty mask has no Dice; images with no other are passed over.
    """
    judged = [card.classes.index(name) for name in card.lung_classes]
    thresholds = np.array([card.thresholds[index] for index in judged], np.float32)
    for output in run_model(predict, records, card.pixels, batch_size=batch_size):
        scores = score_prediction(output.restore(), card.classes, card.thresholds)
        dice = [one.dice for one in scores if one.class_name in card.lung_classes and one.truth_area]
        if dice:
            rows, columns = image_region(output.placement)
            yield uncertainty(output.maps[judged, rows, columns], thresholds), float(np.mean(dice))
