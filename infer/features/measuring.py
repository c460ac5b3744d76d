"""One mask in, one record a component out: the checks, and the order of the passes."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from ...errors import InputError
from .components import Components, find_components, locate
from .fields import COMPONENT_DTYPE, Table
from .intensity import Map, intensities
from .moments import second_moments
from .perimeter import edges
from .shape import describe

# Up to here int64 holds every sum over a component, whatever its shape.
MAX_SIDE = 40_000


def measure_mask(
    mask: npt.NDArray[Any], probability: npt.NDArray[Any] | None, min_area: int, connectivity: int
) -> Table:
    """Do what `cxr.infer.features.measure` says."""
    pixels = as_bytes(mask)
    values = None if probability is None else as_map(probability, pixels.shape)
    if connectivity not in (4, 8):
        raise InputError(f"connectivity is {connectivity!r}; it must be 4 or 8")
    height, width = pixels.shape
    table = fill_table(find_components(pixels, diagonal=connectivity == 8), values, height, width)
    if min_area > 1:
        table = table[table["area"] >= min_area]
        table["label"] = np.arange(1, table.size + 1)
    return table


def fill_table(parts: Components, probability: Map | None, height: int, width: int) -> Table:
    """Run the passes over a mask's components."""
    runs = (parts.starts, parts.ends, parts.first, parts.tops, parts.labels)
    boxes, sums = locate(parts)
    moments = np.empty((parts.count, 5), np.int64)
    second_moments(*runs, boxes, sums, moments)
    counts = np.zeros((parts.count, 3), np.int32)
    edges(parts.words, *runs, parts.diagonal, counts)
    totals = maxima = np.empty(0)
    if probability is not None:
        totals, maxima = np.empty(parts.count), np.empty(parts.count)
        intensities(probability, *runs, totals, maxima)
    table = np.empty(parts.count, COMPONENT_DTYPE)
    shape = (parts.count, COMPONENT_DTYPE.itemsize // 8)
    whole, real = table.view(np.int64).reshape(shape), table.view(np.float64).reshape(shape)
    touches = table["touches_border"]
    describe(boxes, sums, moments, counts, totals, maxima, height, width, whole, real, touches)
    return table


def as_bytes(mask: npt.NDArray[Any]) -> npt.NDArray[np.uint8]:
    """Check a mask and give its bytes, row after row; without a copy where they lie so."""
    if mask.ndim != 2:
        raise InputError(f"a mask has two dimensions, height and width; this one has the shape {mask.shape}")
    if mask.dtype not in (np.bool_, np.uint8):
        raise InputError(f"a mask is of bool or uint8; this one is of {mask.dtype}: give mask > 0")
    if max(mask.shape) > MAX_SIDE:
        raise InputError(f"a mask has at most {MAX_SIDE} pixels on a side; this one is {mask.shape}")
    return np.ascontiguousarray(mask).view(np.uint8)


def as_map(probability: npt.NDArray[Any], shape: tuple[int, ...]) -> Map:
    """Check a probability map against its mask's shape and give its values, row after row."""
    if probability.shape != shape:
        raise InputError(
            f"probability has the shape {probability.shape}, its mask {shape}: give one of the same"
        )
    if probability.dtype != np.float32:
        raise InputError(f"probability is of {probability.dtype}; give float32")
    return np.ascontiguousarray(probability)
