"""Map the stored values of a DICOM image to gray values 0..255 (PS3.3, C.11 and C.7.6.3).

A cell has 8 or 16 bits, so the whole chain is computed once per bit pattern that occurs and looked up per
pixel: modality LUT or rescaling, VOI LUT or window, rounding, inversion, and padding set to black.

The VOI LUTs and windows of the header, the smallest and largest pixel value that it states, and the range of
the stored bits are tried in this order; the first that fits the pixels is used (`views`, `docs/dicom.md`).
8-bit values that no LUT or window fits stay unchanged.

pydicom's functions for these steps are not used: in 3.0.2 its VOI LUT takes indices modulo 256 if entries
have 8 bits, and its window is inverted if the rescale slope is negative.
"""

from __future__ import annotations

import logging
import math
from dataclasses import dataclass

import numpy as np

from ....errors import DecodeError
from ...image import Gray, GrayFrom, Note
from ..views import (
    Flags,
    Integers,
    Reals,
    Samples,
    View,
    check_one_gray,
    count_samples,
    fill_table,
    full_range,
    notes_on,
    range_view,
)
from .header import DicomFile
from .look_up_table import LookUpTable, read_look_up_table
from .pixel_format import PixelFormat, low_bits
from .pixels import StoredValues
from .windows import window_views

log = logging.getLogger(__name__)

_MAX_PADDING = 0.9
"""Part of the pixels beyond which padding is the image itself, under a wrong padding value."""


@dataclass(frozen=True)
class GrayTable:
    """The gray value of each bit pattern of a cell.

    Attributes
    ----------
    gray : ndarray of uint8, shape (2 ** bits of a cell,)
        0 for patterns that no pixel has.
    source : str
        What the values were computed from, for `Radiograph.gray_from`.
    notes : tuple of Note
    """

    gray: Gray
    source: str
    notes: tuple[Note, ...]


def gray_table(file: DicomFile, pixel_format: PixelFormat, stored: StoredValues) -> GrayTable:
    """Compute the gray value of each bit pattern of a cell.

    Raises
    ------
    DecodeError
        If a look-up table or the rescaling is unusable, the function of a window is unknown, or nothing that
        the header states fits the pixels and they have too few values, or all the same gray value.
    """
    pixel_format = stored.actual_format(pixel_format)
    cell_bits = 8 * stored.cells.itemsize
    all_counts = count_samples(stored.cells)
    patterns = np.flatnonzero(all_counts)
    counts = all_counts[patterns]
    values = low_bits(patterns, stored.bits, signed=pixel_format.signed)
    padding = _padding(file, pixel_format, values, low_bits(patterns, cell_bits, signed=pixel_format.signed))
    if int(counts[~padding].sum()) < (1 - _MAX_PADDING) * int(counts.sum()):
        log.debug("padding is ignored, since nearly all pixels would be padding")
        padding = np.zeros_like(padding)
    modality = _modality_transform(file, pixel_format)
    rescaled = modality(values)
    samples = Samples(rescaled, np.where(padding, 0, counts))
    view = _view(file, pixel_format, samples, values, modality)
    gray = view.gray
    if pixel_format.inverted:
        gray = 255 - gray
    gray[padding] = 0
    shown = gray[samples.present]
    check_one_gray(shown)
    histogram = np.bincount(shown, samples.counts[samples.present], 256)
    return GrayTable(fill_table(all_counts, patterns, gray), view.source, notes_on(histogram))


def _view(
    file: DicomFile,
    pixel_format: PixelFormat,
    samples: Samples,
    values: Integers,
    modality: _Rescale | LookUpTable,
) -> View:
    """Return the first view of the header that fits the pixels, or that of the range in use."""
    bounds = _bounds(pixel_format, modality)
    tables, damage = _voi_lut_views(file, samples.values, signed=bounds[0] < 0)
    view = samples.first_that_fits(tables) or samples.first_that_fits(
        window_views(file, samples.values, bounds, pixel_format.bits_stored, modality != _Rescale(1, 0))
    )
    if view is not None:
        return view
    if damage is not None:
        raise damage
    if pixel_format.bits_stored <= 8 and isinstance(modality, _Rescale):
        source = GrayFrom.STORED if pixel_format.bits_stored == 8 else GrayFrom.FULL_RANGE
        return range_view(source, samples.values, *bounds)
    declared = full_range(samples.values, *bounds)
    if len(samples.present) == 1:
        return declared
    stated = _stated_range(file, pixel_format, values[samples.present])
    views = [declared]
    if stated is not None and isinstance(modality, _Rescale):
        black, white = sorted(modality(np.asarray(stated)).tolist())
        views.insert(0, range_view(GrayFrom.STATED_RANGE, samples.values, black, white))
    return samples.first_that_fits(views) or samples.range_in_use()


