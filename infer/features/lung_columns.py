"""The columns of `features.csv` that only a model with a lung class has."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import reduce
from math import nan
from operator import or_

from ...data.columns import lung_columns
from ...data.image import Gray
from .components import ComponentRuns, find_components
from .lungs import InLungs, Lungs


def measure_in_lungs(
    masks: Mapping[str, Gray],
    runs: Mapping[str, ComponentRuns],
    lung_classes: Sequence[str],
    spacing_mm: tuple[float, float] | None,
) -> dict[str, float]:
    """Measure both lungs, and every other class inside them.

    Parameters
    ----------
    masks : mapping of str to ndarray of uint8, shape (height, width), 0 or 1
        By class.
    runs : mapping of str to ComponentRuns
        Those of the masks.
    lung_classes : sequence of str
        The classes that are lungs. The lungs are their union: of two protocols, the wider counts.
    spacing_mm : tuple of float, optional
        The image's pixel spacing (down, across).

    Returns
    -------
    dict of str to float
        The columns that `data.columns.lung_columns` names, in that order; NaN where a cell is empty. None
        without a lung class.
    """
    if not lung_classes:
        return {}
    height, width = masks[lung_classes[0]].shape
    lungs = Lungs.find(_runs_of_union(masks, runs, lung_classes), width)
    features: dict[str, float] = {}
    for name in masks:
        if name not in lung_classes:
            features |= _of_class(name, lungs.measure(runs[name]), lungs.area)
    for side, area in (("left_lung", lungs.left_area), ("right_lung", lungs.right_area)):
        features[f"{side}_ratio"] = area / (height * width)
        features[f"{side}_total_area"] = area
        features[f"{side}_total_area_mm2"] = area * spacing_mm[0] * spacing_mm[1] if spacing_mm else nan
    return {name: features[name] for name in lung_columns(tuple(masks), lung_classes)}


def _of_class(name: str, inside: InLungs, lung_area: int) -> dict[str, float]:
    def share(pixels: int) -> float:
        return pixels / inside.pixels if inside.pixels else nan

    return {
        f"{name}_lung_ratio": inside.pixels / lung_area if lung_area else nan,
        f"{name}_upper_share": share(inside.upper),
        f"{name}_middle_share": share(inside.middle),
        f"{name}_lower_share": share(inside.lower),
        f"{name}_peripheral_share": share(inside.peripheral),
    }


def _runs_of_union(
    masks: Mapping[str, Gray], runs: Mapping[str, ComponentRuns], names: Sequence[str]
) -> ComponentRuns:
    if len(names) == 1:
        return runs[names[0]]
    union = reduce(or_, (masks[name] for name in names))
    return find_components(union, eight_connected=True)
