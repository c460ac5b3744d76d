"""Pixel spacing of a projection radiograph in millimeters (PS3.3, 10.7.1.3 and C.8.11.4)."""

from __future__ import annotations

import logging
import math

from .header import DicomFile

log = logging.getLogger(__name__)

Spacing = tuple[float, float]


def read_spacing(file: DicomFile) -> Spacing | None:
    """Read the distance between pixel centers, (vertical, horizontal), as close to the patient as possible.

    Pixel Spacing is used if it was calibrated: if the calibration type is stated, or if it differs from the
    spacing on the detector. Otherwise the detector's spacing is used, divided by the magnification if that
    is known; otherwise the scanner's spacing of a digitized radiograph. Anything but two positive numbers is
    ignored.
    """
    pixel, detector = _spacing(file, "PixelSpacing"), _spacing(file, "ImagerPixelSpacing")
    if pixel and (pixel != detector or file.text("PixelSpacingCalibrationType")):
        return pixel
    if detector:
        magnification = _magnification(file)
        return detector[0] / magnification, detector[1] / magnification
    return _spacing(file, "NominalScannedPixelSpacing")


def _spacing(file: DicomFile, keyword: str) -> Spacing | None:
    values = file.numbers(keyword)
    if len(values) == 2 and all(math.isfinite(value) and value > 0 for value in values):
        return values[0], values[1]
    if values:
        log.debug("%s is ignored, since it is not two positive numbers", keyword)
    return None


def _magnification(file: DicomFile) -> float:
    """Return how much larger the detector shows the patient; values below 1 are physically impossible."""
    values = file.numbers("EstimatedRadiographicMagnificationFactor")
    if values and math.isfinite(values[0]) and values[0] >= 1:
        return values[0]
    if values:
        log.debug("a magnification below 1 is ignored")
    return 1.0
