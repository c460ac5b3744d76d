"""From one image's probability maps to its features, its connected components and its masks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from math import nan
from typing import TYPE_CHECKING

import cv2
import numpy as np

from ..data.column_table import IN_TRAINING, Table
from ..data.columns import feature_header, header
from ..data.image import Gray
from ..errors import DecodeError, ModelError
from ..models.card import ModelCard
from ..models.preprocess import Placement, Probability, restore_size
from .features.fields import ComponentArray

if TYPE_CHECKING:
    from .features.components import ComponentRuns

MIN_SIDE = 32
"""Pixels; the smallest images of radiograph sets in use have 64 on a side."""

_COMPONENT_FIELDS = header(Table.COMPONENTS)[3:]  # after image, label and class


@dataclass(frozen=True)
class ImageMeasurement:
    """The measurements of one image.

    Attributes
    ----------
    features : mapping of str to float
        The numeric columns of `features.csv` in their order; NaN where a cell is empty.
    components : tuple of tuple
        The rows of `components.csv` without `image`, in the order of the card's classes, then by label.
    masks : mapping of str to ndarray of uint8, shape (height, width), 0 or 1
        By class, at the image's own size: exactly what was measured.
    """

    features: Mapping[str, float]
    components: tuple[tuple[float | str, ...], ...]
    masks: Mapping[str, Gray]


def feature_columns(card: ModelCard, dicom_columns: Sequence[str] = ()) -> tuple[str, ...]:
    """Return the columns of `features.csv` for a model, and for the DICOM columns that a run adds.

    Raises
    ------
    ModelError
        If the names of two classes lead to the same column.
    """
    columns = feature_header(
        card.classes,
        card.lung_classes,
        requested=dicom_columns,
        in_training=card.fingerprint is not None,
    )
    if len(set(columns)) != len(columns):
        raise ModelError(
            f"model card: its classes {list(card.classes)} lead to two columns of the same name; rename one"
        )
    return columns


def check_size(pixels: Gray) -> None:
    """Check that an image is large enough to be a radiograph.

    Raises
    ------
    DecodeError
        If a side has fewer than `MIN_SIDE` pixels.
    """
    height, width = pixels.shape
    if min(height, width) < MIN_SIDE:
        raise DecodeError(
            f"{width} x {height} pixels, fewer than {MIN_SIDE} on a side: too small for a radiograph; "
            "is it a thumbnail or an icon?"
        )


def in_training(card: ModelCard, pixels: Gray) -> bool | None:
    """Return whether a model was trained on an image, by its fingerprint; None if its card has none."""
    return None if card.fingerprint is None else card.fingerprint.contains(pixels)


def with_in_training(measurement: ImageMeasurement, known: bool | None) -> ImageMeasurement:
    """Add the column `in_training` to an image's measurements, if it is known."""
    if known is None:
        return measurement
    return replace(measurement, features={**measurement.features, IN_TRAINING: int(known)})


def measure_image(
    probability: Probability,
    placement: Placement,
    card: ModelCard,
    *,
    threshold: float | None = None,
    min_area: int = 0,
    spacing_mm: tuple[float, float] | None = None,
) -> ImageMeasurement:
    """Resample the probability maps to the image's size, threshold them, and measure the masks.

    Parameters
    ----------
    probability : ndarray of float32, shape (classes, height, width)
        The model's output for one image, at the model's input size.
    placement : Placement
        From `prepare`.
    card : ModelCard
    threshold : float, optional
        For every class, in place of the card's thresholds. A pixel belongs to a class if its probability is
        at least the threshold.
    min_area : int
        Components of fewer pixels are dropped, from the mask too.
    spacing_mm : tuple of float, optional
        The image's pixel spacing (down, across), for areas in mm².

    Returns
    -------
    ImageMeasurement

    Raises
    ------
    ModelError
        If the output is not a probability.
    """
    from .features.measurement import measure_with_runs  # numba is heavy: see `features.measure`

    _check_probability(probability)
    masks: dict[str, Gray] = {}
    measured: dict[str, tuple[ComponentArray, ComponentRuns]] = {}
    for index, name in enumerate(card.classes):
        class_threshold = card.thresholds[index] if threshold is None else threshold
        restored = restore_size(probability[index], placement)
        mask = (restored >= np.float32(class_threshold)).view(np.uint8)
        masks[name] = _drop_small(mask, min_area) if min_area > 1 else mask
        measured[name] = measure_with_runs(masks[name], restored)
    return _measurement(masks, measured, card.lung_classes, spacing_mm)


