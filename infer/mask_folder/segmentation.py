"""Read a DICOM Segmentation in a folder of masks."""

from __future__ import annotations

from pathlib import Path

from ...data.datasets import segmentation
from ...data.decode.options import DecodeOptions
from ...data.image import Gray
from .records import NotAMaskError


def read_segments(path: Path, options: DecodeOptions) -> dict[str, Gray]:
    """Read the masks of a Segmentation of one image; see `data.datasets.segmentation.read_segments`.

    Raises
    ------
    DecodeError
        If it cannot be read, or is of several images.
    NotAMaskError
        If it is another DICOM object.
    MissingExtraError
        If pydicom is not installed.
    """
    try:
        return segmentation.read_segments(path, options)
    except segmentation.NotASegmentationError as error:
        raise NotAMaskError(
            f"{path}: a DICOM file that is no Segmentation; give images with --images"
        ) from error
