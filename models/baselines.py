"""Warnings about a model that is no better than a trivial prediction, from its card."""

from __future__ import annotations

from .card import ModelCard


def baseline_warnings(card: ModelCard) -> tuple[str, ...]:
    """Return one line for each class on which the model does not beat every trivial baseline.

    A baseline is beaten if the 95 % interval of the difference in Dice, over patients, lies above 0. Cards
    without baselines give no warning.

    Parameters
    ----------
    card : ModelCard

    Returns
    -------
    tuple of str
        In the order of the classes; each names the best of the baselines that are not beaten.
    """
    lines = []
    for name in card.classes:
        unbeaten = [one for one in card.baselines.get(name, ()) if not one.difference.low > 0]
        if not unbeaten:
            continue
        best = max(unbeaten, key=lambda one: one.dice.value)
        difference = best.difference
        lines.append(
            f"{name}: the model is not better than a trivial prediction: its Dice is "
            f"{best.dice.value + difference.value:.3f}, that of the {best.name} {best.dice.value:.3f} "
            f"(difference {difference.value:+.3f}, 95 % interval {difference.low:+.3f} to "
            f"{difference.high:+.3f}, on {best.images} images)"
        )
    return tuple(lines)