def measure_masks(
    masks: Mapping[str, Gray],
    *,
    lung_classes: Sequence[str] = (),
    min_area: int = 0,
    spacing_mm: tuple[float, float] | None = None,
) -> ImageMeasurement:
    """Measure masks that come without probability maps; what needs a probability is NaN.

    Parameters
    ----------
    masks : mapping of str to ndarray of uint8, shape (height, width), 0 or 1
        By class, all of the same size.
    lung_classes : sequence of str
        The classes that are lungs; those without a mask do not count.
    min_area, spacing_mm
        As in `measure_image`.
    """
    from .features.measurement import measure_with_runs

    kept = {name: _drop_small(mask, min_area) if min_area > 1 else mask for name, mask in masks.items()}
    measured = {name: measure_with_runs(mask, None) for name, mask in kept.items()}
    lungs = [name for name in lung_classes if name in masks]
    return _measurement(kept, measured, lungs, spacing_mm)


def _measurement(
    masks: Mapping[str, Gray],
    measured: Mapping[str, tuple[ComponentArray, ComponentRuns]],
    lung_classes: Sequence[str],
    spacing_mm: tuple[float, float] | None,
) -> ImageMeasurement:
    from .features.lung_columns import measure_in_lungs

    components = {name: records for name, (records, _) in measured.items()}
    runs = {name: found for name, (_, found) in measured.items()}
    rows = tuple(row for name in masks for row in _component_rows(name, components[name]))
    features: dict[str, float] = {}
    for name, mask in masks.items():
        features |= _class_features(name, components[name], mask.shape, spacing_mm)
    features |= measure_in_lungs(masks, runs, lung_classes, spacing_mm)
    return ImageMeasurement(features, rows, masks)


def _check_probability(probability: Probability) -> None:
    low, high = float(probability.min()), float(probability.max())
    # A model of low precision may exceed 0 to 1 by one step; NaN fails both comparisons.
    if not (low >= -0.01 and high <= 1.01):
        raise ModelError(
            f"the model's output is not a probability: it ranges from {low:g} to {high:g}; export it again"
        )


def _drop_small(mask: Gray, min_area: int) -> Gray:
    _, labels, stats, _ = cv2.connectedComponentsWithStats(mask, connectivity=8)
    keep = stats[:, cv2.CC_STAT_AREA] >= min_area
    keep[0] = False  # the background
    return np.asarray(keep[labels], np.uint8)


def _component_rows(class_name: str, components: ComponentArray) -> list[tuple[float | str, ...]]:
    fields = components[["label", *_COMPONENT_FIELDS]].tolist()
    return [(label, class_name, *values) for label, *values in fields]


def _class_features(
    name: str,
    components: ComponentArray,
    shape: tuple[int, ...],
    spacing_mm: tuple[float, float] | None,
) -> dict[str, float]:
    """Return the columns of one class; the mean of no components is NaN, not 0."""
    areas = components["area"].astype(np.float64)
    total, count = int(components["area"].sum()), len(components)
    probability_sum = float((areas * components["mean_probability"]).sum())
    return {
        f"{name}_ratio": total / (shape[0] * shape[1]),
        f"{name}_count": count,
        f"{name}_mean_area": total / count if count else nan,
        f"{name}_mean_centroid_dist": _mean_centroid_distance(components, shape),
        f"{name}_total_area": total,
        f"{name}_max_area": int(components["area"].max()) if count else nan,
        f"{name}_total_area_mm2": total * spacing_mm[0] * spacing_mm[1] if spacing_mm else nan,
        f"{name}_mean_probability": probability_sum / total if count else nan,
        f"{name}_max_probability": float(components["max_probability"].max()) if count else nan,
    }


def _mean_centroid_distance(components: ComponentArray, shape: tuple[int, ...]) -> float:
    """Mean distance, in pixels, of the centroids from the center of the pixel grid; NaN without any."""
    if not len(components):
        return nan
    down = components["centroid_0"] - (shape[0] - 1) / 2
    across = components["centroid_1"] - (shape[1] - 1) / 2
    return float(np.hypot(down, across).mean())
