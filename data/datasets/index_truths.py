"""The ground truth in the rows of an index.csv: mask files, polygons, and which absences are known."""

from __future__ import annotations

import json
import re
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
_LUNGS = re.compile(r"(left_|right_)?lungs?(_left|_right|_fields?|_with_retrocardiac|_\d+)?")
"""Names of classes that are lungs, as organs: `lung_opacity` is none."""


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
        read = [name for name in classes if not _LUNGS.fullmatch(name)]
        masked = {name: sum(_has_mask(row, name) for row in labeled) for name in read}
        absent = {name: len(labeled) - count for name, count in masked.items() if count}
        return cls(path, tuple(classes), absent)

    def of_row(self, number: int, row: Mapping[str, Any]) -> dict[str, Truth]:
        """Return the ground truth of each class in a row; mask files are for `check_mask_files`.

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
            return self.path.parent / with_slashes(self.path.parent, file)
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


def check_mask_files(where: str, truths: Mapping[str, Truth], image: Path) -> dict[str, Truth]:
    """Check the mask files of an image, and return its ground truth with DICOM Segmentations told apart.

    A mask must exist and, for PNG, have its image's size: before training, not hours into it. Decoding
    compares the sizes again, for every format.

    Raises
    ------
    InputError
        If a mask does not exist, cannot be read, or has another size than its image.
    """
    files = {name: truth for name, truth in truths.items() if isinstance(truth, Path)}
    size = _png_size(_first_bytes(where, image)) if files else None
    return {**truths, **{name: _checked(where, path, name, size) for name, path in files.items()}}


def _checked(where: str, mask: Path, class_name: str, size: tuple[int, int] | None) -> Truth:
    if not mask.is_file():
        raise InputError(f"{where}: the mask {mask} does not exist")
    start = _first_bytes(where, mask)
    if is_dicom(start):
        return (Segments(mask, class_name),)
    mask_size = _png_size(start)
    if size is not None and mask_size is not None and size != mask_size:
        (width, height), (mask_width, mask_height) = size, mask_size
        raise InputError(
            f"{where}: the mask {mask} is {mask_width} x {mask_height} pixels, "
            f"but its image is {width} x {height}"
        )
    return mask


def _has_mask(row: Mapping[str, Any], name: str) -> bool:
    return row.get(MASK + name) is not None or row.get(POLYGONS + name) is not None


def _is_complete(path: Path, number: int, row: Mapping[str, Any]) -> bool:
    value = row.get(_COMPLETE)
    if value not in (None, 0, 1):
        raise InputError(f"{path}: row {number}: the column {_COMPLETE} takes 0 or 1, not {value!r}")
    return value == 1


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


def _first_bytes(where: str, path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            return file.read(DICOM_HEAD)
    except OSError as error:
        raise InputError(f"{where}: {path} cannot be read ({error.strerror})") from error


def _png_size(start: bytes) -> tuple[int, int] | None:
    """Return the width and height in a PNG's header; None for other formats."""
    if len(start) < 24 or not start.startswith(PNG_SIGNATURE):
        return None
    width, height = struct.unpack(">II", start[16:24])
    return width, height
