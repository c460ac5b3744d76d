"""Read the masks in a DICOM Segmentation, of the frames that belong to one image."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ...errors import DecodeError, InputError
from ...machine.extras import require
from ..decode.dicom.parse import quiet
from ..decode.options import MAX_BYTES, DecodeOptions
from ..image import Gray
from .class_names import class_name_of
from .shapes import Segments

if TYPE_CHECKING:
    from pydicom import Dataset

# Segmentation Storage and Label Map Segmentation Storage (PS3.4, B.5).
_SOP_CLASSES = ("1.2.840.10008.5.1.4.1.1.66.4", "1.2.840.10008.5.1.4.1.1.66.7")
_LABEL_MAP = "LABELMAP"


class NotASegmentationError(DecodeError):
    """A DICOM file that is another object."""


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


@dataclass(frozen=True)
class _Frame:
    """The segment of a frame (None in a label map), and the images that it was derived from."""

    segment: int | None
    images: frozenset[str]


@dataclass(frozen=True)
class _Header:
    """The labels of segments by number, the frames in order, and all images that are referred to."""

    labels: Mapping[int, str]
    frames: tuple[_Frame, ...]
    images: frozenset[str]

    @classmethod
    def of(cls, dataset: Dataset) -> _Header:
        frames = tuple(_frames(dataset))
        referred = frozenset().union(*(frame.images for frame in frames)) | _referenced_images(dataset)
        return cls(_labels(dataset), frames, referred)

    def frames_of(self, image_uid: str | None) -> list[tuple[int, _Frame]]:
        """Return the frames of an image, with their indices."""
        if len(self.images) > 1 and (image_uid is None or not all(frame.images for frame in self.frames)):
            raise DecodeError(
                f"a DICOM Segmentation of {len(self.images)} images, whose frames cannot be told apart here; "
                "export one for each image"
            )
        return [
            (index, frame)
            for index, frame in enumerate(self.frames)
            if image_uid is None or not frame.images or image_uid in frame.images
        ]


def read_segmentation_header(path: Path) -> SegmentationHeader | None:
    """Read the labels and the referenced images of a DICOM Segmentation; None for another DICOM object.

    Raises
    ------
    DecodeError
        If it cannot be read; it names the file and quotes nothing of its header.
    MissingExtraError
        If pydicom is not installed.
    """
    with _errors_with_path(path), quiet():
        try:
            header = _Header.of(_read(path, MAX_BYTES, with_pixels=False))
        except NotASegmentationError:
            return None
    return SegmentationHeader(
        {number: class_name_of(label) for number, label in header.labels.items()}, header.images
    )


def read_segments(path: Path, options: DecodeOptions, image_uid: str | None = None) -> dict[str, Gray]:
    """Read the segments of one image in a DICOM Segmentation.

    Parameters
    ----------
    path : Path
    options : DecodeOptions
        Limits of bytes and pixels.
    image_uid : str or None
        SOPInstanceUID of the image; None: the object must be of one image only.

    Returns
    -------
    dict of str to ndarray of uint8, shape (rows, columns), 0 or 1
        By the label of the segment, as it is written; segments of one label are one mask. A segment without a
        frame is empty.

    Raises
    ------
    NotASegmentationError
        If it is another DICOM object.
    DecodeError
        If it cannot be read, is of several images whose frames cannot be told apart, or holds other values
        than 0 and 1. It names the file and quotes nothing of its header.
    MissingExtraError
        If pydicom is not installed.
    """
    with _errors_with_path(path):
        # Other threads wait for `quiet`, so that it must not include decoding.
        with quiet():
            dataset = _read(path, options.max_bytes, with_pixels=True)
            header = _Header.of(dataset)
        _check(dataset, header, options.max_pixels)
        return _masks(dataset, header, header.frames_of(image_uid))


ReadSegments = Callable[[Path, DecodeOptions, str | None], dict[str, Gray]]


def draw_segments(segments: Segments, mask: Gray, read: ReadSegments = read_segments) -> None:
    """Set the pixels of the segments of one label in a mask of 0 and 1.

    Parameters
    ----------
    segments : Segments
    mask : ndarray of uint8, shape (height, width)
    read : callable
        `read_segments`, or the same with a cache, for several labels of one file.

    Raises
    ------
    InputError
        If the file cannot be read, is no Segmentation of 0 and 1, is of an image of another size or of
        several images, or has several labels, but not this one; it names the file.
    MissingExtraError
        If pydicom is not installed.
    """
    found = [
        (class_name_of(label), drawn)
        for label, drawn in read(segments.path, DecodeOptions(), segments.image_uid).items()
    ]
    names = list(dict.fromkeys(name for name, _ in found))
    name = class_name_of(segments.label) if len(names) > 1 else names[0]
    if name not in names:
        raise InputError(
            f"{segments.path}: a DICOM Segmentation of {', '.join(names)}, without {segments.label}"
        )
    for drawn in (drawn for other, drawn in found if other == name):
        if drawn.shape != mask.shape:
            raise InputError(
                f"{segments.path}: this mask is {drawn.shape[1]} x {drawn.shape[0]} pixels, its image "
                f"{mask.shape[1]} x {mask.shape[0]}; save it with the size of its image"
            )
        mask |= drawn


@contextmanager
def _errors_with_path(path: Path) -> Iterator[None]:
    """Name the file in errors, and turn whatever pydicom raises on damaged bytes into a DecodeError."""
    require("pydicom", extra="dicom")
    try:
        yield
    except DecodeError as error:
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


def _read(path: Path, max_bytes: int, *, with_pixels: bool) -> Dataset:
    from pydicom import dcmread

    if (size := path.stat().st_size) > max_bytes:
        raise DecodeError(f"a file of {size:,} bytes, more than the limit of {max_bytes:,}")
    dataset = dcmread(path, stop_before_pixels=not with_pixels)
    if dataset.get("SOPClassUID") not in _SOP_CLASSES:
        raise NotASegmentationError(
            "a DICOM file that is no Segmentation; give the Segmentation of the image"
        )
    return dataset


def _check(dataset: Dataset, header: _Header, max_pixels: int) -> None:
    """Check the size before pixels are decoded."""
    rows, columns, frames = dataset.Rows, dataset.Columns, int(dataset.NumberOfFrames)
    if rows * columns > max_pixels:
        raise DecodeError(f"{columns} x {rows} pixels, more than the limit of {max_pixels:,}")
    if (pixels := frames * rows * columns) > max_pixels:
        raise DecodeError(f"{pixels:,} pixels in all its frames, more than the limit of {max_pixels:,}")
    if len(header.frames) != frames or "PixelData" not in dataset:
        raise DecodeError("a DICOM Segmentation that is cut off; export it again")
    if not header.labels:
        raise DecodeError("a DICOM Segmentation without segments; export it again")


def _labels(dataset: Dataset) -> dict[int, str]:
    return {
        int(segment.SegmentNumber): str(segment.SegmentLabel)
        for segment in dataset.SegmentSequence
        if int(segment.SegmentNumber)  # in a label map, 0 is the background
    }


def _frames(dataset: Dataset) -> Iterator[_Frame]:
    shared = list(dataset.get("SharedFunctionalGroupsSequence") or ())[:1]
    for frame in dataset.get("PerFrameFunctionalGroupsSequence") or ():
        segment = _first([frame, *shared], "SegmentIdentificationSequence")
        sources = [
            source.ReferencedSOPInstanceUID
            for derivation in _first([frame, *shared], "DerivationImageSequence")
            for source in derivation.get("SourceImageSequence") or ()
        ]
        number = int(segment[0].ReferencedSegmentNumber) if segment else None
        yield _Frame(number, frozenset(map(str, sources)))


def _first(groups: list[Dataset], keyword: str) -> list[Dataset]:
    """Return the items of a sequence from the first functional group that has it."""
    return next((list(found) for group in groups if (found := group.get(keyword))), [])


def _referenced_images(dataset: Dataset) -> frozenset[str]:
    references = [
        *(dataset.get("SourceImageSequence") or ()),
        *(
            instance
            for series in dataset.get("ReferencedSeriesSequence") or ()
            for instance in series.get("ReferencedInstanceSequence") or ()
        ),
    ]
    return frozenset(str(reference.ReferencedSOPInstanceUID) for reference in references)


def _masks(dataset: Dataset, header: _Header, frames: list[tuple[int, _Frame]]) -> dict[str, Gray]:
    """Return the mask of each label. All frames are decoded: those of 1 bit may begin within a byte."""
    shape = (dataset.Rows, dataset.Columns)
    masks: dict[str, Gray] = {label: np.zeros(shape, np.uint8) for label in header.labels.values()}
    pixels = dataset.pixel_array.reshape(-1, *shape) if frames else ()
    for index, frame in frames:
        if str(dataset.get("SegmentationType")) == _LABEL_MAP:
            for number, label in header.labels.items():
                masks[label] |= pixels[index] == number
        else:
            highest = int(dataset.get("MaximumFractionalValue") or 1)
            if not np.isin(pixels[index], (0, highest)).all():
                raise DecodeError(f"frame {index + 1} holds fractions, not 0 and 1; apply a threshold")
            if frame.segment is None or frame.segment not in header.labels:
                raise DecodeError(f"frame {index + 1} belongs to no segment; export it again")
            masks[header.labels[frame.segment]] |= pixels[index] > 0
    return masks
