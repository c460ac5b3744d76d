"""Compare `measure` with scikit-image, field by field."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from skimage.measure import label, regionprops

from cxr.infer.features import measure

Mask = npt.NDArray[Any]
Compare = Callable[..., None]


@pytest.fixture(scope="session")
def compare() -> Compare:
    """Return a function that measures a mask and compares every field with scikit-image's."""
    return assert_equal_to_scikit_image


def assert_equal_to_scikit_image(
    mask: Mask, probability: Mask | None = None, *, connectivity: int = 8
) -> None:
    components = measure(mask, probability, connectivity=connectivity)
    regions = regionprops(
        label(mask != 0, connectivity=2 if connectivity == 8 else 1), intensity_image=probability
    )
    assert len(components) == len(regions)
    for component, region in zip(components, regions, strict=True):
        assert component["label"] == region.label
        assert component["area"] == region.area
        assert tuple(component[f"bbox_{i}"] for i in range(4)) == region.bbox
        assert component["touches_border"] == touches_border(region.bbox, mask.shape)
        assert component["extent"] == pytest.approx(region.extent, rel=1e-15)
        assert (component["centroid_0"], component["centroid_1"]) == pytest.approx(region.centroid, rel=1e-12)
        assert component["perimeter"] == pytest.approx(region.perimeter, rel=1e-12)
        assert_same_ellipse(component, region)
        assert_same_intensity(component, region, probability)


def assert_same_ellipse(component: Any, region: Any) -> None:
    """Compare squares where scikit-image takes a square root, which enlarges the rounding error of a zero."""
    major = region.axis_major_length
    assert component["axis_major_length"] == pytest.approx(major, rel=1e-9)
    assert component["axis_minor_length"] ** 2 == pytest.approx(
        region.axis_minor_length**2, rel=1e-9, abs=1e-12 * major**2
    )
    assert component["eccentricity"] ** 2 == pytest.approx(region.eccentricity**2, rel=1e-9, abs=1e-12)
    if is_isotropic(region.coords):
        assert component["orientation"] == -math.pi / 4
    else:
        # The orientation is that of an axis: pi/2 and -pi/2 are the same.
        turn = abs(component["orientation"] - region.orientation) % math.pi
        assert min(turn, math.pi - turn) < 1e-12 / region.eccentricity**2 + 1e-9


def assert_same_intensity(component: Any, region: Any, probability: Mask | None) -> None:
    if probability is None:
        assert math.isnan(component["mean_probability"])
        assert math.isnan(component["max_probability"])
    else:
        assert component["mean_probability"] == pytest.approx(region.intensity_mean, rel=1e-6)
        assert component["max_probability"] == region.intensity_max


def is_isotropic(coordinates: npt.NDArray[np.int64]) -> bool:
    """Return, by integer arithmetic, whether both axes have one length: orientation is then arbitrary."""
    rows, columns = coordinates.T
    area = len(rows)

    def spread(p: npt.NDArray[np.int64], q: npt.NDArray[np.int64]) -> int:
        return area * int((p * q).sum()) - int(p.sum()) * int(q.sum())

    return spread(rows, rows) == spread(columns, columns) and spread(rows, columns) == 0


def touches_border(bbox: tuple[int, ...], shape: tuple[int, ...]) -> bool:
    return bbox[0] == 0 or bbox[1] == 0 or bbox[2] == shape[0] or bbox[3] == shape[1]
