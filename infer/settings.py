"""What a run over a folder is asked to write, and how."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path

from ..data.decode.options import DecodeOptions


@dataclass(frozen=True)
class Settings:
    """What a run does with each image, beside the model.

    Attributes
    ----------
    threshold : float or None
        In place of the card's, for every class.
    min_area : int
        Components of fewer pixels are dropped.
    masks : MaskFormat or None
        How masks are written; None: they are not.
    overlays : bool
        Whether the images are written with outlines on them.
    reading : DecodeOptions
        How files are read.
    """

    out: Path
    threshold: float | None = None
    min_area: int = 0
    masks: MaskFormat | None = None
    overlays: bool = False
    reading: DecodeOptions = field(default_factory=DecodeOptions)


class MaskFormat(StrEnum):
    """How masks are written."""

    PNG = "png"
    """A file an image and class, one bit a pixel."""
    RLE = "rle"
    """A row an image and class in `masks.csv`."""
    DICOM_SEG = "dicom-seg"
    """A DICOM Segmentation object an image, which belongs to the image's study."""
