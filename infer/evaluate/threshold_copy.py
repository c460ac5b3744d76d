"""A copy of the model with the thresholds that are best on the evaluated images."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from ...errors import InputError
from ...machine.files import replacing
from ...models.card import ModelCard
from ...models.file.stored_card import store_card
from ..runtime.session import Session
from .records import ClassEvaluation


def choose_thresholds(card: ModelCard, classes: Sequence[ClassEvaluation], images: str) -> ModelCard:
    """Return a card with the best threshold of each class that an image shows.

    What the card says about a class at its former threshold, its metrics and baselines, is left out: it is no
    longer true.

    Parameters
    ----------
    card : ModelCard
    classes : sequence of ClassEvaluation
    images : str
        The images that the thresholds are chosen on, for the card.

    Raises
    ------
    InputError
        If no image shows any of the classes.
    """
    chosen = {one.pair.name: one for one in classes if one.best_threshold is not None}
    if not chosen:
        names = ", ".join(one.pair.name for one in classes)
        raise InputError(f"no threshold can be chosen: no image shows {names}")
    best = {name: one.best_threshold for name, one in chosen.items()}
    pairs = list(zip(card.classes, card.thresholds, strict=True))
    thresholds = tuple(best.get(name) or threshold for name, threshold in pairs)
    changed = {name for (name, before), now in zip(pairs, thresholds, strict=True) if now != before}
    choice = {
        name: f"best mean Dice of 0.05 to 0.95 on {one.positives} images that show it ({images})"
        for name, one in chosen.items()
    }
    return replace(
        card,
        thresholds=thresholds,
        threshold_choice={**card.threshold_choice, **choice},
        metrics={name: value for name, value in card.metrics.items() if name not in changed},
        baselines={name: value for name, value in card.baselines.items() if name not in changed},
    )


def write_model_copy(session: Session, card: ModelCard, path: Path) -> None:
    """Write the session's model with another card."""
    content = store_card(session.path.read_bytes(), card)
    with replacing(path) as temporary:
        temporary.write_bytes(content)
