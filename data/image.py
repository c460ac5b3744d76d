"""The record that decoding gives and every later step takes."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Gray = npt.NDArray[np.uint8]


@dataclass(frozen=True)
class Radiograph:
    """One radiograph, decoded.

    Attributes
    ----------
    pixels : ndarray of uint8, shape (height, width)
        Gray values; bright is dense, as on an image shown in the usual way.
    spacing_mm : tuple of float or None
        Distance of two pixels' centers in millimetres, (down, across); None where the file does not say.
    patient_id : str or None
        Who is shown, where the file itself says so (hashed); None elsewhere.
    """

    pixels: Gray
    spacing_mm: tuple[float, float] | None = None
    patient_id: str | None = None

    @property
    def height(self) -> int:
        """Rows of the image."""
        return int(self.pixels.shape[0])

    @property
    def width(self) -> int:
        """Columns of the image."""
        return int(self.pixels.shape[1])
