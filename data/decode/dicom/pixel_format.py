"""The pixel format of a DICOM image; whatever is not one gray radiograph is rejected by its header."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ....errors import DecodeError
from .header import PIXEL_DATA, DicomFile, PixelElement
from .syntax import Syntax

_GRAY = frozenset({"MONOCHROME1", "MONOCHROME2"})
_COLOR = ("RGB", "YBR", "PALETTE", "ARGB", "CMYK", "HSV")

# SOP classes of gray images that are not projection radiographs, or not images. All other classes are
# accepted: archives store radiographs as CR, DX, secondary capture and under many private or wrong classes.
_NOT_A_RADIOGRAPH = {
    "1.2.840.10008.5.1.4.1.1.2": "a CT slice",
    "1.2.840.10008.5.1.4.1.1.2.1": "a CT volume",
    "1.2.840.10008.5.1.4.1.1.2.2": "a CT volume",
    "1.2.840.10008.5.1.4.1.1.4": "an MR slice",
    "1.2.840.10008.5.1.4.1.1.4.1": "an MR volume",
    "1.2.840.10008.5.1.4.1.1.4.4": "an MR volume",
    "1.2.840.10008.5.1.4.1.1.6.1": "an ultrasound image",
    "1.2.840.10008.5.1.4.1.1.20": "a nuclear medicine image",
    "1.2.840.10008.5.1.4.1.1.30": "a parametric map",
    "1.2.840.10008.5.1.4.1.1.66.4": "a segmentation",
    "1.2.840.10008.5.1.4.1.1.66.7": "a segmentation",
    "1.2.840.10008.5.1.4.1.1.128": "a PET slice",
    "1.2.840.10008.5.1.4.1.1.130": "a PET volume",
    "1.2.840.10008.5.1.4.1.1.481.2": "a dose distribution",
}

# Raw detector data: only the manufacturer knows the steps that turn them into what a viewer shows.
_FOR_PROCESSING = frozenset(
    {
        "1.2.840.10008.5.1.4.1.1.1.1.1",  # digital X-ray
        "1.2.840.10008.5.1.4.1.1.1.2.1",  # mammography
        "1.2.840.10008.5.1.4.1.1.1.3.1",  # intra-oral
    }
)


@dataclass(frozen=True)
class PixelFormat:
    """The pixel format of one gray image.

    Attributes
    ----------
    rows, columns : int
    bits_allocated, bits_stored : int
        Bits of the cell of one sample, and how many of them, from the lowest, hold its value.
    signed : bool
        Whether samples are in two's complement.
    inverted : bool
        Whether the largest value is black.
    element : PixelElement
        The data element that holds the pixels.
    from_lowest_bit : bool
        Whether the stored bits are the lowest ones of a cell, by HighBit.
    """

    rows: int
    columns: int
    bits_allocated: int
    bits_stored: int
    signed: bool
    inverted: bool
    element: PixelElement
    from_lowest_bit: bool

    @property
    def value_range(self) -> tuple[int, int]:
        """The smallest and largest value that the stored bits can hold."""
        low = -(1 << self.bits_stored - 1) if self.signed else 0
        return low, low + (1 << self.bits_stored) - 1


def low_bits(pattern: npt.NDArray[np.int64], bits: int, *, signed: bool) -> npt.NDArray[np.int64]:
    """Interpret the lowest bits of a pattern as a number, in two's complement if it is signed."""
    number = pattern & (1 << bits) - 1
    return number - ((number >> bits - 1) << bits) if signed else number


def read_pixel_format(file: DicomFile, max_pixels: int) -> PixelFormat:
    """Read the pixel format from the header.

    Raises
    ------
    DecodeError
        If there is no image, more than one, a color image, an image of another kind than a radiograph, one
        of more than `max_pixels` pixels, or one with unsupported samples.
    """
    element = _pixel_element(file)
    photometric = _photometric_interpretation(file)
    rows, columns = file.integer("Rows"), file.integer("Columns")
    if rows < 1 or columns < 1:
        raise DecodeError(f"a DICOM image of {columns} x {rows} pixels; export it again")
    if rows * columns > max_pixels:
        raise DecodeError(f"{columns} x {rows} pixels, more than the limit of {max_pixels:,}")
    allocated, stored = _bits(file)
    from_lowest_bit = file.integer("HighBit", stored - 1) == stored - 1
    # The samples of a codestream start at the lowest bit, unless it has more bits than are stored.
    has_cells = file.syntax.native or file.syntax is Syntax.RLE
    if has_cells and not from_lowest_bit:
        raise high_bit_error()
    return PixelFormat(
        rows,
        columns,
        allocated,
        stored,
        signed=bool(file.integer("PixelRepresentation", 0)),
        inverted=photometric == "MONOCHROME1" or file.text("PresentationLUTShape") == "INVERSE",
        element=element,
        from_lowest_bit=from_lowest_bit,
    )


def _pixel_element(file: DicomFile) -> PixelElement:
    if file.sop_class in _NOT_A_RADIOGRAPH:
        raise DecodeError(
            f"a DICOM file of {_NOT_A_RADIOGRAPH[file.sop_class]}, not a radiograph; leave it out"
        )
    if file.sop_class in _FOR_PROCESSING or file.text("PresentationIntentType") == "FOR PROCESSING":
        raise DecodeError(
            "a DICOM image for processing, not for presentation; export the image for presentation"
        )
    if file.pixels is None:
        name = f" ({file.class_name})" if file.class_name else ""
        raise DecodeError(
            f"a DICOM file without an image{name}, or cut off before it; leave it out, or copy it again"
        )
    if file.pixels.tag != PIXEL_DATA:
        raise DecodeError(
            "a DICOM image with floating-point pixels, which are not supported; export it with integer pixels"
        )
    frames = file.integer("NumberOfFrames", 1)
    if frames > 1:
        raise DecodeError(f"a DICOM file with {frames} frames; save each frame as a separate file")
    return file.pixels


def _photometric_interpretation(file: DicomFile) -> str:
    photometric = file.text("PhotometricInterpretation")
    if photometric.startswith(_COLOR) or file.integer("SamplesPerPixel", 1) != 1:
        raise DecodeError(
            "a DICOM image in color, which is not supported; export it in grayscale (MONOCHROME2)"
        )
    if photometric not in _GRAY:
        raise DecodeError(
            "a DICOM image whose PhotometricInterpretation is neither MONOCHROME1 nor MONOCHROME2, so that "
            "black and white are unknown; export it again"
        )
    return photometric


def _bits(file: DicomFile) -> tuple[int, int]:
    """Return the allocated and stored bits: cells of 1, 8 or 16 bits, used from the lowest bit up."""
    allocated = file.integer("BitsAllocated")
    stored = file.integer("BitsStored", allocated)
    if allocated not in {1, 8, 16} or not 1 <= stored <= allocated:
        raise DecodeError(
            f"a DICOM image with {stored} of {allocated} bits per sample, which is not supported; "
            "export it with 8 or 16"
        )
    return allocated, stored


def high_bit_error() -> DecodeError:
    """Create the error for values that do not start at the lowest bit of their cells."""
    return DecodeError("a DICOM image whose HighBit does not match its BitsStored; export it again")
