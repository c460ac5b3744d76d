"""The decoded radiograph that preprocessing and every later step work on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

Gray = npt.NDArray[np.uint8]


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
    header : mapping of str to str
        The columns that were asked for of a DICOM header, by name; empty for other formats.
    """

    pixels: Gray
    spacing_mm: tuple[float, float] | None = None
    patient_id: str | None = None
    header: Mapping[str, str] = field(default_factory=dict)

    @property
    def height(self) -> int:
        """Number of rows."""
        return int(self.pixels.shape[0])

    @property
    def width(self) -> int:
        """Number of columns."""
        return int(self.pixels.shape[1])
