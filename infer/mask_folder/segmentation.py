"""Read a DICOM Segmentation object as one mask per class."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from ...data.decode.dicom.parse import quiet
from ...data.decode.options import DecodeOptions
from ...data.image import Gray
from ...errors import DecodeError
from ...machine.extras import require
from .records import NotAMaskError

if TYPE_CHECKING:
    from highdicom.seg import Segmentation
    from pydicom import Dataset

# Segmentation Storage and Label Map Segmentation Storage (PS3.4, B.5).
_SOP_CLASSES = ("1.2.840.10008.5.1.4.1.1.66.4", "1.2.840.10008.5.1.4.1.1.66.7")


def read_segments(path: Path, options: DecodeOptions) -> dict[str, Gray]:
    """Read the segments of a DICOM Segmentation of one image.

    Parameters
    ----------
    path : Path
    options : DecodeOptions
        Limits of bytes and pixels.

    Returns
    -------
    dict of str to ndarray of uint8, shape (rows, columns), 0 or 1
        By the label of the segment; segments of the same label count as one class. A segment without a frame
        is empty.

    Raises
    ------
    DecodeError
        If it is damaged, covers several images, or holds other values than 0 and 1. Its message starts with
        the path and quotes nothing of the header that may identify a person.
    NotAMaskError
        If it is another DICOM object.
    MissingExtraError
        If highdicom is not installed.
    """
    highdicom = require("highdicom", extra="dicom")
    from pydicom import dcmread

    with _errors_with_path(path), quiet():
        _check_header(dcmread(path, stop_before_pixels=True), path, options)
        segmentation: Segmentation = highdicom.seg.segread(path)
        return _by_label(segmentation, _pixels(segmentation))


@contextmanager
def _errors_with_path(path: Path) -> Iterator[None]:
    """Name the file in errors, and turn whatever the libraries raise on damaged bytes into a DecodeError."""
    try:
        yield
    except (DecodeError, NotAMaskError) as error:
        raise type(error)(f"{path}: {error}") from error
    except MemoryError:
        raise
    except OSError as error:
        raise DecodeError(f"{path}: cannot be read ({error.strerror or error})") from error
    except Exception as error:
        raise DecodeError(
            f"{path}: a DICOM file that cannot be read as a Segmentation ({type(error).__name__}); "
            "export it again, or as PNG"
        ) from error


def _check_header(header: Dataset, path: Path, options: DecodeOptions) -> None:
    """Check the kind and the size before pixels are read."""
    if header.get("SOPClassUID") not in _SOP_CLASSES:
        raise NotAMaskError("a DICOM file that is no Segmentation; give images with --images")
    if (size := path.stat().st_size) > options.max_bytes:
        raise DecodeError(f"a file of {size:,} bytes, more than the limit of {options.max_bytes:,}")
    if header.Rows * header.Columns > options.max_pixels:
        raise DecodeError(
            f"{header.Columns} x {header.Rows} pixels, more than the limit of {options.max_pixels:,}"
        )


def _pixels(segmentation: Segmentation) -> npt.NDArray[Any]:
    """Return the pixels of all segments, (rows, columns, segments)."""
    sources = [instance for _, _, instance in segmentation.get_source_image_uids()]
    if len(sources) != 1:
        raise DecodeError(f"a DICOM Segmentation of {len(sources)} images; export one for each image")
    # An object that leaves out empty frames, or does not state that pixels keep their place, is the rule.
    pixels: npt.NDArray[Any] = segmentation.get_pixels_by_source_instance(
        sources,
        combine_segments=False,
        ignore_spatial_locations=True,
        assert_missing_frames_are_empty=True,
    )[0]
    if not np.isin(pixels, (0, 1)).all():
        raise DecodeError("a DICOM Segmentation of fractions, not of 0 and 1; apply a threshold")
    return pixels


def _by_label(segmentation: Segmentation, pixels: npt.NDArray[Any]) -> dict[str, Gray]:
    masks: dict[str, Gray] = {}
    for index, number in enumerate(segmentation.segment_numbers):
        label = str(segmentation.get_segment_description(number).segment_label)
        mask = np.ascontiguousarray(pixels[..., index], np.uint8)
        masks[label] = mask | masks[label] if label in masks else mask
    return masks
