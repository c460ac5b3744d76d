"""Convert decoded pixels to 8-bit gray, by the depth that the file declares if the pixels agree.

- 8-bit samples stay unchanged. Deeper samples are scaled from their declared depth to 0..255, or else from
  the significant bits of a PNG, or else from the range that they use (`views`): 12 bits stored as 16 would be
  a nearly black image.
- Floating-point samples must lie in 0..1, which becomes 0..255, by the same rule.
- Color becomes gray by ITU-R BT.601 luma, which leaves equal channels unchanged; alpha is dropped.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from ...errors import DecodeError
from ..image import Gray, GrayFrom, Note, Radiograph
from .decoded import Decoded
from .views import Integers, Reals, Samples, View, count_samples, fill_table, full_range, notes_on, range_view

_MAX_16_BITS = 65535
_SAMPLED_ROWS = 256
_COLOR_SPREAD = 0.15  # between the channels of a colored pixel, as a part of white
_COLORED_PART = 0.05


def to_one_channel(pixels: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Convert blue, green and red to luma; gray stays unchanged.

    Raises
    ------
    DecodeError
        If color samples are neither uint8, uint16 nor float32.
    """
    if pixels.ndim == 2:
        return pixels
    if pixels.dtype in (np.uint8, np.uint16, np.float32):
        return np.asarray(cv2.cvtColor(pixels, cv2.COLOR_BGR2GRAY))
    raise DecodeError(f"color samples of type {pixels.dtype}, which are not supported; save it as PNG")


def to_radiograph(decoded: Decoded, spacing_mm: tuple[float, float] | None = None) -> Radiograph:
    """Convert decoded pixels to gray values 0..255, with 0 as black.

    Raises
    ------
    DecodeError
        If the range of the samples is unknown, or the pixels use little of it and have too few values.
    """
    samples = to_one_channel(decoded.pixels)
    gray, source = _to_8_bit(samples, decoded)
    if decoded.inverted:
        gray = np.asarray(255 - gray, np.uint8)
    step = max(1, len(gray) // _SAMPLED_ROWS)
    notes = notes_on(count_samples(gray[::step]))
    if decoded.pixels.ndim == 3 and _is_colored(decoded.pixels[::step]):
        notes = (*notes, Note.COLORS)
    return Radiograph(gray, spacing_mm, gray_from=source, notes=notes)


def _is_colored(pixels: npt.NDArray[Any]) -> bool:
    """Return whether a part of an image has colors: more than the arrows and letters that people draw."""
    white = np.iinfo(pixels.dtype).max if pixels.dtype.kind == "u" else 1
    spread = pixels.max(axis=2).astype(np.float32) - pixels.min(axis=2)
    return bool((spread > _COLOR_SPREAD * white).mean() > _COLORED_PART)


def _to_8_bit(samples: npt.NDArray[Any], decoded: Decoded) -> tuple[Gray, str]:
    if samples.dtype == np.uint8:
        return samples, GrayFrom.STORED
    if samples.dtype == np.uint16:
        white = (1 << max(decoded.bits, 9)) - 1
        return _scale(np.minimum(samples, white), white, decoded.significant_bits)
    if samples.dtype in (np.float32, np.float64):
        return _from_unit_range(samples)
    raise DecodeError(f"samples of type {samples.dtype}, whose range is unknown; save it as 16-bit PNG")


def _scale(samples: npt.NDArray[np.uint16], white: int, significant_bits: int | None) -> tuple[Gray, str]:
    """Scale 0..white to 0..255, or the range that the samples use.

    The full range is rounded to nearest: 8-bit content times 257 is restored exactly.
    """
    counts = count_samples(samples)
    present = np.flatnonzero(counts)
    view = _fitting_view(present, counts, white, significant_bits)
    gray = ((present * 255 + white // 2) // white).astype(np.uint8) if view is None else view.gray
    shown = np.asarray(cv2.LUT(samples, fill_table(counts, present, gray)), np.uint8)
    return shown, GrayFrom.FULL_RANGE if view is None else view.source


def _fitting_view(
    present: Integers, counts: Integers, white: int, significant_bits: int | None
) -> View | None:
    """Return the view to apply, or None for the full range, which an image of one value also keeps."""
    values = present.astype(np.float64)
    samples = Samples(values, counts[present])
    view = samples.first_that_fits(_declared_views(values, white, significant_bits, int(present[-1])))
    if len(samples.present) == 1 or (view is not None and view.source == GrayFrom.FULL_RANGE):
        return None
    return view or samples.range_in_use()


def _declared_views(values: Reals, white: int, significant_bits: int | None, largest: int) -> Iterator[View]:
    yield full_range(values, 0, white)
    if significant_bits and largest < 1 << significant_bits:
        yield range_view(GrayFrom.SIGNIFICANT_BITS, values, 0, (1 << significant_bits) - 1)


def _from_unit_range(samples: npt.NDArray[np.floating]) -> tuple[Gray, str]:
    low, high = float(samples.min()), float(samples.max())
    if not (low >= 0 and high <= 1):  # also true for NaN
        raise DecodeError(f"floating-point samples from {low:g} to {high:g}; scale them to 0..1")
    in_16_bits = np.rint(samples * _MAX_16_BITS).astype(np.uint16)
    counts = count_samples(in_16_bits)
    present = np.flatnonzero(counts)
    view = _fitting_view(present, counts, _MAX_16_BITS, None)
    if view is not None:
        return np.asarray(cv2.LUT(in_16_bits, fill_table(counts, present, view.gray)), np.uint8), view.source
    return np.asarray(np.rint(samples * 255), np.uint8), GrayFrom.FULL_RANGE
