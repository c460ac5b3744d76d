"""Check the inputs of `measure`, and run the kernels in order: one record per component."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from ...errors import InputError
from .components import ComponentRuns, find_components
from .fields import COMPONENT_DTYPE, ComponentArray
from .intensity import INTENSITY_DTYPE, ProbabilityMap, sum_probability
from .moments import SUMS_DTYPE, sum_first_moments, sum_second_moments
from .perimeter import BORDER_DTYPE, count_border_pixels
from .shape import fill_fields

# Up to this size int64 holds every sum over a component, whatever its shape.
MAX_SIDE = 40_000


def measure_mask(
    mask: npt.ArrayLike, probability: npt.ArrayLike | None, min_area: int, connectivity: int
) -> ComponentArray:
    """Implement `cxr.infer.features.measure`."""
    components, _ = measure_with_runs(mask, probability, connectivity)
    if min_area > 1:
        components = components[components["area"] >= min_area]
        components["label"] = np.arange(1, components.size + 1)
    return components


def measure_with_runs(
    mask: npt.ArrayLike, probability: npt.ArrayLike | None, connectivity: int = 8
) -> tuple[ComponentArray, ComponentRuns]:
    """Measure every component of a mask, as `cxr.infer.features.measure`; return its runs too."""
    pixels = as_mask(mask)
    values = None if probability is None else as_probability_map(probability, pixels.shape)
    if connectivity not in (4, 8):
        raise InputError(f"connectivity is {connectivity!r}; it must be 4 or 8")
    found = find_components(pixels, eight_connected=connectivity == 8)
    height, width = pixels.shape
    return measure_components(found, values, height, width), found


def measure_components(
    found: ComponentRuns, probability: ProbabilityMap | None, height: int, width: int
) -> ComponentArray:
    """Run the measuring kernels over a mask's components.

    Arrays with one record per component are allocated by numpy, which asks for huge pages where they are
    large: for half a million components, page faults would otherwise cost more than the arithmetic.
    """
    runs = (found.bands, found.runs, found.labels)
    sums = np.empty(found.count, SUMS_DTYPE)
    sum_first_moments(*runs, sums)
    sum_second_moments(*runs, sums)
    borders = np.zeros(found.count, BORDER_DTYPE)
    count_border_pixels(found.words, *runs, found.eight_connected, borders)
    intensities = np.empty(0 if probability is None else found.count, INTENSITY_DTYPE)
    if probability is not None:
        sum_probability(probability, *runs, intensities)
    # Zeros, so that the padding after the last field is equal in equal arrays.
    components = np.zeros(found.count, COMPONENT_DTYPE)
    fill_fields(sums, borders, intensities, height, width, components)
    return components


def as_mask(mask: npt.ArrayLike) -> npt.NDArray[np.uint8]:
    """Check a mask and return it as C-contiguous bytes, without a copy where it already is bool or uint8."""
    array = _as_array(mask, "a mask")
    if array.ndim != 2:
        raise InputError(f"a mask has two dimensions, height and width; this one has the shape {array.shape}")
    if array.dtype.kind not in "bui":
        raise InputError(f"a mask is of bool or integers; this one is of {array.dtype}: give mask > 0")
    if max(array.shape) > MAX_SIDE:
        raise InputError(f"a mask has at most {MAX_SIDE} pixels on a side; this one is {array.shape}")
    if array.itemsize > 1:
        array = array != 0
    return np.ascontiguousarray(array).view(np.uint8)


def as_probability_map(probability: npt.ArrayLike, shape: tuple[int, ...]) -> ProbabilityMap:
    """Check a probability map against its mask's shape and return it C-contiguous."""
    array = _as_array(probability, "probability")
    if array.shape != shape:
        raise InputError(f"probability has the shape {array.shape}, its mask {shape}: they must be equal")
    if array.dtype != np.float32:
        raise InputError(f"probability is of {array.dtype}; give float32")
    return np.ascontiguousarray(array)


def _as_array(values: npt.ArrayLike, name: str) -> npt.NDArray[Any]:
    try:
        return np.asarray(values)
    except ValueError as error:  # rows of different lengths
        raise InputError(f"{name} must be a 2-D array ({error})") from error
