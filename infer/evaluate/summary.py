"""From the results of images to figures with intervals over patients."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from ...metrics.baselines import BaselineScore, compare_with_baselines
from ...metrics.bland_altman import BlandAltman, bland_altman
from ...metrics.bootstrap import mean_interval
from ...metrics.lesions import IOU_LIMITS, lesion_f1
from ...metrics.records import Interval
from ...metrics.surface import PER_MILLE
from ...metrics.threshold_curve import best_threshold, threshold_curve
from .pairing import ClassPair
from .records import (
    MODEL,
    MODEL_AGAINST_SECOND,
    MODEL_WITH_BOTH_READERS,
    SECOND_READER,
    Agreement,
    ClassEvaluation,
    ImageResult,
    Metric,
    MetricName,
)

PER_MILLE_OF_HEIGHT = "per mille of the height"
_MM = "mm"
_LESION_F1 = (MetricName.LESION_F1_10, MetricName.LESION_F1_30, MetricName.LESION_F1_50)

Values = Sequence[tuple[float, ImageResult]]


def summarize_class(
    results: Sequence[ImageResult], pair: ClassPair, threshold: float, *, seed: int
) -> ClassEvaluation:
    """Summarize one class over a threshold; `results` are all of that class."""
    patients = [one.patient_id for one in results]
    curve = threshold_curve([one.at_thresholds for one in results], patients, seed=seed)
    return ClassEvaluation(
        pair=pair,
        threshold=threshold,
        images=len(results),
        positives=sum(one.is_positive for one in results),
        patients=len(set(patients)),
        curve=curve,
        best_threshold=best_threshold(curve),
    )


def compute_metrics(
    results: Sequence[ImageResult], class_name: str, group: str = "", *, seed: int
) -> list[Metric]:
    """Compute every figure of one class that is defined on these images.

    Parameters
    ----------
    results : sequence of ImageResult
        All of the same class.
    class_name : str
    group : str
        What these images have in common; empty: they are all.
    seed : int
        Of the bootstrap over patients.
    """
    return list(_Figures(class_name, group, seed).of(results))


@dataclass(frozen=True)
class _Figures:
    class_name: str
    group: str
    seed: int

    def of(self, results: Sequence[ImageResult]) -> Iterator[Metric]:
        positives = [one for one in results if one.is_positive]
        empties = [one for one in results if not one.is_positive]
        yield from self._agreement(MODEL, [(one.model, one) for one in positives])
        if empties:
            for name in (MetricName.DICE_ALL, MetricName.IOU_ALL):
                yield from self._mean(name, "", MODEL, [(_of_any(one, name), one) for one in results])
        missed = [(float(one.model.overlap.predicted_area == 0), one) for one in positives]
        yield from self._mean(MetricName.MISSED, "share of positives", MODEL, missed)
        correct = [(float(one.model.overlap.predicted_area == 0), one) for one in empties]
        yield from self._mean(MetricName.SPECIFICITY, "", MODEL, correct)
        yield from self._lesions(results)
        yield from self._ratio(results)
        yield from self._baselines(positives)
        yield from self._second_reader(results)

    def _metric(
        self, name: MetricName, unit: str, prediction: str, interval: Interval, rows: Sequence[ImageResult]
    ) -> Metric:
        patients = len({one.patient_id for one in rows})
        if patients == 1:  # a bootstrap over one patient has no spread, which would look like certainty
            interval = Interval(interval.value, math.nan, math.nan)
        return Metric(self.class_name, self.group, prediction, name, unit, len(rows), patients, interval)

    def _mean(self, name: MetricName, unit: str, prediction: str, values: Values) -> Iterator[Metric]:
        """Yield the mean over the images on which the value is defined, if there are any."""
        defined = [(value, one) for value, one in values if not math.isnan(value)]
        if not defined:
            return
        rows = [one for _, one in defined]
        numbers = np.array([value for value, _ in defined], np.float64)
        interval = mean_interval(numbers, [one.patient_id for one in rows], seed=self.seed)
        yield self._metric(name, unit, prediction, interval, rows)

    def _agreement(self, prediction: str, pairs: Sequence[tuple[Agreement, ImageResult]]) -> Iterator[Metric]:
        overlaps = [(one.overlap, row) for one, row in pairs]
        yield from self._mean(MetricName.DICE, "", prediction, [(one.dice, row) for one, row in overlaps])
        yield from self._mean(MetricName.IOU, "", prediction, [(one.iou, row) for one, row in overlaps])
        surfaces = [(one.surface.scaled(PER_MILLE / row.height), row) for one, row in pairs]
        for name in (MetricName.ASSD, MetricName.HD95):
            values = [(getattr(one, name), row) for one, row in surfaces]
            yield from self._mean(name, PER_MILLE_OF_HEIGHT, prediction, values)
            if prediction == MODEL:
                in_mm = [(getattr(row.surface_mm, name), row) for _, row in pairs if row.surface_mm]
                yield from self._mean(name, _MM, prediction, in_mm)

    def _lesions(self, results: Sequence[ImageResult]) -> Iterator[Metric]:
        rows = [(one.lesions, one) for one in results if one.lesions is not None]
        if not rows:
            return
        counts, images = [one for one, _ in rows], [image for _, image in rows]
        patients = [image.patient_id for image in images]
        for index, (_, name) in enumerate(zip(IOU_LIMITS, _LESION_F1, strict=True)):
            if (f1 := lesion_f1(counts, patients, index, seed=self.seed)) is not None:
                yield self._metric(name, "", MODEL, f1, images)
        agreement = bland_altman(
            np.array([one.truth for one in counts], np.float64),
            np.array([one.predicted for one in counts], np.float64),
            patients,
            seed=self.seed,
        )
        names = (MetricName.COUNT_BIAS, MetricName.COUNT_LOWER, MetricName.COUNT_UPPER)
        yield from self._bland_altman(names, "components", agreement, images)

    def _ratio(self, results: Sequence[ImageResult]) -> Iterator[Metric]:
        truth, predicted = ratios(results)
        patients = [one.patient_id for one in results]
        agreement = bland_altman(truth, predicted, patients, seed=self.seed)
        names = (MetricName.RATIO_BIAS, MetricName.RATIO_LOWER, MetricName.RATIO_UPPER)
        yield from self._bland_altman(names, "share of the image", agreement, results)

    def _bland_altman(
        self, names: Sequence[MetricName], unit: str, agreement: BlandAltman, rows: Sequence[ImageResult]
    ) -> Iterator[Metric]:
        intervals = (agreement.bias, agreement.lower, agreement.upper)
        for name, interval in zip(names, intervals, strict=True):
            if not math.isnan(interval.value):
                yield self._metric(name, unit, MODEL, interval, rows)

    def _baselines(self, positives: Sequence[ImageResult]) -> Iterator[Metric]:
        rows = {one.key: one for one in positives}
        scores = [
            BaselineScore(one.key, one.patient_id, self.class_name, name, dice)
            for one in positives
            for name, dice in one.baselines.items()
        ]
        compared = compare_with_baselines([one.model.overlap for one in positives], scores, seed=self.seed)
        for baseline in compared.get(self.class_name, ()):
            own = [rows[one.key] for one in scores if one.baseline == baseline.name]
            yield self._metric(MetricName.DICE, "", baseline.name, baseline.dice, own)
            yield self._metric(MetricName.DICE, "", minus(baseline.name), baseline.difference, own)

    def _second_reader(self, results: Sequence[ImageResult]) -> Iterator[Metric]:
        read = [(one.second, one) for one in results if one.second is not None]
        shown = [(second, one) for second, one in read if one.is_positive]
        yield from self._agreement(SECOND_READER, [(second.with_first, one) for second, one in shown])
        yield from self._agreement(MODEL_WITH_BOTH_READERS, [(one.model, one) for _, one in shown])
        by_second = [(one.with_model, row) for one, row in read if one.with_model.overlap.truth_area]
        yield from self._agreement(MODEL_AGAINST_SECOND, by_second)


def minus(baseline: str) -> str:
    """Return how `summary.csv` names the difference of the model and a baseline."""
    return f"{MODEL} minus {baseline}"


def ratios(results: Sequence[ImageResult]) -> tuple[np.ndarray, np.ndarray]:
    """Return the class's share of each image, in the ground truth and as predicted: float64 (images,)."""
    pixels = np.array([one.height * one.width for one in results], np.float64)
    overlaps = [one.model.overlap for one in results]
    truth = np.array([one.truth_area for one in overlaps], np.float64)
    predicted = np.array([one.predicted_area for one in overlaps], np.float64)
    return truth / pixels, predicted / pixels


def _of_any(result: ImageResult, name: MetricName) -> float:
    """Return Dice or IoU of any image: on one without the class, 1 if nothing is predicted, else 0."""
    overlap = result.model.overlap
    if not result.is_positive:
        return float(overlap.predicted_area == 0)
    return overlap.dice if name is MetricName.DICE_ALL else overlap.iou
