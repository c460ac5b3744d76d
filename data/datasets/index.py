"""The index.csv layout: one row per image, one column of mask files per class."""

from __future__ import annotations

import struct
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import Any

import pyarrow as pa

from ...errors import InputError
from ..decode.formats import PNG_SIGNATURE
from ..tables import read_csv, read_header, require_columns
from .records import Dataset, Record

INDEX = "index.csv"
_MASK = "mask_"
_LICENSE_COLUMNS = ("license", "licence")
_MAX_LICENSE_LENGTH = 70
_MAX_LICENSES = 4


def read_index(path: Path) -> pa.Table:
    """Read an index.csv: `image`, `patient_id` and file names as strings, `fold` as integers.

    The types of other columns are inferred.

    Raises
    ------
    InputError
        If it cannot be read, has no column `image` or `patient_id` or an empty cell in one of them, or lists
        an image twice.
    """
    names = read_header(path)
    require_columns(path, names, ("image", "patient_id"))
    as_text = [
        name for name in names if name.startswith(_MASK) or name in {"image", "patient_id", *_LICENSE_COLUMNS}
    ]
    types = dict.fromkeys(as_text, pa.string()) | {"fold": pa.int64()}
    table = read_csv(path, types={name: types[name] for name in names if name in types})
    for name in ("image", "patient_id"):
        if table[name].null_count:
            row = table[name].is_null().to_pylist().index(True) + 2
            raise InputError(f"{path}: row {row}: {name} is empty")
    image, count = Counter(table["image"].to_pylist()).most_common(1)[0] if table.num_rows else ("", 0)
    if count > 1:
        raise InputError(f"{path}: {image} is listed {count} times; keep one row per image")
    return table


def open_index(
    root: Path, *, classes: Sequence[str] | None = None, findings: Sequence[str] | None = None
) -> Dataset:
    """Open a folder in the index.csv layout; see `open_dataset`."""
    path = root / INDEX
    if findings:
        raise InputError(f"{path}: findings select boxes of the NIH layout only; select classes here")
    table = read_index(path)
    chosen = _classes(path, table.column_names, classes)
    rows = table.to_pylist()
    records = tuple(
        _record(root, number, row, masks)
        for number, row in enumerate(rows, start=2)
        if any((masks := _masks(row, chosen)).values())
    )
    if not records:
        raise InputError(f"{path}: no row has a mask of {', '.join(chosen)}")
    skipped = len(rows) - len(records)
    notes = (f"{skipped} images without a mask of {', '.join(chosen)} are skipped",) if skipped else ()
    used = {record.key for record in records}
    license_text = _summarize_licenses([_license_of(row) for row in rows if row["image"] in used])
    return Dataset(root.resolve().name, root, chosen, records, license_text, notes)


def _classes(path: Path, columns: Sequence[str], classes: Sequence[str] | None) -> tuple[str, ...]:
    """Return the requested classes, or the only one in the table."""
    available = [name.removeprefix(_MASK) for name in columns if name.startswith(_MASK)]
    if classes is None and len(available) != 1:
        named = ", ".join(available) or "none"
        raise InputError(
            f"{path}: choose the classes to use with --classes; this table has masks of: {named}"
        )
    chosen = tuple(dict.fromkeys(classes or available))
    require_columns(path, columns, [_MASK + name for name in chosen])
    return chosen


def _masks(row: Mapping[str, Any], classes: Sequence[str]) -> dict[str, str | None]:
    """Return the mask file of each class; None if the row has none, or marks the lungs as incomplete."""
    masks = {name: row[_MASK + name] for name in classes}
    if "lung" in masks and str(row.get("lung_ok")) == "0":
        masks["lung"] = None
    return masks


def _record(root: Path, number: int, row: Mapping[str, Any], masks: Mapping[str, str | None]) -> Record:
    where = f"{root / INDEX}: row {number}"
    image = row["image"]
    if PurePosixPath(image).is_absolute() or ".." in PurePosixPath(image).parts:
        raise InputError(f"{where}: {image} is outside the data set's folder")
    key = PurePosixPath(image).as_posix()
    path = root / key
    if not path.is_file():
        raise InputError(f"{where}: the image {image} does not exist")
    paths = {name: None if mask is None else root / mask for name, mask in masks.items()}
    for mask in filter(None, paths.values()):
        _check_mask(where, mask, path)
    return Record(key, path, row["patient_id"], paths, row.get("fold"), row.get("finding"))


def _check_mask(where: str, mask: Path, image: Path) -> None:
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


def _png_size(path: Path) -> tuple[int, int] | None:
    """Return the width and height in a PNG's header; None for other formats."""
    with path.open("rb") as file:
        start = file.read(24)
    if len(start) < 24 or not start.startswith(PNG_SIGNATURE):
        return None
    width, height = struct.unpack(">II", start[16:])
    return width, height


def _license_of(row: Mapping[str, Any]) -> str | None:
    return next((row[name] for name in _LICENSE_COLUMNS if row.get(name)), None)


def _summarize_licenses(values: Sequence[str | None]) -> str:
    """List the distinct licenses of the images, most frequent first, shortened."""
    counts = Counter(value for value in values if value)
    named = [
        name if len(name) <= _MAX_LICENSE_LENGTH else name[: _MAX_LICENSE_LENGTH - 1] + "…"
        for name, _ in counts.most_common()
    ]
    if not named:
        return "not stated"
    more = len(named) - _MAX_LICENSES
    return "; ".join(named[:_MAX_LICENSES]) + (f"; and {more} more" if more > 0 else "")
