"""Accept a file of lower precision only if it is about as accurate as fp32 and faster on this machine."""

from __future__ import annotations

import logging
import math
import statistics
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from pathlib import Path

import numpy as np

from ..data.datasets.records import Record
from ..data.image import Gray
from ..errors import ModelError
from ..infer.runtime.session import Session
from ..metrics.baselines import BaselineScore, compare_with_baselines
from ..metrics.overlap import ImageScore, class_metrics
from ..metrics.records import BaselineMetrics, ClassMetrics
from ..models.card import ModelCard, Precision, Quantization
from ..models.checks.lung_reference import fit_lung_reference
from ..models.checks.uncertainty_reference import fit_uncertainty
from ..models.evaluate import evaluate, mean_dice
from .graph import attach_card

MAX_DICE_DROP = 0.01
TIMED_BATCH = 8
TIMED_ROUNDS = 9

log = logging.getLogger(__name__)


class Outcome(StrEnum):
    """Whether a candidate is accepted, else why not."""

    ACCEPTED = "accepted"
    LESS_ACCURATE = "less accurate"
    NOT_FASTER = "not faster"
    NEITHER = "less accurate, not faster"


def assess(dice_drop: float, speed_up: float, max_dice_drop: float) -> Outcome:
    """Accept a candidate if Dice drops by at most `max_dice_drop` and the speed-up is above 1."""
    accurate, faster = dice_drop <= max_dice_drop, speed_up > 1
    if accurate:
        return Outcome.ACCEPTED if faster else Outcome.NOT_FASTER
    return Outcome.LESS_ACCURATE if faster else Outcome.NEITHER


@dataclass(frozen=True)
class Candidate:
    """One way to make a file of lower precision: its name in the table, and the function that writes it."""

    name: str
    write: Callable[[Path], None]


@dataclass(frozen=True)
class CandidateResult:
    """The accuracy of one candidate on the validation images, and its speed relative to fp32."""

    name: str
    dice: float
    dice_drop: float
    speed_up: float
    outcome: Outcome
    metrics: Mapping[str, ClassMetrics]
    metrics_by_source: Mapping[str, Mapping[str, ClassMetrics]]
    baselines: Mapping[str, tuple[BaselineMetrics, ...]]


class GateError(ModelError):
    """No candidate was accepted; `results` holds what was measured."""

    def __init__(self, results: tuple[CandidateResult, ...], gate: Gate) -> None:
        best = min(results, key=lambda result: result.dice_drop)
        advice = ""
        if gate.precision is Precision.FP16 and gate.reference.provider in ("cpu", "openvino"):
            advice = "; fp16 is for GPUs: export on a machine with a GPU, with --provider cuda"
        super().__init__(
            f"no {gate.precision} file was written: the best of {len(results)} candidates on "
            f"{gate.reference.provider} ({best.name}) has Dice {best.dice:.4f}, fp32 has {gate.dice:.4f} "
            f"(allowed loss {gate.max_dice_drop:g}), and runs {best.speed_up:.2f} times as fast "
            f"(must be above 1){advice}"
        )
        self.results = results


