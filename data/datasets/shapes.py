"""The shapes that a mask can be drawn from: boxes, polygons, run lengths and segments of DICOM objects."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path


@dataclass(frozen=True)
class Box:
    """A bounding box in pixels of an image of `frame` x `frame` (NIH: 1024), origin at the top left."""

    x: float
    y: float
    width: float
    height: float
    frame: int


@dataclass(frozen=True)
class Polygon:
    """A closed polygon; the origin is the top left corner of the image's first pixel.

    Attributes
    ----------
    points : tuple of (x, y)
        At least three vertices, in pixels.
    frame : tuple of int, or None
        (height, width) of the image that the vertices are in pixels of; they scale with the image's own size,
        height and width independently. None: the image's own size.
    """

    points: tuple[tuple[float, float], ...]
    frame: tuple[int, int] | None = None


class RunForm(StrEnum):
    """How run lengths are written; all go down the columns, from the left column to the right."""

    COCO = "coco"
    """COCO's compressed text."""
    COUNTS = "counts"
    """Numbers: the lengths of background and foreground in turn (COCO, uncompressed)."""
    KAGGLE = "kaggle"
    """Pairs of numbers: the first pixel of a run, counted from 1, and its length."""
    SIIM = "siim"
    """Pairs of numbers: the pixels between the end of the run before and this one, and its length."""


@dataclass(frozen=True)
class RunLengths:
    """A mask as run lengths.

    Attributes
    ----------
    text : str
    form : RunForm
    size : tuple of int, or None
        (height, width) of the mask where it is stated; it must be that of the image.
    """

    text: str
    form: RunForm
    size: tuple[int, int] | None = None


@dataclass(frozen=True)
class Segments:
    """The segments of one label in a DICOM Segmentation.

    Attributes
    ----------
    path : Path
    label : str
        A file with one label only is read whatever its label.
    image_uid : str or None
        SOPInstanceUID of the image whose frames are meant; None: the object must be of one image only.
    """

    path: Path
    label: str
    image_uid: str | None = None


Shape = Box | Polygon | RunLengths | Segments

Truth = Path | tuple[Shape, ...] | None
"""Ground truth of a class in an image: a mask file, the shapes whose union it is, or None if unknown."""
