"""`scores.csv`, one row per image and class, and `summary.csv`, one row per figure."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from ...data.csv_files import write_csv
from ...metrics.lesions import IOU_LIMITS
from ...metrics.surface import PER_MILLE
from ...models.trivial_masks import Baseline
from .records import Agreement, ImageResult, Metric, SecondReader

SCORES, SUMMARY = "scores.csv", "summary.csv"

_SCORES = (
    "image",
    "patient_id",
    "class",
    "ground_truth",
    "group",
    "in_training",
    "width",
    "height",
    "truth_area",
    "predicted_area",
    "intersection",
    "dice",
    "iou",
    "assd_px",
    "hd95_px",
    "assd_permille",
    "hd95_permille",
    "assd_mm",
    "hd95_mm",
    "truth_count",
    "predicted_count",
    *(f"matched_{limit:g}" for limit in IOU_LIMITS),
    *(f"{baseline.replace(' ', '_')}_dice" for baseline in Baseline),
    "second_reader_dice",
    "second_reader_assd_px",
    "model_second_reader_dice",
    "model_second_reader_assd_px",
)
_SUMMARY = (
    "class",
    "group",
    "prediction",
    "metric",
    "unit",
    "images",
    "patients",
    "value",
    "low",
    "high",
)
_DIGITS = 6

Cell = str | int | float | None


def write_image_scores(path: Path, results: Sequence[ImageResult]) -> None:
    """Write what was measured on each image; cells are empty where a value is undefined."""
    write_csv(path, _SCORES, (list(_score_row(result)) for result in results))


def write_summary(path: Path, metrics: Iterable[Metric]) -> None:
    """Write every figure with its interval."""
    write_csv(path, _SUMMARY, map(_summary_row, metrics))


def _score_row(result: ImageResult) -> Iterator[Cell]:
    overlap, pixels = result.model.overlap, result.model.surface
    yield from (result.key, result.patient_id, result.pair.name, result.pair.truth, result.group)
    yield None if result.in_training is None else int(result.in_training)
    yield from (result.width, result.height)
    yield from (overlap.truth_area, overlap.predicted_area, overlap.intersection)
    yield from (_rounded(overlap.dice), _rounded(overlap.iou))
    for surface in (pixels, pixels.scaled(PER_MILLE / result.height), result.surface_mm):
        yield from (None, None) if surface is None else (_rounded(surface.assd), _rounded(surface.hd95))
    lesions = result.lesions
    if lesions is None:
        yield from (None,) * (2 + len(IOU_LIMITS))
    else:
        yield from (lesions.truth, lesions.predicted, *lesions.matched)
    for baseline in Baseline:
        yield _rounded(result.baselines.get(baseline, math.nan))
    yield from _second_reader(result.second)


def _second_reader(second: SecondReader | None) -> Iterator[Cell]:
    comparisons: tuple[Agreement | None, ...] = (None, None)
    if second is not None:
        comparisons = (second.with_first, second.with_model)
    for one in comparisons:
        yield from (None, None) if one is None else (_rounded(one.overlap.dice), _rounded(one.surface.assd))


def _summary_row(metric: Metric) -> tuple[Cell, ...]:
    interval = metric.interval
    return (
        metric.class_name,
        metric.group,
        metric.prediction,
        metric.name.value,
        metric.unit,
        metric.images,
        metric.patients,
        _rounded(interval.value),
        _rounded(interval.low),
        _rounded(interval.high),
    )


def _rounded(value: float) -> float | None:
    return None if math.isnan(value) else round(value, _DIGITS)
