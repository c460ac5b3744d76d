"""DICOM Segmentations of a data set's images: found in a folder, matched by the image that they refer to."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import NamedTuple

from ....errors import InputError
from ....machine.extras import require
from ...decode.dicom.parse import quiet
from ...decode.formats import starts_as_dicom
from ..records import Record
from ..segmentation import SegmentationHeader, read_segmentation_header
from ..shapes import Segments
from .records import Annotations

DEFAULT_FOLDER = "segmentations"


class _File(NamedTuple):
    """A Segmentation, and its path below the place that it was found in, without the suffix."""

    path: Path
    name: PurePosixPath
    header: SegmentationHeader


def read_segmentations(places: Sequence[Path], records: Sequence[Record]) -> Annotations:
    """Find the Segmentations of images.

    Parameters
    ----------
    places : sequence of Path
        Files, and folders that are searched with their subfolders.
    records : sequence of Record
        The images. A Segmentation is of the DICOM images whose SOPInstanceUID it refers to. One that refers
        to none of these is of the image with its path, else of the one with its file name, both without
        suffix; but never of a DICOM image if it refers to another. A class that no Segmentation of an image
        has a segment of is unknown there.

    Raises
    ------
    InputError
        If a place does not exist, holds no Segmentation, or a DICOM file in it cannot be read; or if a
        Segmentation may be of two images.
    MissingExtraError
        If pydicom is not installed.
    """
    require("pydicom", extra="dicom")
    files = [
        _File(path, name, header)
        for path, name in _dicom_files(places)
        if (header := read_segmentation_header(path))
    ]
    if not files:
        raise InputError(f"{' and '.join(map(str, places))}: holds no DICOM Segmentation")
    images: dict[str, dict[str, tuple[Segments, ...]]] = {}
    unused = []
    find = _Finder.of(records)
    for file in files:
        found = find.records_of(file)
        for key, uid in found:
            _add(images.setdefault(key, {}), file, uid)
        if not found:
            unused.append(file.path)
    if not images:
        raise InputError(
            f"{' and '.join(map(str, places))}: none of its {len(files)} DICOM Segmentations is of an image "
            f"here; {files[0].path}, for example, has neither the UID nor the name of one"
        )
    classes = tuple(dict.fromkeys(name for file in files for name in file.header.labels.values()))
    notes = (
        (f"{len(unused)} DICOM Segmentations are of no image here, such as {unused[0]}",) if unused else ()
    )
    return Annotations(tuple(places), classes, images, notes=notes)


@dataclass(frozen=True)
class _Finder:
    """Finds the images of Segmentations: keys of records by SOPInstanceUID, by path and by file name."""

    by_uid: Mapping[str, Sequence[str]]
    by_path: Mapping[str, Sequence[str]]
    by_name: Mapping[str, Sequence[str]]
    dicom: frozenset[str]

    @classmethod
    def of(cls, records: Sequence[Record]) -> _Finder:
        by_uid, by_path, by_name = (defaultdict[str, list[str]](list) for _ in range(3))
        for record in records:
            path = PurePosixPath(record.key)
            by_path[str(path.with_suffix(""))].append(record.key)
            by_name[path.stem].append(record.key)
            if uid := _instance_uid(record.path):
                by_uid[uid].append(record.key)
        return cls(by_uid, by_path, by_name, frozenset(key for keys in by_uid.values() for key in keys))

    def records_of(self, file: _File) -> Sequence[tuple[str, str | None]]:
        """Return the keys of a Segmentation's images, each with the UID of its frames, None for all frames.

        Raises
        ------
        InputError
            If it refers to none of the images, and may be of two by its name.
        """
        by_uid = [
            (key, uid) for uid in sorted(file.header.images & self.by_uid.keys()) for key in self.by_uid[uid]
        ]
        if by_uid:
            return by_uid
        for keys in (self.by_path.get(str(file.name), ()), self.by_name.get(file.name.name, ())):
            named = [key for key in keys if not (file.header.images and key in self.dicom)]
            if len(named) > 1:
                raise InputError(
                    f"{file.path}: may be of {named[0]} or {named[1]}; give it the path of its image"
                )
            if named:
                return [(named[0], None)]
        return []


def _dicom_files(places: Sequence[Path]) -> Iterator[tuple[Path, PurePosixPath]]:
    for place in places:
        if not place.exists():
            raise InputError(f"{place}: does not exist; give the folder of the DICOM Segmentations")
        for path in sorted(place.rglob("*")) if place.is_dir() else [place]:
            if path.is_file() and starts_as_dicom(path):
                name = path.relative_to(place) if place.is_dir() else Path(path.name)
                yield path, PurePosixPath(name.with_suffix("").as_posix())


def _instance_uid(path: Path) -> str | None:
    """Return the SOPInstanceUID of a DICOM image; None for other images."""
    if not starts_as_dicom(path):
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


def _add(truths: dict[str, tuple[Segments, ...]], file: _File, uid: str | None) -> None:
    """Add the classes of a Segmentation to those of an image."""
    for name in dict.fromkeys(file.header.labels.values()):
        truths[name] = (*truths.get(name, ()), Segments(file.path, name, uid))
