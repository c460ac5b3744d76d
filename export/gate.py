"""A file of lower precision is kept only if it is nearly as good, and truly faster on this machine."""

from __future__ import annotations

import logging
import math
import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from pathlib import Path

import numpy as np

from ..data.datasets.records import Record
from ..data.image import Gray
from ..errors import ModelError
from ..infer.runtime.session import Session
from ..metrics.records import ClassMetrics
from ..metrics.overlap import ImageScore, class_metrics
from ..models.card import ModelCard, Precision, Quantization
from ..models.evaluate import evaluate, mean_dice
from .graph import attach_card

MAX_DICE_DROP = 0.01
TIMED_BATCH = 8
TIMED_ROUNDS = 9

log = logging.getLogger(__name__)


class Verdict(StrEnum):
    """What the gate says of a file."""

    KEPT = "kept"
    WORSE = "worse"
    SLOWER = "not faster"
    BOTH = "worse, slower"


def verdict(dice_drop: float, speed_up: float, max_dice_drop: float) -> Verdict:
    """Say whether both halves of the gate hold: the drop is at most `max_dice_drop`, the speed-up above 1."""
    good, fast = dice_drop <= max_dice_drop, speed_up > 1
    if good:
        return Verdict.KEPT if fast else Verdict.SLOWER
    return Verdict.WORSE if fast else Verdict.BOTH


@dataclass(frozen=True)
class Candidate:
    """One way to a file of lower precision: its name for the table, and what writes it."""

    name: str
    write: Callable[[Path], None]


@dataclass(frozen=True)
class CandidateResult:
    """What one candidate showed on the validation split, and how many times as fast as fp32 it ran."""

    name: str
    dice: float
    dice_drop: float
    speed_up: float
    verdict: Verdict
    metrics: Mapping[str, ClassMetrics]


class GateError(ModelError):
    """No candidate was good and fast enough; `trials` says what each showed."""

    def __init__(self, trials: tuple[CandidateResult, ...], gate: Gate) -> None:
        best = min(trials, key=lambda trial: trial.dice_drop)
        advice = ""
        if gate.precision is Precision.FP16 and gate.reference.provider in ("cpu", "openvino"):
            advice = "; fp16 is for GPUs: export on a machine that has one, with --provider cuda"
        super().__init__(
            f"no {gate.precision} file was written: of {len(trials)} tried on {gate.reference.provider}, the "
            f"nearest ({best.name}) has Dice {best.dice:.4f} where fp32 has {gate.dice:.4f} (it may lose "
            f"{gate.max_dice_drop:g}) and is {best.speed_up:.2f} times as fast (it must be faster){advice}"
        )
        self.trials = trials


@dataclass(frozen=True)
class Gate:
    """What candidates are measured against: the fp32 session and its Dice on the validation records."""

    reference: Session
    records: Sequence[Record]
    precision: Precision
    max_dice_drop: float
    dice: float

    @classmethod
    def open(
        cls,
        reference: Session,
        records: Sequence[Record],
        precision: Precision,
        max_dice_drop: float = MAX_DICE_DROP,
    ) -> Gate:
        """Measure the fp32 session.

        Raises
        ------
        ModelError
            If the records cannot tell how good a model is.
        """
        dice = mean_dice(_scores(reference, records))
        if math.isnan(dice):
            raise ModelError(
                f"no {precision} file can be checked: no validation image shows "
                f"{' or '.join(reference.card.classes)}, so a drop of Dice cannot be measured"
            )
        return cls(reference, records, precision, max_dice_drop, dice)

    def first_that_passes(
        self, candidates: Sequence[Candidate], path: Path, *, calibration_images: int = 0
    ) -> tuple[ModelCard, tuple[CandidateResult, ...]]:
        """Try candidates in order until one passes; it is then at `path`, both figures in its card.

        Parameters
        ----------
        candidates : sequence of Candidate
        path : Path
            Where they are written, each in turn.
        calibration_images : int
            For the card: on how many images ranges were calibrated.

        Returns
        -------
        ModelCard
            Of the file at `path`.
        tuple of CandidateResult
            All that were tried; the last one passed.

        Raises
        ------
        GateError
            If none passes; it carries the trials.
        """
        trials: list[CandidateResult] = []
        for candidate in candidates:
            trial = self._try(candidate, path)
            trials.append(trial)
            if trial.verdict is Verdict.KEPT:
                card = self._card(trial, calibration_images)
                attach_card(path, card)
                return card, tuple(trials)
        raise GateError(tuple(trials), self)

    def _try(self, candidate: Candidate, path: Path) -> CandidateResult:
        reference = self.reference
        log.info("%s: trying %s", self.precision, candidate.name)
        candidate.write(path)
        # A provider reads from the card in which arithmetic it is to run the file.
        attach_card(path, replace(reference.card, precision=self.precision))
        session = Session.open(path, provider=reference.provider, threads=reference.threads)
        scores = _scores(session, self.records)
        dice = mean_dice(scores)
        drop, speed = self.dice - dice, speed_up(reference, session)
        metrics = {
            name: class_metrics([score for score in scores if score.class_name == name])
            for name in reference.card.classes
        }
        return CandidateResult(
            candidate.name, dice, drop, speed, verdict(drop, speed, self.max_dice_drop), metrics
        )

    def _card(self, trial: CandidateResult, calibration_images: int) -> ModelCard:
        figures = Quantization(
            method=trial.name,
            calibration_images=calibration_images,
            dice_drop=trial.dice_drop,
            speed_up=trial.speed_up,
            provider=self.reference.provider,
        )
        return replace(
            self.reference.card, precision=self.precision, quantization=figures, metrics=trial.metrics
        )


def speed_up(reference: Session, candidate: Session) -> float:
    """Time both sessions in turn on one batch; above 1 (the median ratio) the candidate is faster."""
    pixels = reference.card.pixels
    shape = (TIMED_BATCH, 1, pixels.height, pixels.width)
    batch = np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)
    _seconds(reference, batch), _seconds(candidate, batch)  # the first pass also allocates
    return statistics.median(
        _seconds(reference, batch) / _seconds(candidate, batch) for _ in range(TIMED_ROUNDS)
    )


def _seconds(session: Session, batch: Gray) -> float:
    start = time.perf_counter()
    session.run(batch)
    return time.perf_counter() - start


def _scores(session: Session, records: Sequence[Record]) -> list[ImageScore]:
    card = session.card
    return evaluate(session.run, records, card.pixels, card.classes, card.thresholds)
