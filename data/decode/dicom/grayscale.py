"""Gray values of a DICOM image: what each bit pattern of a cell shows as, in 0..255 (PS3.3, C.11, C.7.6.3).

A cell has 8 or 16 bits, so that the whole chain is worked out once for each pattern and looked up for each
pixel: modality LUT or rescaling; VOI LUT or window; rounding; inversion; and padding to black.

pydicom has functions for these steps, which are not used: its VOI LUT takes indices modulo 256 where entries
have 8 bits, and its window runs backwards where the rescale slope is negative (3.0.2).

Without a VOI LUT or a window, 8 bits are taken as they are. Of more bits, what the smallest and largest pixel
value of the header say, else what the stored bits can hold, becomes 0..255. Pixels only refute a header: they
lie outside the smallest and largest value, or fill so little of the stored bits that these cannot be right.
"""

from __future__ import annotations

import logging
import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ....errors import DecodeError
from ...image import Gray
from .header import DicomFile, LutElement
from .pixel_format import PixelFormat
from .pixels import StoredValues

log = logging.getLogger(__name__)

Integers = npt.NDArray[np.int64]
Reals = npt.NDArray[np.float64]


def gray_table(file: DicomFile, form: PixelFormat, cells: StoredValues) -> Gray:
    """Work out the gray of each bit pattern.

    Returns
    -------
    ndarray of uint8, shape (2 ** bits of a cell,)

    Raises
    ------
    DecodeError
        If a look-up table or rescaling cannot be used, the function of a window is not known, or nothing
        says which values are in use.
    """
    cell = 8 * cells.samples.itemsize
    patterns = np.arange(1 << cell)
    stored = _value(patterns, cells.bits, signed=form.signed)
    padding = _is_padding(file, form, stored, _value(patterns, cell, signed=form.signed))
    modality = _modality(file, form)
    values = modality(stored)
    shown = _declared_view(file, values)
    if shown is None:
        if isinstance(modality, _Lut):
            black, white = 0.0, float(modality.white)
        else:
            used = stored[_occurs(cells) & ~padding]
            black, white = sorted(modality(np.asarray(_range_in_use(file, form, used))).tolist())
        shown = _ramp(values, (black + white) / 2, white - black)
    gray = np.rint(255 * shown).astype(np.uint8)
    if form.inverted:
        gray = 255 - gray
    gray[padding] = 0
    return gray


def _value(pattern: Integers, bits: int, *, signed: bool) -> Integers:
    """Read the lowest bits as a number."""
    number = pattern & (1 << bits) - 1
    return number - ((number >> bits - 1) << bits) if signed else number


def _occurs(cells: StoredValues) -> npt.NDArray[np.bool_]:
    """Tell which bit patterns are in the image."""
    occurs = np.zeros(1 << 8 * cells.samples.itemsize, np.bool_)
    occurs[cells.samples] = True
    return occurs


@dataclass(frozen=True)
class _Rescale:
    """A line from stored values to the units of the modality."""

    slope: float
    intercept: float

    def __call__(self, stored: Integers) -> Reals:
        return np.asarray(self.slope * stored.astype(np.float64) + self.intercept)


def _modality(file: DicomFile, form: PixelFormat) -> _Rescale | _Lut:
    lut = file.luts.get("ModalityLUTSequence")
    if lut:
        return _read_lut(lut, form.signed, file.syntax.big_endian)
    slope = (file.numbers("RescaleSlope") or (1.0,))[0]
    intercept = (file.numbers("RescaleIntercept") or (0.0,))[0]
    if not (math.isfinite(slope) and math.isfinite(intercept)) or slope == 0:
        raise DecodeError(
            f"a DICOM file with rescale slope {slope:g} and intercept {intercept:g}; correct it"
        )
    return _Rescale(slope, intercept)


def _range_in_use(file: DicomFile, form: PixelFormat, used: Integers) -> tuple[int, int]:
    """Give the range of stored values that the header says is in use, where those of the image agree.

    The smallest and largest value must hold all of them: writers leave behind those of another image. Of
    the stored bits they must fill an eighth: else the header names the cell's bits, and all would be black.
    """
    if form.stored <= 8 or not used.size:
        return form.range
    least, most = int(used.min()), int(used.max())
    ends = [file.numbers(keyword) for keyword in ("SmallestImagePixelValue", "LargestImagePixelValue")]
    if all(ends):
        low, high = (_attribute(end[0], form) for end in ends)
        if low <= least and most <= high and low < high:
            return low, high
        log.debug("the smallest and largest pixel value are not those of the image, and are passed over")
    largest = max(-least, most)
    if 0 < 8 * largest < form.range[1]:
        raise DecodeError(
            f"a DICOM file without a window, and with samples up to {largest} where BitsStored {form.stored} "
            f"declares {form.range[1]}: set BitsStored or a window"
        )
    return form.range


