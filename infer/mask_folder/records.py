"""The records of measuring masks: the mask files, the images they belong to, and what was measured."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from ...errors import InputError
from ..records import ImageFile


class NotAMaskError(InputError):
    """A readable file that is no mask: most probably a radiograph."""


@dataclass(frozen=True)
class MaskFile:
    """One mask file.

    Attributes
    ----------
    file : ImageFile
        Its key is the path relative to the folder of masks.
    name : str
        The path relative to the folder of its class: the name by which its image is found.
    class_name : str or None
        None if the file itself names its classes: a label image, or a DICOM Segmentation.
    """

    file: ImageFile
    name: str
    class_name: str | None


@dataclass(frozen=True)
class MaskedImage:
    """An image and its masks.

    Attributes
    ----------
    key : str
        The image's name in the tables.
    image : ImageFile or None
        None if no folder of images was given.
    masks : tuple of MaskFile
        In the order of the classes.
    """

    key: str
    image: ImageFile | None
    masks: tuple[MaskFile, ...]

    @property
    def path(self) -> Path:
        """The image's file, or in its place the first mask's."""
        return (self.image or self.masks[0].file).path


@dataclass(frozen=True)
class MeasuredImage:
    """What was measured on one image.

    Attributes
    ----------
    key, patient_id : str
    size : tuple of int
        Width and height.
    spacing_mm : tuple of float or None
    gray_from : str
        Empty if the image itself was not read.
    classes : tuple of str
        The classes that have a mask.
    features : mapping of str to float
        The columns of these classes.
    component_lines : str
        The image's lines of `components.csv`.
    """

    key: str
    patient_id: str
    size: tuple[int, int]
    spacing_mm: tuple[float, float] | None
    gray_from: str
    classes: tuple[str, ...]
    features: Mapping[str, float]
    component_lines: str
