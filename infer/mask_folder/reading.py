"""Read a mask file: a mask of one class, a label image, or a DICOM Segmentation."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from ...data.decode.formats import starts_as_dicom
from ...data.decode.options import DecodeOptions
from ...data.decode.reader import read_samples, to_mask
from ...data.image import Gray
from ...errors import InputError
from .config import check_class_name
from .records import NotAMaskError
from .segmentation import read_segments

Content = npt.NDArray[Any] | Mapping[str, Gray]
"""The samples of an image file, or the masks of a DICOM Segmentation by the labels of its segments."""


def read_content(path: Path, options: DecodeOptions) -> Content:
    """Read a mask file; what it means is for `masks_of`.

    Raises
    ------
    DecodeError
        If it cannot be read; the message starts with the path.
    NotAMaskError
        If it is a DICOM object other than a Segmentation.
    MissingExtraError
        If it is DICOM and pydicom is not installed.
    """
    return read_segments(path, options) if starts_as_dicom(path) else read_samples(path, options)


def masks_of(content: Content, class_name: str | None, values: Mapping[int, str] | None) -> dict[str, Gray]:
    """Return the mask of each class in a file, uint8 of 0 or 1.

    Parameters
    ----------
    content : Content
    class_name : str or None
        The class of a mask. A DICOM Segmentation of one class gets this name.
    values : mapping of int to str, or None
        The classes of the values of a label image.

    Raises
    ------
    NotAMaskError
        If it holds other values.
    InputError
        If its classes contradict the arguments. No message names the file.
    """
    if isinstance(content, Mapping):
        return _renamed(content, class_name, values)
    if values is not None:
        return _masks_by_value(content, values)
    if class_name is None:
        raise NotAMaskError("is named as a DICOM Segmentation, but is another image; name it by its format")
    try:
        return {class_name: to_mask(content)}
    except InputError as error:
        raise NotAMaskError(str(error)) from error


def _renamed(
    segments: Mapping[str, Gray], class_name: str | None, values: Mapping[int, str] | None
) -> dict[str, Gray]:
    if values is not None:
        raise InputError("a DICOM Segmentation names its classes itself; leave out --values")
    if class_name is None:
        for name in segments:
            check_class_name(name)
        return dict(segments)
    if len(segments) > 1:
        raise InputError(f"holds the classes {', '.join(segments)}, not only {class_name}; leave out --class")
    (mask,) = segments.values()
    return {class_name: mask}


def _masks_by_value(labels: npt.NDArray[Any], values: Mapping[int, str]) -> dict[str, Gray]:
    if labels.ndim == 3:
        raise NotAMaskError("a label image in color or with a palette; save its values as gray")
    if unnamed := sorted(set(np.unique(labels).tolist()) - {0, *values}):
        shown = ", ".join(f"{value:g}" for value in unnamed[:3])
        raise NotAMaskError(
            f"holds {len(unnamed)} values without a class ({shown}{', ...' * (len(unnamed) > 3)}); "
            "name every value with --values, for example 1=lung,2=lesion"
        )
    return {
        name: np.isin(labels, [value for value, other in values.items() if other == name]).astype(np.uint8)
        for name in dict.fromkeys(values.values())
    }
