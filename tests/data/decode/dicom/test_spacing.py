from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from cxr.data.decode.dicom.reader import read_dicom

MakeDicom = Callable[..., bytes]
IMAGE = np.arange(6, dtype=np.uint8).reshape(2, 3)


@pytest.mark.parametrize(
    ("elements", "expected"),
    [
        ({}, None),
        ({"PixelSpacing": [0.2, 0.3]}, (0.2, 0.3)),
        ({"ImagerPixelSpacing": [0.2, 0.3]}, (0.2, 0.3)),
        ({"NominalScannedPixelSpacing": [0.2, 0.3]}, (0.2, 0.3)),
        ({"ImagerPixelSpacing": [0.3, 0.6], "EstimatedRadiographicMagnificationFactor": 1.5}, (0.2, 0.4)),
        ({"ImagerPixelSpacing": [0.3, 0.6], "EstimatedRadiographicMagnificationFactor": 0}, (0.3, 0.6)),
        # Calibrated: the type is stated, or it differs from the spacing on the detector.
        ({"PixelSpacing": [0.2, 0.3], "ImagerPixelSpacing": [0.4, 0.6]}, (0.2, 0.3)),
        (
            {
                "PixelSpacing": [0.2, 0.3],
                "ImagerPixelSpacing": [0.2, 0.3],
                "PixelSpacingCalibrationType": "FIDUCIAL",
                "EstimatedRadiographicMagnificationFactor": 2,
            },
            (0.2, 0.3),
        ),
        # A copy of the detector's spacing is not that in the patient.
        (
            {
                "PixelSpacing": [0.2, 0.4],
                "ImagerPixelSpacing": [0.2, 0.4],
                "EstimatedRadiographicMagnificationFactor": 2,
            },
            (0.1, 0.2),
        ),
        ({"PixelSpacing": [0, 0], "ImagerPixelSpacing": [0.2, 0.3]}, (0.2, 0.3)),
        ({"PixelSpacing": [-0.2, 0.2]}, None),
        ({"PixelSpacing": 0.2}, None),
        ({"PixelSpacing": ""}, None),
        ({"PixelSpacing": [0.2, 0.2, 0.2]}, None),
    ],
)
def test_spacing_is_the_one_closest_to_the_patient(
    make_dicom: MakeDicom, elements: dict[str, Any], expected: tuple[float, float] | None
) -> None:
    spacing = read_dicom(make_dicom(IMAGE, **elements), max_pixels=6).spacing_mm
    assert spacing == (expected and pytest.approx(expected))


@pytest.mark.parametrize(
    ("keyword", "good", "bad"),
    [
        ("PixelSpacing", "0.15\\0.15", "0,14\\0,14"),
        ("ImagerPixelSpacing", "0.15\\0.1", "unknown "),
        ("NominalScannedPixelSpacing", "0.15\\0.15", "0,14\\0,14"),
        ("EstimatedRadiographicMagnificationFactor", "1.25", "1,25"),
    ],
)
def test_spacing_that_is_not_a_number_counts_as_missing(
    make_dicom: MakeDicom, keyword: str, good: str, bad: str
) -> None:
    detector = {"ImagerPixelSpacing": [0.2, 0.3]} if keyword.startswith("Estimated") else {}
    whole = make_dicom(IMAGE, **detector, **{keyword: good})
    damaged = whole.replace(good.encode(), bad.encode())
    assert damaged != whole
    image = read_dicom(damaged, max_pixels=6)
    assert image.spacing_mm == ((0.2, 0.3) if detector else None)
    np.testing.assert_array_equal(image.pixels, IMAGE)
