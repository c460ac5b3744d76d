"""What an annotation file says, whatever its format: shapes by image and class."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from ..shapes import Shape

Truths = Mapping[str, tuple[Shape, ...]]
"""The shapes of each class in one image; a class that is missing is unknown there."""


class AnnotationFormat(StrEnum):
    """The formats of annotation files."""

    CHESTX_DET = "chestx-det"
    """Polygons of 13 findings on NIH images (Deepwise ChestX-Det)."""
    COCO = "coco"
    """COCO's JSON of instances: polygons and run lengths."""
    RLE = "rle"
    """A table `ImageId,EncodedPixels`, whose form is recognized."""
    RLE_KAGGLE = "rle-kaggle"
    """The same, with starts counted from the image's first pixel."""
    RLE_SIIM = "rle-siim"
    """The same, with starts counted from the end of the run before."""
    DICOM_SEG = "dicom-seg"
    """DICOM Segmentations of the images."""


@dataclass(frozen=True)
class Annotations:
    """The content of the annotation files of a data set.

    Attributes
    ----------
    files : tuple of Path
        For messages.
    classes : tuple of str
        What was annotated, whether or not an image shows it.
    images : mapping of str to Truths
        By the image's name as the files have it: a path, a file name, or either without its suffix.
    license : str or None
    notes : tuple of str
        For the user, one line each.
    """

    files: tuple[Path, ...]
    classes: tuple[str, ...]
    images: Mapping[str, Truths]
    license: str | None = None
    notes: tuple[str, ...] = ()

    @property
    def source(self) -> str:
        """The files in a message."""
        return " and ".join(map(str, self.files))