def _attribute(number: float, form: PixelFormat) -> int:
    """Read a number of 16 bits, which writers mark as signed or not as they like, as the pixels are."""
    return int(_value(np.asarray(int(number)), 16, signed=form.signed))


def _declared_view(file: DicomFile, values: Reals) -> Reals | None:
    """Give 0 for black to 1 for white, by the VOI LUT or else the window; None where there is neither."""
    lut = file.luts.get("VOILUTSequence")
    if lut is None:
        return _windowed(file, values)
    try:
        table = _read_lut(lut, bool(values.min() < 0), file.syntax.big_endian)
    except DecodeError:
        shown = _windowed(file, values)
        if shown is None:
            raise
        log.debug("a VOI LUT that is broken is passed over for the window")
        return shown
    return np.asarray(table(values) / table.white)


def _windowed(file: DicomFile, values: Reals) -> Reals | None:
    centers, widths = file.numbers("WindowCenter"), file.numbers("WindowWidth")
    if not (centers and widths):
        return None
    function = file.text("VOILUTFunction") or "LINEAR"
    if not _is_window(function, centers[0], widths[0]):
        log.debug("a window of center %g and width %g is not used", centers[0], widths[0])
        return None
    return _window(function, values, centers[0], widths[0])


def _is_window(function: str, center: float, width: float) -> bool:
    least = 1.0 if function == "LINEAR" else math.ulp(0.0)
    return math.isfinite(center) and math.isfinite(width) and width >= least


def _window(function: str, values: Reals, center: float, width: float) -> Reals:
    """Apply a window (PS3.3, C.11.2.1.2 and C.11.2.1.3)."""
    match function:
        case "LINEAR":
            return _ramp(values, center - 0.5, width - 1)
        case "LINEAR_EXACT":
            return _ramp(values, center, width)
        case "SIGMOID":
            return np.asarray(0.5 + 0.5 * np.tanh(2 * (values - center) / width))
    raise DecodeError("a DICOM file whose VOI LUT function is none of LINEAR, LINEAR_EXACT and SIGMOID")


def _ramp(values: Reals, center: float, width: float) -> Reals:
    if width == 0:
        return np.asarray(values > center, np.float64)
    return np.asarray(np.clip((values - center) / width + 0.5, 0, 1))


@dataclass(frozen=True)
class _Lut:
    """A look-up table: what is before its first entry shows as that, what is after its last as the last."""

    first: int
    entries: Integers
    white: int

    def __call__(self, values: Integers | Reals) -> Reals:
        index = np.clip(np.rint(values) - self.first, 0, len(self.entries) - 1).astype(np.int64)
        return np.asarray(self.entries[index], np.float64)


def _read_lut(lut: LutElement, signed: bool, big_endian: bool) -> _Lut:
    """Read a look-up table (PS3.3, C.11.1.1 and C.11.2.1.1)."""
    if len(lut.descriptor) != 3:
        raise DecodeError("a DICOM file with a look-up table that is not described; export it again")
    count, first, bits = lut.descriptor
    count = count or 1 << 16
    if isinstance(lut.data, bytes):
        words = np.frombuffer(lut.data[: len(lut.data) // 2 * 2], ">u2" if big_endian else "<u2")
        packed = bits <= 8 and len(words) == (count + 1) // 2 != count
        entries = words.astype("<u2").view(np.uint8)[:count] if packed else words
    else:
        entries = np.asarray(lut.data)
    if len(entries) < count or not 1 <= bits <= 16:
        raise DecodeError(
            f"a DICOM file with a look-up table of {len(entries)} entries where {count} of {bits} bits are "
            "declared; export it again"
        )
    start = int(_value(np.asarray(first), 16, signed=signed))
    in_use: Integers = entries[:count].astype(np.int64)
    return _Lut(start, in_use, (1 << _bits_in_use(in_use, bits)) - 1)


def _bits_in_use(entries: Integers, declared: int) -> int:
    """Give the bits of an entry; those of the largest where it needs more than declared, or two fewer.

    Writers declare the bits of the cell, or of the pixels; one bit fewer may be a table that stays gray.
    """
    needed = int(entries.max()).bit_length()
    return needed if needed > declared or 0 < needed <= declared - 2 else declared


def _is_padding(
    file: DicomFile, form: PixelFormat, stored: Integers, whole: Integers
) -> npt.NDArray[np.bool_]:
    """Find the values that fill up an image; those that no pixel can have are meant for the whole cell."""
    ends = file.numbers("PixelPaddingValue") + file.numbers("PixelPaddingRangeLimit")[:1]
    if not file.numbers("PixelPaddingValue"):
        return np.zeros(stored.shape, np.bool_)
    low, high = (pick(_attribute(end, form) for end in ends) for pick in (min, max))
    least, most = form.range
    values = stored if least <= low and high <= most else whole
    return (values >= low) & (values <= high)
