"""`evaluation.html`: scores beside baselines and readers, curves, and the images to look at."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ...metrics.records import Interval
from ...models.card import ModelCard
from ...models.trivial_masks import Baseline
from ...report.chart import Axis, Chart, Series, level, mark
from ...report.page import render_page
from .examples import Example, Kind
from .records import (
    MODEL,
    MODEL_AGAINST_SECOND,
    MODEL_WITH_BOTH_READERS,
    SECOND_READER,
    ClassEvaluation,
    Evaluation,
    ImageResult,
    Metric,
    MetricName,
)
from .summary import minus, ratios

_TEMPLATE = Path(__file__).with_name("evaluation.html.j2")

LABELS: Mapping[MetricName, str] = {
    MetricName.DICE: "Dice, images that show it",
    MetricName.IOU: "IoU, images that show it",
    MetricName.DICE_ALL: "Dice, all images",
    MetricName.IOU_ALL: "IoU, all images",
    MetricName.ASSD: "average surface distance (ASSD)",
    MetricName.HD95: "95th percentile of the surface distance (HD95)",
    MetricName.MISSED: "nothing predicted on an image that shows it",
    MetricName.SPECIFICITY: "nothing predicted on an image without it",
    MetricName.LESION_F1_10: "lesion-wise F1 at IoU 0.1",
    MetricName.LESION_F1_30: "lesion-wise F1 at IoU 0.3",
    MetricName.LESION_F1_50: "lesion-wise F1 at IoU 0.5",
    MetricName.COUNT_BIAS: "count, bias",
    MetricName.COUNT_LOWER: "count, lower limit of agreement",
    MetricName.COUNT_UPPER: "count, upper limit of agreement",
    MetricName.RATIO_BIAS: "ratio, bias",
    MetricName.RATIO_LOWER: "ratio, lower limit of agreement",
    MetricName.RATIO_UPPER: "ratio, upper limit of agreement",
}
_READERS = (SECOND_READER, MODEL_WITH_BOTH_READERS, MODEL_AGAINST_SECOND)
_BY_GROUP = (MetricName.DICE, MetricName.ASSD, MetricName.HD95, MetricName.SPECIFICITY)


@dataclass(frozen=True)
class _ClassSection:
    """What the page shows of one class."""

    name: str
    truth: str
    images: int
    positives: int
    patients: int
    threshold: str
    best: str
    scores: list[tuple[str, ...]]
    baselines: list[tuple[str, ...]]
    readers: list[tuple[str, ...]]
    groups: list[tuple[str, ...]]
    curve: Chart
    ratio: Chart
    count: Chart | None
    worst: list[Example]
    median: list[Example]


def render(
    evaluation: Evaluation,
    card: ModelCard,
    facts: Sequence[tuple[str, str]],
    examples: Sequence[Example],
    used_versions: Mapping[str, str],
) -> str:
    """Render the page as HTML.

    Parameters
    ----------
    evaluation : Evaluation
    card : ModelCard
    facts : sequence of (str, str)
        Names and values for the list on top.
    examples : sequence of Example
    used_versions : mapping of str to str
        Of the packages of this run, by name.
    """
    sections = [_section(evaluation, one, examples) for one in evaluation.classes]
    return render_page(
        _TEMPLATE,
        model=card.name,
        dataset=Path(evaluation.dataset).name,
        intended_use=card.intended_use,
        warnings=list(evaluation.warnings),
        facts=list(facts),
        sections=sections,
        versions=", ".join(f"{name} {number}" for name, number in used_versions.items()),
    )


def _section(evaluation: Evaluation, one: ClassEvaluation, examples: Sequence[Example]) -> _ClassSection:
    own = [metric for metric in evaluation.metrics if metric.class_name == one.pair.name]
    overall = [metric for metric in own if not metric.group]
    results = [result for result in evaluation.results if result.pair == one.pair]
    drawn = [example for example in examples if example.class_name == one.pair.name]
    return _ClassSection(
        name=one.pair.name,
        truth=one.pair.truth,
        images=one.images,
        positives=one.positives,
        patients=one.patients,
        threshold=f"{one.threshold:g}",
        best="" if one.best_threshold is None else f"{one.best_threshold:g}",
        scores=[_score_row(metric) for metric in overall if metric.prediction == MODEL],
        baselines=_baseline_rows(overall),
        readers=[
            (metric.prediction, *_score_row(metric)) for metric in overall if metric.prediction in _READERS
        ],
        groups=[
            (metric.group, *_score_row(metric))
            for metric in own
            if metric.group and metric.prediction == MODEL and metric.name in _BY_GROUP
        ],
        curve=_curve_chart(one),
        ratio=_bland_altman_chart("ratio", *ratios(results), overall),
        count=None if one.pair.is_lung else _count_chart(results, overall),
        worst=[example for example in drawn if example.kind is Kind.WORST],
        median=[example for example in drawn if example.kind is Kind.MEDIAN],
    )


def _score_row(metric: Metric) -> tuple[str, ...]:
    return (describe(metric), format_interval(metric.interval), str(metric.images), str(metric.patients))


def describe(metric: Metric) -> str:
    """Return what a figure is, with its unit."""
    return f"{LABELS[metric.name]}, {metric.unit}" if metric.unit else LABELS[metric.name]


def format_interval(interval: Interval) -> str:
    """Write a value and its interval with three significant digits of the value's size.

    Examples
    --------
    >>> format_interval(Interval(0.95123, 0.94, 0.96)), format_interval(Interval(0.5, math.nan, math.nan))
    ('0.951 (0.940 to 0.960)', '0.500')
    """
    size = max(abs(one) for one in (interval.value, interval.low, interval.high) if not math.isnan(one))
    digits = 4 if 0 < size < 0.05 else 3 if size < 2 else 2
    value, low, high = (f"{one:.{digits}f}" for one in (interval.value, interval.low, interval.high))
    return value if math.isnan(interval.low) else f"{value} ({low} to {high})"


def _baseline_rows(overall: Sequence[Metric]) -> list[tuple[str, ...]]:
    dice = {one.prediction: one for one in overall if one.name is MetricName.DICE}
    return [
        (
            baseline.value,
            format_interval(dice[baseline].interval),
            format_interval(dice[minus(baseline)].interval),
            str(dice[baseline].images),
        )
        for baseline in Baseline
        if baseline in dice
    ]


def _curve_chart(one: ClassEvaluation) -> Chart:
    x = Axis("threshold", 0.0, 1.0, (0.0, 0.2, 0.4, 0.6, 0.8, 1.0))
    y = Axis("", 0.0, 1.0, (0.0, 0.2, 0.4, 0.6, 0.8, 1.0))
    dice = [(point.threshold, point.dice.value) for point in one.curve if point.dice]
    specificity = [(point.threshold, point.specificity.value) for point in one.curve if point.specificity]
    lines = [mark(y, one.threshold)]
    if dice:
        lines.append(Series("mean Dice, images that show it", dice))
    if specificity:
        lines.append(Series("specificity, images without it", specificity, "second"))
    return Chart(f"Dice and specificity of {one.pair.name} by threshold", x, y, lines)


def _count_chart(results: Sequence[ImageResult], overall: Sequence[Metric]) -> Chart:
    counts = [one.lesions for one in results if one.lesions is not None]
    truth = np.array([one.truth for one in counts], np.float64)
    predicted = np.array([one.predicted for one in counts], np.float64)
    return _bland_altman_chart("count", truth, predicted, overall)


def _bland_altman_chart(
    name: str, truth: np.ndarray[Any, Any], predicted: np.ndarray[Any, Any], overall: Sequence[Metric]
) -> Chart:
    """Draw the differences over the means, with bias and limits of agreement as dashed lines."""
    levels = [
        metric.interval.value
        for metric in overall
        if metric.prediction == MODEL and metric.name.startswith(f"{name}_")
    ]
    means, differences = (truth + predicted) / 2, predicted - truth
    x = Axis.around(f"mean of true and predicted {name}", means.tolist())
    y = Axis.around(f"predicted minus true {name}", [*differences.tolist(), *levels, 0.0])
    points = Series("", list(zip(means.tolist(), differences.tolist(), strict=True)))
    description = f"Bland-Altman plot of the {name}: differences over means"
    return Chart(description, x, y, [level(x, value) for value in levels], [points])
