"""A copy of the model with the thresholds that are best on the evaluated images."""

from __future__ import annotations

from collections.abc import Mapping, Sequence, Set
from dataclasses import replace
from pathlib import Path
from typing import TypeVar

from ...errors import InputError
from ...machine.files import replacing
from ...models.card import ModelCard
from ...models.file.stored_card import store_card
from ..runtime.session import Session
from .records import ClassEvaluation

_Value = TypeVar("_Value")


def choose_thresholds(card: ModelCard, classes: Sequence[ClassEvaluation], images: str) -> ModelCard:
    """Return a card with the best threshold of each class that an image shows.

    What the card says about a class at its former threshold is left out, since it is no longer true: its
    metrics and baselines, and of a class that images are judged by, what is normal for it.

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
    is_judged_anew = not changed.isdisjoint(card.lung_classes or card.classes)
    choice = {
        name: f"best mean Dice of 0.05 to 0.95 on {one.positives} images that show it ({images})"
        for name, one in chosen.items()
    }
    return replace(
        card,
        thresholds=thresholds,
        threshold_choice={**card.threshold_choice, **choice},
        metrics=_without(card.metrics, changed),
        metrics_by_source={
            source: kept
            for source, metrics in card.metrics_by_source.items()
            if (kept := _without(metrics, changed))
        },
        baselines=_without(card.baselines, changed),
        lungs=None if is_judged_anew else card.lungs,
        uncertainty=None if is_judged_anew else card.uncertainty,
    )


def _without(by_class: Mapping[str, _Value], changed: Set[str]) -> dict[str, _Value]:
    return {name: value for name, value in by_class.items() if name not in changed}


def write_model_copy(session: Session, card: ModelCard, path: Path) -> None:
    """Write the session's model with another card."""
    content = store_card(session.path.read_bytes(), card)
    with replacing(path) as temporary:
        temporary.write_bytes(content)
