"""The ground truth in the rows of an index.csv: mask files, polygons, and which absences are known."""

from __future__ import annotations

import json
import struct
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from ...errors import InputError
from ..decode.formats import DICOM_HEAD, PNG_SIGNATURE, is_dicom
from .polygons import polygon_of
from .shapes import Segments, Truth

MASK = "mask_"
"""Start of the name of a column of mask files."""

POLYGONS = "polygons_"
"""Start of the name of a column of polygons."""

_COMPLETE = "labels_complete"
_LUNG = "lung"


@dataclass(frozen=True)
class IndexTruths:
    """The ground truth of the chosen classes in each row.

    A class without a mask is unknown, or absent where the column `labels_complete` is 1. The latter holds for
    classes that some row with `labels_complete` has a mask of: others were not among the labels. It never
    holds for lungs, which every radiograph shows.
    """

    path: Path
    classes: tuple[str, ...]
    absent: Mapping[str, int]

    @classmethod
    def of(cls, path: Path, rows: Sequence[Mapping[str, Any]], classes: Sequence[str]) -> IndexTruths:
        """Look through the table for the classes whose absence `labels_complete` states."""
        labeled = [row for number, row in enumerate(rows, start=2) if _is_complete(path, number, row)]
        read = [name for name in classes if not any(word.startswith(_LUNG) for word in name.split("_"))]
        masked = {name: sum(_has_mask(row, name) for row in labeled) for name in read}
        absent = {name: len(labeled) - count for name, count in masked.items() if count}
        return cls(path, tuple(classes), absent)

    def of_row(self, number: int, row: Mapping[str, Any]) -> dict[str, Truth]:
        """Return the ground truth of each class in a row.

        Raises
        ------
        InputError
            If a class has both a mask file and polygons, or the polygons are none.
        """
        return {name: self._truth(number, row, name) for name in self.classes}

    def notes(self) -> tuple[str, ...]:
        """Return one line for each class whose absence is taken as known."""
        return tuple(
            f"{count} images with {_COMPLETE} = 1 and no mask of {name} are used with an empty mask"
            for name, count in self.absent.items()
            if count
        )

    def _truth(self, number: int, row: Mapping[str, Any], name: str) -> Truth:
        where = f"{self.path}: row {number}"
        file, polygons = row.get(MASK + name), row.get(POLYGONS + name)
        if file is not None and polygons is not None:
            raise InputError(f"{where}: has both a mask file and polygons of {name}; keep one")
        if name == _LUNG and str(row.get("lung_ok")) == "0":
            return None
        if polygons is not None:
            return _polygons(f"{where}: {POLYGONS}{name}", polygons)
        if file is not None:
            return _file(self.path.parent, file, name)
        return () if name in self.absent and _is_complete(self.path, number, row) else None


def classes_of(columns: Iterable[str]) -> tuple[str, ...]:
    """Return the classes that a table has a column of masks or polygons for, in the order of the table."""
    names = [
        name.removeprefix(start) for name in columns for start in (MASK, POLYGONS) if name.startswith(start)
    ]
    return tuple(dict.fromkeys(names))


def with_slashes(root: Path, name: str) -> str:
    r"""Return a path of the table in one spelling, with `/`; tables made on Windows may have `\`."""
    if "\\" in name and not (root / name).is_file():
        name = name.replace("\\", "/")
    return PurePosixPath(name).as_posix()


def check_mask_file(where: str, mask: Path, image: Path) -> None:
    """Check that a mask exists and, for PNG, has its image's size: before training, not hours into it.

    Decoding compares the sizes again, for every format.
    """
    if not mask.is_file():
        raise InputError(f"{where}: the mask {mask} does not exist")
    sizes = _png_size(image), _png_size(mask)
    if None not in sizes and sizes[0] != sizes[1]:
        (width, height), (mask_width, mask_height) = sizes  # type: ignore[misc]
        raise InputError(
            f"{where}: the mask {mask} is {mask_width} x {mask_height} pixels, "
            f"but its image is {width} x {height}"
        )


def _has_mask(row: Mapping[str, Any], name: str) -> bool:
    return row.get(MASK + name) is not None or row.get(POLYGONS + name) is not None


def _is_complete(path: Path, number: int, row: Mapping[str, Any]) -> bool:
    value = row.get(_COMPLETE)
    if value not in (None, 0, 1):
        raise InputError(f"{path}: row {number}: the column {_COMPLETE} takes 0 or 1, not {value!r}")
    return value == 1


def _file(root: Path, name: str, class_name: str) -> Truth:
    path = root / with_slashes(root, name)
    return (Segments(path, class_name),) if _is_dicom_file(path) else path


def _is_dicom_file(path: Path) -> bool:
    """Return whether a mask is a DICOM object; one that does not exist is reported by `check_mask_file`."""
    if not path.is_file():
        return False
    with path.open("rb") as file:
        return is_dicom(file.read(DICOM_HEAD))


def _polygons(where: str, cell: str) -> Truth:
    try:
        polygons = json.loads(cell)
    except (ValueError, RecursionError) as error:
        raise InputError(f"{where}: not JSON ({error}); write [[[x, y], [x, y], [x, y]]]") from error
    if not isinstance(polygons, list):
        raise InputError(f"{where}: not a list of polygons; write [[[x, y], [x, y], [x, y]]]")
    try:
        return tuple(map(polygon_of, polygons))
    except InputError as error:
        raise InputError(f"{where}: {error}; write [[[x, y], [x, y], [x, y]]]") from error


def _png_size(path: Path) -> tuple[int, int] | None:
    """Return the width and height in a PNG's header; None for other formats."""
    with path.open("rb") as file:
        start = file.read(24)
    if len(start) < 24 or not start.startswith(PNG_SIGNATURE):
        return None
    width, height = struct.unpack(">II", start[16:])
    return width, height
