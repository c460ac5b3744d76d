"""What the pixels of a DICOM file are; refuses what is not one gray radiograph, before memory is taken."""

from __future__ import annotations

from dataclasses import dataclass

from ....errors import DecodeError
from .header import PIXEL_DATA, DicomFile, PixelElement
from .syntax import Syntax

_GRAY = frozenset({"MONOCHROME1", "MONOCHROME2"})
_COLOR = ("RGB", "YBR", "PALETTE", "ARGB", "CMYK", "HSV")

# Gray matrices that no projection made, or that are no image. All other classes are taken: archives keep
# radiographs as CR, DX, secondary capture and under many private or mistaken classes.
_NO_RADIOGRAPH = {
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

# Raw detector data: what a viewer shows is made from them by steps that only the maker knows.
_FOR_PROCESSING = frozenset(
    {
        "1.2.840.10008.5.1.4.1.1.1.1.1",  # digital X-ray
        "1.2.840.10008.5.1.4.1.1.1.2.1",  # mammography
        "1.2.840.10008.5.1.4.1.1.1.3.1",  # intra-oral
    }
)


@dataclass(frozen=True)
class PixelFormat:
    """The form of one gray image.

    Attributes
    ----------
    rows, columns : int
    allocated, stored : int
        Bits of the cell of one sample, and how many of them, from the lowest, are in use.
    signed : bool
        Samples are two's complements.
    inverted : bool
        The largest value is black.
    pixels : PixelElement
        Where they lie.
    """

    rows: int
    columns: int
    allocated: int
    stored: int
    signed: bool
    inverted: bool
    pixels: PixelElement

    @property
    def range(self) -> tuple[int, int]:
        """The smallest and largest value that the stored bits can hold."""
        low = -(1 << self.stored - 1) if self.signed else 0
        return low, low + (1 << self.stored) - 1


def read_pixel_format(file: DicomFile, max_pixels: int) -> PixelFormat:
    """Read the form of the pixels from the header.

    Raises
    ------
    DecodeError
        If there is no image, more than one, one in color, of another kind than a radiograph, with more
        than `max_pixels` pixels, or with samples that are not read.
    """
    pixels = _pixels(file)
    photometric = _photometric(file)
    rows, columns = file.integer("Rows"), file.integer("Columns")
    if rows < 1 or columns < 1:
        raise DecodeError(f"a DICOM image of {columns} x {rows} pixels; export it again")
    if rows * columns > max_pixels:
        raise DecodeError(f"{columns} x {rows} pixels, more than the limit of {max_pixels:,}")
    allocated, stored = _bits(file)
    return PixelFormat(
        rows,
        columns,
        allocated,
        stored,
        signed=bool(file.integer("PixelRepresentation", 0)),
        inverted=photometric == "MONOCHROME1" or file.text("PresentationLUTShape") == "INVERSE",
        pixels=pixels,
    )


def _pixels(file: DicomFile) -> PixelElement:
    if file.sop_class in _NO_RADIOGRAPH:
        raise DecodeError(f"a DICOM file of {_NO_RADIOGRAPH[file.sop_class]}, not a radiograph; leave it out")
    if file.sop_class in _FOR_PROCESSING or file.text("PresentationIntentType") == "FOR PROCESSING":
        raise DecodeError(
            "a DICOM file for processing, not for presentation; export the image for presentation"
        )
    if file.pixels is None:
        name = f" ({file.class_name})" if file.class_name else ""
        raise DecodeError(
            f"a DICOM file without an image{name}, or cut off before it; leave it out, or copy it again"
        )
    if file.pixels.tag != PIXEL_DATA:
        raise DecodeError(
            "a DICOM file with floating-point pixels, which are not read; export it as integers"
        )
    frames = file.integer("NumberOfFrames", 1)
    if frames > 1:
        raise DecodeError(f"a DICOM file with {frames} frames; save each as a file of its own")
    return file.pixels


def _photometric(file: DicomFile) -> str:
    photometric = file.text("PhotometricInterpretation")
    if photometric.startswith(_COLOR) or file.integer("SamplesPerPixel", 1) != 1:
        raise DecodeError("a DICOM image in color, which is not read; export it as gray (MONOCHROME2)")
    if photometric not in _GRAY:
        raise DecodeError(
            "a DICOM image that says neither MONOCHROME1 nor MONOCHROME2; its grays are not known"
        )
    return photometric


def _bits(file: DicomFile) -> tuple[int, int]:
    """Allow cells of 1, 8 and 16 bits, in use from the lowest bit up."""
    allocated = file.integer("BitsAllocated")
    stored = file.integer("BitsStored", allocated)
    if allocated not in {1, 8, 16} or not 1 <= stored <= allocated:
        raise DecodeError(
            f"a DICOM image with {stored} of {allocated} bits a sample, which is not read; "
            "export it with 8 or 16"
        )
    # A codestream brings its samples along from the lowest bit up, whatever the high bit is said to be.
    in_cells = file.syntax.native or file.syntax is Syntax.RLE
    if in_cells and file.integer("HighBit", stored - 1) != stored - 1:
        raise DecodeError("a DICOM image whose high bit is not that of its stored bits; export it again")
    return allocated, stored
