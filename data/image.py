"""The decoded radiograph that preprocessing and every later step work on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

import numpy as np
import numpy.typing as npt

Gray = npt.NDArray[np.uint8]


class GrayFrom(StrEnum):
    """What the gray values of an image were computed from; `docs/dicom.md` has the rule."""

    STORED = "stored"
    """8-bit values, unchanged."""
    VOI_LUT = "voi lut"
    """A VOI look-up table of the DICOM header."""
    WINDOW = "window"
    """A window of the DICOM header."""
    STATED_RANGE = "stated range"
    """The smallest and largest pixel value of the DICOM header."""
    FULL_RANGE = "full range"
    """All values that the declared bits, or the modality look-up table, can have."""
    SIGNIFICANT_BITS = "significant bits"
    """All values that the significant bits of a PNG can have."""
    RANGE_IN_USE = "range in use"
    """The values that the pixels have, because nothing that the header states fits them."""

    def nth(self, index: int) -> str:
        """Return the text for one of several, from 0: `window`, `window 2`, `window 3`."""
        return f"{self} {index + 1}" if index else str(self)


class Note(StrEnum):
    """What is unusual about an image that was decoded nevertheless."""

    NEARLY_ONE_GRAY = "nearly one gray value"
    COLORS = "a color image"
    OTHER_BODY_PART = "another body part than the chest, by its header"
    LATERAL_VIEW = "a lateral view, by its header"


@dataclass(frozen=True)
class Radiograph:
    """One decoded radiograph.

    Attributes
    ----------
    pixels : ndarray of uint8, shape (height, width)
        Gray values; dense tissue is bright, as radiographs are usually displayed.
    spacing_mm : tuple of float or None
        Distance between the centers of adjacent pixels in millimeters, (vertical, horizontal); None if the
        file does not state it.
    patient_id : str or None
        Keyed hash of the patient's identifier; None if the file holds no identifier or no key was given.
    gray_from : str
        What the gray values were computed from: a `GrayFrom`, with the number of the window or table if it is
        not the first.
    notes : tuple of Note
        What is unusual about the image.
    header : mapping of str to str
        The columns that were asked for of a DICOM header, by name; empty for other formats.
    """

    pixels: Gray
    spacing_mm: tuple[float, float] | None = None
    patient_id: str | None = None
    gray_from: str = GrayFrom.STORED
    notes: tuple[Note, ...] = ()
    header: Mapping[str, str] = field(default_factory=dict)

    @property
    def height(self) -> int:
        """Number of rows."""
        return int(self.pixels.shape[0])

    @property
    def width(self) -> int:
        """Number of columns."""
        return int(self.pixels.shape[1])
