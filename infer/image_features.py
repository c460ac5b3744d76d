"""From one image's probability maps to its features, its lesions and its masks."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from math import nan

import cv2
import numpy as np
import numpy.typing as npt

from ..data.columns import _IMAGE_COLUMNS, _TARGET_COLUMNS, COMPONENT_FIELDS
from ..data.image import Gray
from ..errors import ModelError
from ..models.card import ModelCard
from ..models.preprocess import Placement, Probability, restore
from .features import measure

_LUNG = "lung"
_NIH_NAME = re.compile(r"(\d{8})_\d{3}\.")

Lesions = npt.NDArray[np.void]


@dataclass(frozen=True)
class ImageMeasurement:
    """What one image gives.

    Attributes
    ----------
    features : mapping of str to float
        The numeric columns of `features.csv` in their order; NaN where a value is empty.
    lesions : tuple of tuple
        The rows of `lesions.csv`, without `image`; in the order of the card's classes, then by label.
    masks : mapping of str to ndarray of uint8, shape (height, width), 0 or 1
        By class, at the image's own size; what was measured is exactly this.
    """

    features: Mapping[str, float]
    lesions: tuple[tuple[float | str, ...], ...]
    masks: Mapping[str, Gray]


def feature_columns(card: ModelCard) -> tuple[str, ...]:
    """Name the columns of `features.csv` for a model.

    Raises
    ------
    ModelError
        If a class is named so that two columns have one name.
    """
    columns = (*_IMAGE_COLUMNS, *_TARGET_COLUMNS, *(f"{name}_area" for name in _others(card)))
    if _has_lung(card):
        columns = (*columns, "lesion_lung_ratio")
    if len(set(columns)) != len(columns):
        raise ModelError(f"model card: its classes {list(card.classes)} give two columns of one name")
    return columns


def measure_image(
    probability: Probability,
    placement: Placement,
    card: ModelCard,
    *,
    threshold: float | None = None,
    min_area: int = 0,
    spacing_mm: tuple[float, float] | None = None,
) -> ImageMeasurement:
    """Bring the probability to the image's size, cut it, and measure what is left.

    Parameters
    ----------
    probability : ndarray of float32, shape (classes, height, width)
        One image's output, at the model's input size.
    placement : Placement
        As `prepare` gave it.
    card : ModelCard
    threshold : float, optional
        For every class, in place of the card's. A pixel belongs to a class where its probability is at
        least the threshold.
    min_area : int
        Components of fewer pixels are dropped, from the mask too.
    spacing_mm : tuple of float, optional
        The image's pixel spacing (down, across), for `total_area_mm2`.

    Returns
    -------
    ImageMeasurement

    Raises
    ------
    ModelError
        If the output is not a probability.
    """
    _check_probability(probability)
    masks: dict[str, Gray] = {}
    parts: dict[str, Lesions] = {}
    for index, name in enumerate(card.classes):
        cut = card.thresholds[index] if threshold is None else threshold
        restored = restore(probability[index], placement)
        mask = (restored >= np.float32(cut)).view(np.uint8)
        masks[name] = _drop_small(mask, min_area) if min_area > 1 else mask
        parts[name] = measure(masks[name], restored)
    lesions = tuple(row for name in card.classes for row in _lesion_rows(name, parts[name]))
    return ImageMeasurement(_features(parts, placement, card, spacing_mm), lesions, masks)


def patient_of(name: str, stated: str | None) -> str:
    """Give an image's patient: the number in an NIH file name, else what the file states, else nothing."""
    if match := _NIH_NAME.match(name):
        return str(int(match[1]))
    return stated or ""


def _check_probability(probability: Probability) -> None:
    low, high = float(probability.min()), float(probability.max())
    # A model of low precision may overshoot by a step; NaN fails both comparisons.
    if not (low >= -0.01 and high <= 1.01):
        raise ModelError(f"the model's output is not a probability: it lies between {low:g} and {high:g}")


def _drop_small(mask: Gray, min_area: int) -> Gray:
    _, labels, stats, _ = cv2.connectedComponentsWithStats(mask, connectivity=8)
    keep = stats[:, cv2.CC_STAT_AREA] >= min_area
    keep[0] = False  # the background
    return np.asarray(keep[labels], np.uint8)


def _lesion_rows(name: str, parts: Lesions) -> list[tuple[float | str, ...]]:
    return [(label, name, *values) for label, *values in parts[["label", *COMPONENT_FIELDS]].tolist()]


def _features(
    parts: Mapping[str, Lesions],
    placement: Placement,
    card: ModelCard,
    spacing_mm: tuple[float, float] | None,
) -> dict[str, float]:
    target = parts[card.target]
    areas = target["area"].astype(np.float64)
    total, number = int(target["area"].sum()), len(target)
    features = {
        "lesion_ratio": total / (placement.height * placement.width),
        "num_lesions": number,
        "mean_area": total / number if number else nan,
        "mean_centroid_dist": _mean_distance(target, placement),
        "total_area": total,
        "max_area": int(target["area"].max()) if number else nan,
        "total_area_mm2": total * spacing_mm[0] * spacing_mm[1] if spacing_mm else nan,
        "mean_probability": float((areas * target["mean_probability"]).sum()) / total if number else nan,
        "max_probability": float(target["max_probability"].max()) if number else nan,
    }
    features |= {f"{name}_area": int(parts[name]["area"].sum()) for name in _others(card)}
    if _has_lung(card):
        lung = features[f"{_LUNG}_area"]
        features["lesion_lung_ratio"] = total / lung if lung else nan
    return features


def _mean_distance(lesions: Lesions, placement: Placement) -> float:
    """Mean distance, in pixels, of the centroids from the middle of the pixel grid."""
    if not len(lesions):
        return nan
    down = lesions["centroid_0"] - (placement.height - 1) / 2
    across = lesions["centroid_1"] - (placement.width - 1) / 2
    return float(np.hypot(down, across).mean())


def _others(card: ModelCard) -> tuple[str, ...]:
    return tuple(name for name in card.classes if name != card.target)


def _has_lung(card: ModelCard) -> bool:
    return _LUNG in _others(card)
