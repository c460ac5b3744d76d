"""Millimetres between pixels of a projection radiograph (PS3.3, 10.7.1.3 and C.8.11.4)."""

from __future__ import annotations

import logging
import math

from .header import DicomFile

log = logging.getLogger(__name__)

Pair = tuple[float, float]


def read_spacing(file: DicomFile) -> Pair | None:
    """Read the distance of pixel centers, (down, across), as near to the patient as the header allows.

    Pixel Spacing counts where it was calibrated: where it says how, or differs from the spacing on the
    detector. Else the detector's counts, divided by the magnification where that is known; else a digitised
    image's. What is not two positive numbers is passed over.
    """
    pixel, detector = _pair(file, "PixelSpacing"), _pair(file, "ImagerPixelSpacing")
    if pixel and (pixel != detector or file.text("PixelSpacingCalibrationType")):
        return pixel
    if detector:
        magnification = _magnification(file)
        return detector[0] / magnification, detector[1] / magnification
    return _pair(file, "NominalScannedPixelSpacing")


def _pair(file: DicomFile, keyword: str) -> Pair | None:
    values = file.numbers(keyword)
    if len(values) == 2 and all(math.isfinite(value) and value > 0 for value in values):
        return values[0], values[1]
    if values:
        log.debug("%s is not two positive numbers, and is passed over", keyword)
    return None


def _magnification(file: DicomFile) -> float:
    """Give how much larger the detector shows the patient; a smaller one cannot be."""
    values = file.numbers("EstimatedRadiographicMagnificationFactor")
    if values and math.isfinite(values[0]) and values[0] >= 1:
        return values[0]
    if values:
        log.debug("a magnification below 1 is passed over")
    return 1.0