@dataclass(frozen=True)
class _Rescale:
    """A linear map from stored values to the units of the modality."""

    slope: float
    intercept: float

    def __call__(self, values: Integers) -> Reals:
        return np.asarray(self.slope * values.astype(np.float64) + self.intercept)


def _modality_transform(file: DicomFile, pixel_format: PixelFormat) -> _Rescale | LookUpTable:
    for lut in file.luts.get("ModalityLUTSequence", ()):
        return read_look_up_table(lut, pixel_format.signed, file.syntax.big_endian)
    slope = (file.numbers("RescaleSlope") or (1.0,))[0]
    intercept = (file.numbers("RescaleIntercept") or (0.0,))[0]
    if not (math.isfinite(slope) and math.isfinite(intercept)) or slope == 0:
        raise DecodeError(
            f"a DICOM file with rescale slope {slope:g} and intercept {intercept:g}; correct its header"
        )
    return _Rescale(slope, intercept)


def _bounds(pixel_format: PixelFormat, modality: _Rescale | LookUpTable) -> tuple[float, float]:
    """Return the smallest and largest value that the stored bits can hold, in the units of the modality."""
    if isinstance(modality, LookUpTable):
        return 0.0, float(modality.white)
    black, white = sorted(modality(np.asarray(pixel_format.value_range)).tolist())
    return black, white


def _stated_range(file: DicomFile, pixel_format: PixelFormat, present: Integers) -> tuple[int, int] | None:
    """Return the smallest and largest pixel value that the header states, if all pixels lie between them.

    Writers copy those of another image.
    """
    ends = [file.numbers(keyword) for keyword in ("SmallestImagePixelValue", "LargestImagePixelValue")]
    if all(ends):
        low, high = (_as_pixel_value(end[0], pixel_format) for end in ends)
        if low <= int(present.min()) and int(present.max()) <= high and low < high:
            return low, high
        log.debug("the smallest and largest pixel value are ignored, since pixels lie outside them")
    return None


def _as_pixel_value(number: float, pixel_format: PixelFormat) -> int:
    """Interpret a 16-bit number with the sign of the pixels: writers disagree on its VR (US or SS)."""
    return int(low_bits(np.asarray(int(number)), 16, signed=pixel_format.signed))


def _voi_lut_views(file: DicomFile, values: Reals, *, signed: bool) -> tuple[list[View], DecodeError | None]:
    """Return the views of the VOI LUTs, and the error of the first damaged one."""
    views: list[View] = []
    damage: DecodeError | None = None
    for index, lut in enumerate(file.luts.get("VOILUTSequence", ())):
        try:
            table = read_look_up_table(lut, signed, file.syntax.big_endian)
        except DecodeError as error:
            log.debug("a damaged VOI LUT is ignored")
            damage = damage or error
        else:
            views.append(table.view(GrayFrom.VOI_LUT.nth(index), values))
    return views, damage


def _padding(file: DicomFile, pixel_format: PixelFormat, values: Integers, cell_values: Integers) -> Flags:
    """Return for each bit pattern whether it is padding.

    A padding value outside the range of the stored bits is compared with all bits of the cell.
    """
    ends = file.numbers("PixelPaddingValue") + file.numbers("PixelPaddingRangeLimit")[:1]
    if not file.numbers("PixelPaddingValue"):
        return np.zeros(values.shape, np.bool_)
    low, high = (pick(_as_pixel_value(end, pixel_format) for end in ends) for pick in (min, max))
    least, most = pixel_format.value_range
    compared = values if least <= low and high <= most else cell_values
    return np.asarray((compared >= low) & (compared <= high))