@dataclass(frozen=True)
class Gate:
    """The reference for candidates: the fp32 session and its Dice on the validation records.

    Attributes
    ----------
    baselines : sequence of BaselineScore
        Trivial predictions on the same records, which candidates are compared with too.
    sources : mapping of str to str
        The source of each record, by its key; empty where that is not known.
    keeps_metrics : bool
        Whether the reference's metrics, which are not of these records, stay in the card of a candidate.
    """

    reference: Session
    records: Sequence[Record]
    precision: Precision
    max_dice_drop: float
    dice: float
    baselines: Sequence[BaselineScore] = ()
    sources: Mapping[str, str] = field(default_factory=dict)
    keeps_metrics: bool = False

    @classmethod
    def open(
        cls,
        reference: Session,
        records: Sequence[Record],
        precision: Precision,
        max_dice_drop: float = MAX_DICE_DROP,
        *,
        baselines: Sequence[BaselineScore] = (),
        sources: Mapping[str, str] | None = None,
        keeps_metrics: bool = False,
    ) -> Gate:
        """Measure the Dice of the fp32 session; see `Gate` for the parameters.

        Raises
        ------
        ModelError
            If no record shows a class, so that Dice is undefined.
        """
        dice = mean_dice(_scores(reference, records))
        if math.isnan(dice):
            raise ModelError(
                f"no {precision} file can be checked: no validation image shows "
                f"{' or '.join(reference.card.classes)}, so the loss of Dice cannot be measured"
            )
        return cls(
            reference, records, precision, max_dice_drop, dice, tuple(baselines), sources or {}, keeps_metrics
        )

    def select(
        self, candidates: Sequence[Candidate], path: Path, *, calibration_images: int = 0
    ) -> tuple[ModelCard, tuple[CandidateResult, ...]]:
        """Try candidates in order until one is accepted; it is left at `path`, with the results in its card.

        Parameters
        ----------
        candidates : sequence of Candidate
        path : Path
            Where each candidate is written in turn.
        calibration_images : int
            Number of images used for calibration, for the card.

        Returns
        -------
        ModelCard
            Of the file at `path`.
        tuple of CandidateResult
            Of all candidates tried; the last one was accepted.

        Raises
        ------
        GateError
            If none is accepted; it holds the results.
        """
        results: list[CandidateResult] = []
        for candidate in candidates:
            session = self._open(candidate, path)
            results.append(result := self._measure(candidate.name, session))
            if result.outcome is Outcome.ACCEPTED:
                card = self._build_card(result, session, calibration_images)
                attach_card(path, card)
                return card, tuple(results)
        raise GateError(tuple(results), self)

    def _open(self, candidate: Candidate, path: Path) -> Session:
        """Write a candidate and open it."""
        reference = self.reference
        log.info("%s: trying %s", self.precision, candidate.name)
        candidate.write(path)
        # The provider reads from the card in which precision to run the file.
        attach_card(path, replace(reference.card, precision=self.precision))
        return Session.open(path, provider=reference.provider, threads=reference.threads)

    def _measure(self, name: str, session: Session) -> CandidateResult:
        scores = _scores(session, self.records)
        dice = mean_dice(scores)
        drop, speed = self.dice - dice, speed_up(self.reference, session)
        scored = {score.key for score in scores}
        baselines = [item for item in self.baselines if item.key in scored]
        return CandidateResult(
            name=name,
            dice=dice,
            dice_drop=drop,
            speed_up=speed,
            outcome=assess(drop, speed, self.max_dice_drop),
            metrics=_metrics(scores, self.reference.card.classes),
            metrics_by_source=self._metrics_by_source(scores),
            baselines=compare_with_baselines(scores, baselines),
        )

    def _metrics_by_source(self, scores: Sequence[ImageScore]) -> dict[str, dict[str, ClassMetrics]]:
        """Summarize the classes that were drawn on the images of each source."""
        by_source: dict[str, list[ImageScore]] = {}
        for score in scores:
            if score.key in self.sources:
                by_source.setdefault(self.sources[score.key], []).append(score)
        return {
            source: _metrics(own, dict.fromkeys(score.class_name for score in own))
            for source, own in sorted(by_source.items())
        }

    def _build_card(self, result: CandidateResult, session: Session, calibration_images: int) -> ModelCard:
        quantization = Quantization(
            method=result.name,
            calibration_images=calibration_images,
            dice_drop=result.dice_drop,
            speed_up=result.speed_up,
            provider=self.reference.provider,
        )
        reference = self.reference.card
        card = replace(
            reference,
            precision=self.precision,
            quantization=quantization,
            lungs=fit_lung_reference(session.run, self.records, reference) or reference.lungs,
            uncertainty=fit_uncertainty(session.run, self.records, reference),
        )
        if self.keeps_metrics:
            return card
        return replace(
            card,
            metrics=result.metrics,
            metrics_by_source=result.metrics_by_source,
            # Runs of earlier versions have no scores of baselines; their card has none either.
            baselines=result.baselines or reference.baselines,
        )


def speed_up(reference: Session, candidate: Session) -> float:
    """Time both sessions alternately on one batch; return the median ratio of their times."""
    pixels = reference.card.pixels
    shape = (TIMED_BATCH, 1, pixels.height, pixels.width)
    batch = np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)
    _seconds(reference, batch), _seconds(candidate, batch)  # warm up
    return statistics.median(
        _seconds(reference, batch) / _seconds(candidate, batch) for _ in range(TIMED_ROUNDS)
    )


def _seconds(session: Session, batch: Gray) -> float:
    start = time.perf_counter()
    session.run(batch)
    return time.perf_counter() - start


def _metrics(scores: Sequence[ImageScore], classes: Iterable[str]) -> dict[str, ClassMetrics]:
    return {name: class_metrics([score for score in scores if score.class_name == name]) for name in classes}


def _scores(session: Session, records: Sequence[Record]) -> list[ImageScore]:
    card = session.card
    return evaluate(session.run, records, card.pixels, card.classes, card.thresholds)
