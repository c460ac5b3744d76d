"""DICOM Segmentations of a data set's images: found in a folder, matched by the image that they refer to."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from ....errors import InputError
from ....machine.extras import require
from ...decode.dicom.parse import quiet
from ...decode.formats import DICOM_HEAD, is_dicom
from ..records import Record
from ..segmentation import SegmentationHeader, read_segmentation_header
from ..shapes import Segments
from .records import Annotations

DEFAULT_FOLDER = "segmentations"


class _File(NamedTuple):
    path: Path
    header: SegmentationHeader


def read_segmentations(places: Sequence[Path], records: Sequence[Record]) -> Annotations:
    """Find the Segmentations of images.

    Parameters
    ----------
    places : sequence of Path
        Files, and folders that are searched with their subfolders.
    records : sequence of Record
        The images. A DICOM image is matched by its SOPInstanceUID, any other one by its file name without
        the suffix. A class that no Segmentation of an image has a segment of is unknown there.

    Raises
    ------
    InputError
        If a place does not exist, holds no Segmentation, or a DICOM file in it cannot be read.
    MissingExtraError
        If pydicom is not installed.
    """
    require("pydicom", extra="dicom")
    files = [
        _File(path, header) for path in _dicom_files(places) if (header := read_segmentation_header(path))
    ]
    if not files:
        raise InputError(f"{' and '.join(map(str, places))}: holds no DICOM Segmentation")
    by_image: defaultdict[str, list[_File]] = defaultdict(list)
    by_name: defaultdict[str, list[_File]] = defaultdict(list)
    for file in files:
        by_name[file.path.stem].append(file)
        for image in file.header.images:
            by_image[image].append(file)
    images: dict[str, dict[str, tuple[Segments, ...]]] = {}
    used: set[Path] = set()
    for record in records:
        uid = _instance_uid(record.path)
        matched = by_image.get(uid or "")
        if matched is None:
            uid, matched = None, by_name.get(record.path.stem)
        if matched:
            images[record.key] = _by_class(matched, uid)
            used |= {file.path for file in matched}
    classes = tuple(dict.fromkeys(name for file in files for name in file.header.labels.values()))
    unused = [file.path for file in files if file.path not in used]
    notes = (
        (f"{len(unused)} DICOM Segmentations are of no image here, such as {unused[0]}",) if unused else ()
    )
    return Annotations(tuple(places), classes, images, notes=notes)


def _dicom_files(places: Sequence[Path]) -> Iterator[Path]:
    for place in places:
        if not place.exists():
            raise InputError(f"{place}: does not exist; give the folder of the DICOM Segmentations")
        for path in sorted(place.rglob("*")) if place.is_dir() else [place]:
            if path.is_file() and _starts_as_dicom(path):
                yield path


def _starts_as_dicom(path: Path) -> bool:
    with path.open("rb") as file:
        return is_dicom(file.read(DICOM_HEAD))


def _instance_uid(path: Path) -> str | None:
    """Return the SOPInstanceUID of a DICOM image; None for other images."""
    if not _starts_as_dicom(path):
        return None
    from pydicom import dcmread

    try:
        with quiet():
            header = dcmread(path, stop_before_pixels=True, specific_tags=["SOPInstanceUID"])
            return str(header.get("SOPInstanceUID") or "") or None
    except Exception as error:
        raise InputError(
            f"{path}: this DICOM image cannot be read ({type(error).__name__}); export it again"
        ) from error


def _by_class(files: Sequence[_File], uid: str | None) -> dict[str, tuple[Segments, ...]]:
    found: dict[str, tuple[Segments, ...]] = {}
    for file in files:
        for name in dict.fromkeys(file.header.labels.values()):
            found[name] = (*found.get(name, ()), Segments(file.path, name, uid))
    return found
