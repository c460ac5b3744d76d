"""Read the masks in a DICOM Segmentation, of the frames that belong to one image."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ...errors import InputError
from ...machine.extras import require
from ..decode.dicom.parse import quiet
from ..decode.options import MAX_BYTES
from ..image import Gray
from .class_names import class_name_of
from .shapes import Segments

if TYPE_CHECKING:
    from pydicom import Dataset

# Segmentation Storage and Label Map Segmentation Storage (PS3.4, B.5).
_SOP_CLASSES = ("1.2.840.10008.5.1.4.1.1.66.4", "1.2.840.10008.5.1.4.1.1.66.7")
_LABEL_MAP = "LABELMAP"


@dataclass(frozen=True)
class SegmentationHeader:
    """What a DICOM Segmentation is of.

    Attributes
    ----------
    labels : mapping of int to str
        The labels of the segments as names of classes, by number; a segment without a frame is empty.
    images : frozenset of str
        SOPInstanceUIDs of the images that it refers to.
    """

    labels: Mapping[int, str]
    images: frozenset[str]


def read_segmentation_header(path: Path) -> SegmentationHeader | None:
    """Read the labels and the referenced images of a DICOM Segmentation; None for another DICOM object.

    Raises
    ------
    InputError
        If it cannot be read; it names the file and quotes nothing of its header.
    MissingExtraError
        If pydicom is not installed.
    """
    with _errors_with_path(path):
        header = _read(path, with_pixels=False)
        if header.get("SOPClassUID") not in _SOP_CLASSES:
            return None
        frames = frozenset().union(*(uids for _, uids in _frames(header)))
        return SegmentationHeader(_labels(header), frames | _referenced_images(header))


def draw_segments(segments: Segments, mask: Gray) -> None:
    """Set the pixels of the segments of one label in a mask of 0 and 1.

    Raises
    ------
    InputError
        If the file cannot be read, is no Segmentation of 0 and 1, is of an image of another size or of
        several images, or has several labels, but not this one; it names the file.
    MissingExtraError
        If pydicom is not installed.
    """
    with _errors_with_path(segments.path):
        header = _read(segments.path, with_pixels=True)
        _check(header, mask.shape)
        numbers = _numbers(header, segments.label)
        chosen = _frames_of(header, numbers, segments.image_uid)
        for index, frame in _decoded(header, chosen):
            mask |= _foreground(header, index, frame, numbers)


@contextmanager
def _errors_with_path(path: Path) -> Iterator[None]:
    """Name the file in errors, and turn whatever pydicom raises on damaged bytes into an InputError."""
    require("pydicom", extra="dicom")
    try:
        with quiet():
            yield
    except InputError as error:
        raise InputError(f"{path}: {error}") from error
    except MemoryError:
        raise
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror or error})") from error
    except Exception as error:
        raise InputError(
            f"{path}: a DICOM file that cannot be read as a Segmentation ({type(error).__name__}); "
            "export it again, or as PNG"
        ) from error


def _read(path: Path, *, with_pixels: bool) -> Dataset:
    from pydicom import dcmread

    if (size := path.stat().st_size) > MAX_BYTES:
        raise InputError(f"a file of {size:,} bytes, more than the limit of {MAX_BYTES:,}")
    return dcmread(path, stop_before_pixels=not with_pixels)


def _check(header: Dataset, shape: tuple[int, ...]) -> None:
    """Check kind and size before pixels are decoded."""
    if header.get("SOPClassUID") not in _SOP_CLASSES:
        raise InputError("a DICOM file that is no Segmentation; give the Segmentation of the image")
    pixels = header.NumberOfFrames * header.Rows * header.Columns
    if pixels > MAX_BYTES:
        raise InputError(f"{pixels:,} pixels in all its frames, more than the limit of {MAX_BYTES:,}")
    if len(_frames(header)) != header.NumberOfFrames or "PixelData" not in header:
        raise InputError("a DICOM Segmentation that is cut off; export it again")
    if (header.Rows, header.Columns) != shape:
        raise InputError(
            f"this mask is {header.Columns} x {header.Rows} pixels, its image {shape[1]} x {shape[0]}; "
            "save it with the size of its image"
        )


def _labels(header: Dataset) -> dict[int, str]:
    return {
        int(segment.SegmentNumber): class_name_of(str(segment.SegmentLabel))
        for segment in header.SegmentSequence
        if int(segment.SegmentNumber)  # in a label map, 0 is the background
    }


def _numbers(header: Dataset, label: str) -> list[int]:
    """Return the numbers of the segments of a label; of all segments if there is one label only."""
    labels = _labels(header)
    if len(set(labels.values())) == 1:
        return list(labels)
    numbers = [number for number, name in labels.items() if name == class_name_of(label)]
    if not numbers:
        raise InputError(f"a DICOM Segmentation of {', '.join(labels.values())}, without {label}")
    return numbers


def _frames(header: Dataset) -> list[tuple[int | None, frozenset[str]]]:
    """Return for each frame its segment (None in a label map) and the images that it was derived from."""
    shared = list(header.get("SharedFunctionalGroupsSequence") or ())[:1]
    frames: list[tuple[int | None, frozenset[str]]] = []
    for frame in header.get("PerFrameFunctionalGroupsSequence") or ():
        segment = _first([frame, *shared], "SegmentIdentificationSequence")
        sources = [
            source.ReferencedSOPInstanceUID
            for derivation in _first([frame, *shared], "DerivationImageSequence")
            for source in derivation.get("SourceImageSequence") or ()
        ]
        number = int(segment[0].ReferencedSegmentNumber) if segment else None
        frames.append((number, frozenset(map(str, sources))))
    return frames


def _first(groups: list[Dataset], keyword: str) -> list[Dataset]:
    """Return the items of a sequence from the first functional group that has it."""
    return next((list(found) for group in groups if (found := group.get(keyword))), [])


def _referenced_images(header: Dataset) -> frozenset[str]:
    references = [
        *(header.get("SourceImageSequence") or ()),
        *(
            instance
            for series in header.get("ReferencedSeriesSequence") or ()
            for instance in series.get("ReferencedInstanceSequence") or ()
        ),
    ]
    return frozenset(str(reference.ReferencedSOPInstanceUID) for reference in references)


def _frames_of(header: Dataset, numbers: list[int], image_uid: str | None) -> list[int]:
    """Return the indices of the frames of these segments and this image."""
    frames = _frames(header)
    images = frozenset().union(*(uids for _, uids in frames)) | _referenced_images(header)
    if len(images) > 1 and (image_uid is None or not all(uids for _, uids in frames)):
        raise InputError(
            f"a DICOM Segmentation of {len(images)} images, whose frames cannot be told apart here; "
            "export one for each image"
        )
    return [
        index
        for index, (number, uids) in enumerate(frames)
        if (number is None or number in numbers) and (image_uid is None or not uids or image_uid in uids)
    ]


def _decoded(header: Dataset, frames: list[int]) -> Iterator[tuple[int, Gray]]:
    """Yield frames with their indices. All are decoded: those of 1 bit may begin within a byte."""
    if frames:
        pixels = header.pixel_array.reshape(-1, header.Rows, header.Columns)
        yield from ((index, pixels[index]) for index in frames)


def _foreground(header: Dataset, index: int, frame: Gray, numbers: list[int]) -> Gray:
    if str(header.get("SegmentationType")) == _LABEL_MAP:
        return np.isin(frame, numbers).astype(np.uint8)
    highest = int(header.get("MaximumFractionalValue") or 1)
    if not np.isin(frame, (0, highest)).all():
        raise InputError(f"frame {index + 1} holds fractions, not 0 and 1; apply a threshold")
    return (frame > 0).astype(np.uint8)
