"""Grey values of a DICOM picture: what each bit pattern of a cell shows as, in 0..255 (PS3.3, C.11, C.7.6.3).

A cell has 8 or 16 bits, so that the whole chain is worked out once for each pattern and looked up for each
pixel: modality LUT or rescaling; VOI LUT or window; rounding; inversion; and padding to black.

pydicom has functions for these steps, which are not used: its VOI LUT takes indices modulo 256 where entries
have 8 bits, and its window runs backwards where the rescale slope is negative (3.0.2).

Without a VOI LUT or a window, 8 bits are taken as they are. Of more bits, what the smallest and largest pixel
value of the header say, else what the stored bits can hold, becomes 0..255. Nothing depends on the pixels.
"""

from __future__ import annotations

import logging
import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ..errors import DecodeError
from .dicom_file import DicomFile, LutElement
from .dicom_form import Form
from .picture import Grey

log = logging.getLogger(__name__)

Integers = npt.NDArray[np.int64]
Reals = npt.NDArray[np.float64]


def grey_table(file: DicomFile, form: Form, *, cell: int, bits: int) -> Grey:
    """Work out the grey of each bit pattern.

    Parameters
    ----------
    file : DicomFile
    form : Form
    cell : int
        Bits of a cell, 8 or 16.
    bits : int
        How many of them, from the lowest, are the value.

    Returns
    -------
    ndarray of uint8, shape (2 ** cell,)

    Raises
    ------
    DecodeError
        If a look-up table or rescaling cannot be used, or the function of a window is not known.
    """
    patterns = np.arange(1 << cell)
    stored = _value(patterns, bits, signed=form.signed)
    grey = np.rint(255 * _display(file, _modality(file, form, stored))).astype(np.uint8)
    if form.inverted:
        grey = 255 - grey
    grey[_is_padding(file, form, stored, _value(patterns, cell, signed=form.signed))] = 0
    return grey


def _value(pattern: Integers, bits: int, *, signed: bool) -> Integers:
    """Read the lowest bits as a number."""
    number = pattern & (1 << bits) - 1
    return number - ((number >> bits - 1) << bits) if signed else number


@dataclass(frozen=True)
class _Scale:
    """Values in the units of the modality; which are black and white where nothing else says so."""

    values: Reals
    black: float
    white: float


def _modality(file: DicomFile, form: Form, stored: Integers) -> _Scale:
    lut = file.luts.get("ModalityLUTSequence")
    if lut:
        table = _read_lut(lut, form.signed, file.syntax.big_endian)
        return _Scale(table(stored), 0, table.white)
    slope = (file.numbers("RescaleSlope") or (1.0,))[0]
    intercept = (file.numbers("RescaleIntercept") or (0.0,))[0]
    if not (math.isfinite(slope) and math.isfinite(intercept)) or slope == 0:
        raise DecodeError(
            f"a DICOM file with rescale slope {slope:g} and intercept {intercept:g}; correct it"
        )
    black, white = sorted(slope * end + intercept for end in _declared_range(file, form))
    return _Scale(slope * stored.astype(np.float64) + intercept, black, white)


def _declared_range(file: DicomFile, form: Form) -> tuple[int, int]:
    """Give the range of stored values that the header says is in use."""
    ends = [file.numbers(keyword) for keyword in ("SmallestImagePixelValue", "LargestImagePixelValue")]
    if form.stored <= 8 or not all(ends):
        return form.range
    low, high = (_attribute(end[0], form) for end in ends)
    return (low, high) if low < high else form.range


def _attribute(number: float, form: Form) -> int:
    """Read a number of 16 bits, which writers mark as signed or not as they like, as the pixels are."""
    return int(_value(np.asarray(int(number)), 16, signed=form.signed))


def _display(file: DicomFile, scale: _Scale) -> Reals:
    """Give 0 for black to 1 for white."""
    lut = file.luts.get("VOILUTSequence")
    if lut:
        table = _read_lut(lut, scale.black < 0, file.syntax.big_endian)
        return np.asarray(table(scale.values) / table.white)
    centres, widths = file.numbers("WindowCenter"), file.numbers("WindowWidth")
    if centres and widths:
        function = file.text("VOILUTFunction").upper() or "LINEAR"
        if _is_window(function, centres[0], widths[0]):
            return _window(function, scale.values, centres[0], widths[0])
        log.debug("a window of centre %g and width %g is not used", centres[0], widths[0])
    return _ramp(scale.values, (scale.black + scale.white) / 2, scale.white - scale.black)


def _is_window(function: str, centre: float, width: float) -> bool:
    least = 1.0 if function == "LINEAR" else math.ulp(0.0)
    return math.isfinite(centre) and math.isfinite(width) and width >= least


def _window(function: str, values: Reals, centre: float, width: float) -> Reals:
    """Apply a window (PS3.3, C.11.2.1.2 and C.11.2.1.3)."""
    match function:
        case "LINEAR":
            return _ramp(values, centre - 0.5, width - 1)
        case "LINEAR_EXACT":
            return _ramp(values, centre, width)
        case "SIGMOID":
            return np.asarray(0.5 + 0.5 * np.tanh(2 * (values - centre) / width))
    raise DecodeError("a DICOM file whose VOI LUT function is none of LINEAR, LINEAR_EXACT and SIGMOID")


def _ramp(values: Reals, centre: float, width: float) -> Reals:
    if width == 0:
        return np.asarray(values > centre, np.float64)
    return np.asarray(np.clip((values - centre) / width + 0.5, 0, 1))


@dataclass(frozen=True)
class _Lut:
    """A look-up table: what is before its first entry shows as that, what is after its last as the last."""

    first: int
    entries: Integers
    white: int

    def __call__(self, values: Integers | Reals) -> Reals:
        index = np.clip(np.rint(values) - self.first, 0, len(self.entries) - 1).astype(np.int64)
        return np.asarray(np.minimum(self.entries[index], self.white), np.float64)


def _read_lut(lut: LutElement, signed: bool, big_endian: bool) -> _Lut:
    """Read a look-up table (PS3.3, C.11.1.1 and C.11.2.1.1)."""
    count, first, bits = lut.descriptor
    count = count or 1 << 16
    if isinstance(lut.data, bytes):
        words = np.frombuffer(lut.data[: len(lut.data) // 2 * 2], ">u2" if big_endian else "<u2")
        packed = bits <= 8 and len(words) == (count + 1) // 2 != count
        entries = words.astype("<u2").view(np.uint8)[:count] if packed else words
    else:
        entries = np.asarray(lut.data)
    if len(entries) != count or not 1 <= bits <= 16:
        raise DecodeError(
            f"a DICOM file with a look-up table of {len(entries)} entries where {count} of {bits} bits are "
            "declared; export it again"
        )
    start = int(_value(np.asarray(first), 16, signed=signed))
    return _Lut(start, entries.astype(np.int64), (1 << bits) - 1)


def _is_padding(file: DicomFile, form: Form, stored: Integers, whole: Integers) -> npt.NDArray[np.bool_]:
    """Find the values that fill up a picture; those that no pixel can have are meant for the whole cell."""
    ends = file.numbers("PixelPaddingValue") + file.numbers("PixelPaddingRangeLimit")[:1]
    if not file.numbers("PixelPaddingValue"):
        return np.zeros(stored.shape, np.bool_)
    low, high = (pick(_attribute(end, form) for end in ends) for pick in (min, max))
    least, most = form.range
    values = stored if least <= low and high <= most else whole
    return (values >= low) & (values <= high)
