"""A file of lower precision is kept only if it is nearly as good, and truly faster on this machine."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from ..data.dataset import Record
from ..errors import ModelError
from ..infer.session import Session
from ..models.card import Precision, Quantisation
from ..models.evaluate import evaluate, mean_dice
from ..models.metrics import PictureScore, class_metrics
from .graph import attach_card

TIMED_BATCH = 8
TIMED_ROUNDS = 7
MAX_DICE_DROP = 0.01


@dataclass(frozen=True)
class Candidate:
    """One way to a file of lower precision: its name for the table, and what writes it."""

    name: str
    write: Callable[[Path], None]
    calibration_pictures: int = 0


@dataclass(frozen=True)
class Trial:
    """What one candidate showed."""

    candidate: Candidate
    scores: Sequence[PictureScore]
    dice: float
    dice_drop: float
    speed_up: float

    def passes(self, max_dice_drop: float) -> bool:
        """Say whether both halves of the gate hold."""
        return self.dice_drop <= max_dice_drop and self.speed_up > 1


@dataclass(frozen=True)
class Gate:
    """What the candidates are measured against: the fp32 session and its Dice on the validation records."""

    reference: Session
    records: Sequence[Record]
    dice: float
    max_dice_drop: float = MAX_DICE_DROP

    @classmethod
    def open(cls, reference: Session, records: Sequence[Record], max_dice_drop: float) -> Gate:
        """Measure the fp32 session once.

        Raises
        ------
        ModelError
            If the validation split cannot tell how good a model is.
        """
        dice = mean_dice(_scores(reference, records))
        if np.isnan(dice):
            raise ModelError("the validation split shows no class, so a drop of Dice cannot be measured")
        return cls(reference, records, dice, max_dice_drop)

    def try_candidate(self, candidate: Candidate, path: Path) -> Trial:
        """Write one candidate to `path`, measure it, and put both figures into its card."""
        candidate.write(path)
        attach_card(path, self.reference.card)
        session = Session.open(path, provider=self.reference.provider, threads=self.reference.threads)
        scores = _scores(session, self.records)
        dice = mean_dice(scores)
        return Trial(candidate, scores, dice, self.dice - dice, speed_up(self.reference, session))


def first_that_passes(
    gate: Gate, candidates: Sequence[Candidate], precision: Precision, path: Path
) -> tuple[Trial, ...]:
    """Try candidates in order until one passes; its file, with its card, is then at `path`.

    Returns
    -------
    tuple of Trial
        All that were tried; the last one passed.

    Raises
    ------
    GateError
        If none passes; it carries the trials.
    """
    trials: list[Trial] = []
    for candidate in candidates:
        trial = gate.try_candidate(candidate, path)
        trials.append(trial)
        if trial.passes(gate.max_dice_drop):
            figures = Quantisation(
                method=candidate.name,
                calibration_pictures=candidate.calibration_pictures,
                dice_drop=trial.dice_drop,
                speed_up=trial.speed_up,
                provider=gate.reference.provider,
            )
            card = gate.reference.card
            metrics = {
                name: class_metrics([score for score in trial.scores if score.class_name == name])
                for name in card.classes
            }
            card = replace(card, precision=precision, quantisation=figures, metrics=metrics)
            attach_card(path, card)
            return tuple(trials)
    path.unlink(missing_ok=True)
    raise GateError(tuple(trials), precision, gate)


class GateError(ModelError):
    """No candidate was good and fast enough; `trials` says what each showed."""

    def __init__(self, trials: tuple[Trial, ...], precision: Precision, gate: Gate) -> None:
        best = min(trials, key=lambda trial: trial.dice_drop)
        super().__init__(
            f"no {precision} file was kept: of {len(trials)} tried on {gate.reference.provider}, the best "
            f"({best.candidate.name}) drops Dice by {best.dice_drop:.4f} (at most {gate.max_dice_drop:g}) "
            f"and runs {best.speed_up:.2f} times as fast as fp32 (more than 1)"
        )
        self.trials = trials
        self.gate = gate


def _scores(session: Session, records: Sequence[Record]) -> list[PictureScore]:
    card = session.card
    return evaluate(session.run, records, card.pixels, card.classes, card.thresholds)


def speed_up(reference: Session, candidate: Session) -> float:
    """Time both sessions in turn on one batch; above 1 (the median ratio) the candidate is faster."""
    pixels = reference.card.pixels
    shape = (TIMED_BATCH, 1, pixels.height, pixels.width)
    batch = np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)

    def seconds(session: Session) -> float:
        start = time.perf_counter()
        session.run(batch)
        return time.perf_counter() - start

    seconds(reference), seconds(candidate)  # the first pass also allocates
    return statistics.median(seconds(reference) / seconds(candidate) for _ in range(TIMED_ROUNDS))
