from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from cxr.data.dicom import read_dicom

MakeDicom = Callable[..., bytes]
FILM = np.zeros((2, 3), np.uint8)


@pytest.mark.parametrize(
    ("elements", "expected"),
    [
        ({}, None),
        ({"PixelSpacing": [0.2, 0.3]}, (0.2, 0.3)),
        ({"ImagerPixelSpacing": [0.2, 0.3]}, (0.2, 0.3)),
        ({"NominalScannedPixelSpacing": [0.2, 0.3]}, (0.2, 0.3)),
        ({"ImagerPixelSpacing": [0.3, 0.6], "EstimatedRadiographicMagnificationFactor": 1.5}, (0.2, 0.4)),
        ({"ImagerPixelSpacing": [0.3, 0.6], "EstimatedRadiographicMagnificationFactor": 0}, (0.3, 0.6)),
        # Calibrated: it says so, or differs from the detector's.
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
        # A copy of the detector's spacing is none of the patient's.
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
def test_spacing_is_down_and_across_as_near_to_the_patient_as_the_header_allows(
    make_dicom: MakeDicom, elements: dict[str, Any], expected: tuple[float, float] | None
) -> None:
    spacing = read_dicom(make_dicom(FILM, **elements), max_pixels=6).spacing_mm
    assert spacing == (expected and pytest.approx(expected))
