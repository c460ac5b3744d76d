"""The windows of a DICOM header, each as a view of the pixels (PS3.3, C.11.2.1.2 and C.11.2.1.3)."""

from __future__ import annotations

import logging
import math
from collections.abc import Iterator

import numpy as np

from ....errors import DecodeError
from ...image import GrayFrom
from ..views import MAX_OUTSIDE, Reals, View, ramp
from .header import DicomFile

log = logging.getLogger(__name__)

_MIN_POSSIBLE = 3 / 4
"""Part of a window that must be values which the stored bits can hold."""
_MAX_OUTSIDE_OTHER_DEPTH = 0.05
"""Part of the pixels that may lie outside a window that is the full range of another depth."""


def window_views(
    file: DicomFile, values: Reals, bounds: tuple[float, float], bits: int, is_rescaled: bool
) -> Iterator[View]:
    """Yield the views of the windows in order, without those that are not windows of such values.

    Parameters
    ----------
    file : DicomFile
    values : ndarray of float64, shape (n,)
        Values in the units of the modality.
    bounds : tuple of float
        Smallest and largest value that the stored bits can hold.
    bits : int
        Bits stored.
    is_rescaled : bool
        Whether values differ from the stored ones.

    Raises
    ------
    DecodeError
        If the VOI LUT function is unknown.
    """
    function = file.text("VOILUTFunction") or "LINEAR"
    windows = zip(file.numbers("WindowCenter"), file.numbers("WindowWidth"), strict=False)
    for index, (center, width) in enumerate(windows):
        if not (math.isfinite(center) and math.isfinite(width) and width > 0):
            log.debug("a window of center %g and width %g is ignored", center, width)
            continue
        brightness = _apply(function, values, center, width)
        low, high = center - width / 2, center + width / 2
        if min(high, bounds[1]) - max(low, bounds[0]) < _MIN_POSSIBLE * (high - low):
            log.debug("a window of center %g and width %g is ignored: most of it is empty", center, width)
            continue
        other_depth = not is_rescaled and _depth(low, width) not in {None, bits}
        yield View(
            GrayFrom.WINDOW.nth(index),
            brightness,
            np.asarray(np.abs(values - center) > (width if function == "SIGMOID" else width / 2)),
            _MAX_OUTSIDE_OTHER_DEPTH if other_depth else MAX_OUTSIDE,
        )


def _apply(function: str, values: Reals, center: float, width: float) -> Reals:
    match function:
        # LINEAR is undefined for less than 1: such windows are meant for values below 1, after a small slope.
        case "LINEAR" if width >= 1:
            return ramp(values, center - 0.5, width - 1)
        case "LINEAR" | "LINEAR_EXACT":
            return ramp(values, center, width)
        case "SIGMOID":
            return np.asarray(0.5 + 0.5 * np.tanh(2 * (values - center) / width))
    raise DecodeError(
        "a DICOM file whose VOI LUT function is none of LINEAR, LINEAR_EXACT and SIGMOID; correct its header"
    )


def _depth(low: float, width: float) -> int | None:
    """Return the number of bits whose full range a window is; None if it is no full range."""
    bits = round(math.log2(width)) if width >= 1 else 0
    return bits if bits > 1 and abs(low) <= 1 and abs(width - (1 << bits)) <= 1 else None
