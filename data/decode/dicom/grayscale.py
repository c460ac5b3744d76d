"""Map the stored values of a DICOM image to gray values 0..255 (PS3.3, C.11 and C.7.6.3).

A cell has 8 or 16 bits, so the whole chain is computed once per bit pattern and looked up per pixel: modality
LUT or rescaling, VOI LUT or window, rounding, inversion, and padding set to black.

pydicom's functions for these steps are not used: in 3.0.2 its VOI LUT takes indices modulo 256 if entries
have 8 bits, and its window is inverted if the rescale slope is negative.

Without a VOI LUT and a window, 8-bit values stay unchanged. Deeper values are scaled to 0..255 from the
smallest and largest pixel value of the header, or else from the range of the stored bits. Pixels serve only
to reject a header that contradicts them: values outside the stated smallest and largest value, or values that
fill so little of the stored bits that these must be wrong.
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


def gray_table(file: DicomFile, pixel_format: PixelFormat, stored: StoredValues) -> Gray:
    """Compute the gray value of each bit pattern of a cell.

    Returns
    -------
    ndarray of uint8, shape (2 ** bits of a cell,)

    Raises
    ------
    DecodeError
        If a look-up table or the rescaling is unusable, the function of a window is unknown, or the range of
        the values is ambiguous.
    """
    signed = pixel_format.signed
    cell_bits = 8 * stored.cells.itemsize
    patterns = np.arange(1 << cell_bits)
    values = _low_bits(patterns, stored.bits, signed=signed)
    padding = _is_padding(file, pixel_format, values, _low_bits(patterns, cell_bits, signed=signed))
    modality = _modality_transform(file, pixel_format)
    rescaled = modality(values)
    brightness = _voi_brightness(file, rescaled)
    if brightness is None:
        if isinstance(modality, _Lut):
            black, white = 0.0, float(modality.white)
        else:
            present = values[_present_patterns(stored) & ~padding]
            value_range = _value_range_in_use(file, pixel_format, present)
            black, white = sorted(modality(np.asarray(value_range)).tolist())
        brightness = _ramp(rescaled, (black + white) / 2, white - black)
    gray = np.rint(255 * brightness).astype(np.uint8)
    if pixel_format.inverted:
        gray = 255 - gray
    gray[padding] = 0
    return gray


def _low_bits(pattern: Integers, bits: int, *, signed: bool) -> Integers:
    """Interpret the lowest bits of a pattern as a number."""
    number = pattern & (1 << bits) - 1
    return number - ((number >> bits - 1) << bits) if signed else number


def _present_patterns(stored: StoredValues) -> npt.NDArray[np.bool_]:
    """Return for each bit pattern whether it occurs in the image."""
    present = np.zeros(1 << 8 * stored.cells.itemsize, np.bool_)
    present[stored.cells] = True
    return present


@dataclass(frozen=True)
class _Rescale:
    """A linear map from stored values to the units of the modality."""

    slope: float
    intercept: float

    def __call__(self, values: Integers) -> Reals:
        return np.asarray(self.slope * values.astype(np.float64) + self.intercept)


def _modality_transform(file: DicomFile, pixel_format: PixelFormat) -> _Rescale | _Lut:
    lut = file.luts.get("ModalityLUTSequence")
    if lut:
        return _read_lut(lut, pixel_format.signed, file.syntax.big_endian)
    slope = (file.numbers("RescaleSlope") or (1.0,))[0]
    intercept = (file.numbers("RescaleIntercept") or (0.0,))[0]
    if not (math.isfinite(slope) and math.isfinite(intercept)) or slope == 0:
        raise DecodeError(
            f"a DICOM file with rescale slope {slope:g} and intercept {intercept:g}; correct its header"
        )
    return _Rescale(slope, intercept)


def _value_range_in_use(file: DicomFile, pixel_format: PixelFormat, present: Integers) -> tuple[int, int]:
    """Return the range of stored values in use: the one that the header states, if the pixels agree.

    The stated smallest and largest value must include all pixels: writers copy those of another image. The
    pixels must fill an eighth of the stored bits: otherwise BitsStored is that of the cell, and the image
    would be black.
    """
    if pixel_format.bits_stored <= 8 or not present.size:
        return pixel_format.value_range
    least, most = int(present.min()), int(present.max())
    ends = [file.numbers(keyword) for keyword in ("SmallestImagePixelValue", "LargestImagePixelValue")]
    if all(ends):
        low, high = (_as_pixel_value(end[0], pixel_format) for end in ends)
        if low <= least and most <= high and low < high:
            return low, high
        log.debug("the smallest and largest pixel value are ignored, since pixels lie outside them")
    largest = max(-least, most)
    declared = pixel_format.value_range[1]
    if 0 < 8 * largest < declared:
        raise DecodeError(
            f"a DICOM image without a window, and with samples up to {largest} where BitsStored "
            f"{pixel_format.bits_stored} allows {declared}: correct BitsStored or set a window"
        )
    return pixel_format.value_range


def _as_pixel_value(number: float, pixel_format: PixelFormat) -> int:
    """Interpret a 16-bit number with the sign of the pixels: writers disagree on its VR (US or SS)."""
    return int(_low_bits(np.asarray(int(number)), 16, signed=pixel_format.signed))


def _voi_brightness(file: DicomFile, values: Reals) -> Reals | None:
    """Apply the VOI LUT or else the window: 0 is black and 1 is white. None if the file has neither."""
    lut = file.luts.get("VOILUTSequence")
    if lut is None:
        return _windowed(file, values)
    try:
        table = _read_lut(lut, bool(values.min() < 0), file.syntax.big_endian)
    except DecodeError:
        brightness = _windowed(file, values)
        if brightness is None:
            raise
        log.debug("the window is used in place of a damaged VOI LUT")
        return brightness
    return np.asarray(table(values) / table.white)


def _windowed(file: DicomFile, values: Reals) -> Reals | None:
    centers, widths = file.numbers("WindowCenter"), file.numbers("WindowWidth")
    if not (centers and widths):
        return None
    function = file.text("VOILUTFunction") or "LINEAR"
    if not _is_window(function, centers[0], widths[0]):
        log.debug("a window of center %g and width %g is ignored", centers[0], widths[0])
        return None
    return _apply_window(function, values, centers[0], widths[0])


def _is_window(function: str, center: float, width: float) -> bool:
    least = 1.0 if function == "LINEAR" else math.ulp(0.0)
    return math.isfinite(center) and math.isfinite(width) and width >= least


def _apply_window(function: str, values: Reals, center: float, width: float) -> Reals:
    """Apply a window (PS3.3, C.11.2.1.2 and C.11.2.1.3)."""
    match function:
        case "LINEAR":
            return _ramp(values, center - 0.5, width - 1)
        case "LINEAR_EXACT":
            return _ramp(values, center, width)
        case "SIGMOID":
            return np.asarray(0.5 + 0.5 * np.tanh(2 * (values - center) / width))
    raise DecodeError(
        "a DICOM file whose VOI LUT function is none of LINEAR, LINEAR_EXACT and SIGMOID; correct its header"
    )


def _ramp(values: Reals, center: float, width: float) -> Reals:
    if width == 0:
        return np.asarray(values > center, np.float64)
    return np.asarray(np.clip((values - center) / width + 0.5, 0, 1))


@dataclass(frozen=True)
class _Lut:
    """A look-up table; values beyond its ends map to its first and last entry."""

    first: int
    entries: Integers
    white: int

    def __call__(self, values: Integers | Reals) -> Reals:
        index = np.clip(np.rint(values) - self.first, 0, len(self.entries) - 1).astype(np.int64)
        return np.asarray(self.entries[index], np.float64)


def _read_lut(lut: LutElement, signed: bool, big_endian: bool) -> _Lut:
    """Read a look-up table (PS3.3, C.11.1.1 and C.11.2.1.1)."""
    if len(lut.descriptor) != 3:
        raise DecodeError("a DICOM file with a look-up table without a valid descriptor; export it again")
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
            f"a DICOM file with a look-up table of {len(entries)} entries where its descriptor states "
            f"{count} of {bits} bits; export it again"
        )
    start = int(_low_bits(np.asarray(first), 16, signed=signed))
    used: Integers = entries[:count].astype(np.int64)
    return _Lut(start, used, (1 << _entry_bits(used, bits)) - 1)


def _entry_bits(entries: Integers, declared: int) -> int:
    """Return the bits per entry: those of the largest entry if it needs more than declared, or two fewer.

    Writers declare the bits of the cell, or those of the pixels. One bit fewer may be a table whose brightest
    entry is meant to be gray.
    """
    needed = int(entries.max()).bit_length()
    return needed if needed > declared or 0 < needed <= declared - 2 else declared


def _is_padding(
    file: DicomFile, pixel_format: PixelFormat, values: Integers, cell_values: Integers
) -> npt.NDArray[np.bool_]:
    """Return for each bit pattern whether it is padding.

    A padding value outside the range of the stored bits is compared with all bits of the cell.
    """
    ends = file.numbers("PixelPaddingValue") + file.numbers("PixelPaddingRangeLimit")[:1]
    if not file.numbers("PixelPaddingValue"):
        return np.zeros(values.shape, np.bool_)
    low, high = (pick(_as_pixel_value(end, pixel_format) for end in ends) for pick in (min, max))
    least, most = pixel_format.value_range
    compared = values if least <= low and high <= most else cell_values
    return (compared >= low) & (compared <= high)
