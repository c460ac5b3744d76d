"""The index.csv layout: one row per image, one column of mask files per class."""

from __future__ import annotations

import math
import re
import struct
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from ...errors import InputError
from ...machine.paths import printable
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

    Blanks around column names and text do not count. The types of other columns are inferred.

    Raises
    ------
    InputError
        If it cannot be read, has no column `image` or `patient_id` or an empty cell in one of them, lists an
        image twice (also under two spellings of its path), or has folds that are not whole numbers.
    """
    names = read_header(path)
    if len(names) == 1 and re.search(r"[;\t]", names[0]):
        raise InputError(f"{path}: its columns are not separated by commas; save it as CSV with commas")
    require_columns(path, names, ("image", "patient_id"))
    if repeated := [name for name, count in Counter(names).items() if count > 1]:
        raise InputError(f"{path}: the column {repeated[0]!r} occurs twice; keep one")
    text = [
        name
        for name in names
        if name.startswith(_MASK) or name in {"image", "patient_id", "fold", *_LICENSE_COLUMNS}
    ]
    table = read_csv(path, types=dict.fromkeys(text, pa.string()), columns=names)
    for name in text:
        table = table.set_column(names.index(name), name, _stripped(table[name]))
    for name in ("image", "patient_id"):
        if table[name].null_count:
            row = table[name].is_null().to_pylist().index(True) + 2
            raise InputError(f"{path}: row {row}: {name} is empty")
    images = _check_listed_once(path, table["image"].to_pylist())
    table = table.set_column(names.index("image"), "image", pa.array(images, pa.string()))
    if "fold" in names:
        table = table.set_column(names.index("fold"), "fold", _folds(path, table["fold"].to_pylist()))
    return table


def _stripped(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """Remove blanks around text; text that is empty then becomes null."""
    trimmed = pc.utf8_trim_whitespace(column)
    return pc.if_else(pc.equal(trimmed, ""), None, trimmed)


def _check_listed_once(path: Path, images: Sequence[str]) -> list[str]:
    """Return the paths in one spelling each."""
    spellings: dict[str, list[str]] = {}
    for image in images:
        spellings.setdefault(_with_slashes(path.parent, image), []).append(image)
    for listed in spellings.values():
        if len(listed) > 1:
            names = " and ".join(dict.fromkeys(listed))
            raise InputError(f"{path}: {names} is listed {len(listed)} times; keep one row per image")
    return list(spellings)


def _folds(path: Path, cells: Sequence[str | None]) -> pa.Array:
    """Convert folds to integers; tables that pandas has written hold 0.0 for 0."""
    folds: list[int | None] = []
    for row, cell in enumerate(cells, start=2):
        try:
            number = None if cell is None else float(cell)
        except ValueError:
            number = math.nan
        if number is not None and not number.is_integer():
            raise InputError(
                f"{path}: row {row}: the column fold takes whole numbers, such as 0 to 4, not {cell!r}; "
                "images with the number given by --fold are for validation"
            )
        folds.append(None if number is None else int(number))
    return pa.array(folds, pa.int64())


def _with_slashes(root: Path, name: str) -> str:
    r"""Return a path of the table in one spelling, with `/`; tables made on Windows may have `\`."""
    if "\\" in name and not (root / name).is_file():
        name = name.replace("\\", "/")
    return PurePosixPath(name).as_posix()


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
    return Dataset(printable(root.resolve().name), root, chosen, records, license_text, notes)


def mask_classes(path: Path) -> tuple[str, ...]:
    """Return the classes that an index.csv has a column of masks for."""
    return tuple(_with_masks(read_header(path)))


def _with_masks(columns: Sequence[str]) -> list[str]:
    return [name.removeprefix(_MASK) for name in columns if name.startswith(_MASK)]


def _classes(path: Path, columns: Sequence[str], classes: Sequence[str] | None) -> tuple[str, ...]:
    """Return the requested classes, or the only one in the table."""
    available = _with_masks(columns)
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
    key = row["image"]
    if (
        PurePosixPath(key).is_absolute()
        or PureWindowsPath(key).is_absolute()
        or ".." in PurePosixPath(key).parts
    ):
        raise InputError(f"{where}: {key} is outside the data set's folder")
    path = root / key
    if not path.is_file():
        raise InputError(f"{where}: the image {key} does not exist")
    paths = {name: None if mask is None else root / _with_slashes(root, mask) for name, mask in masks.items()}
    for mask in filter(None, paths.values()):
        _check_mask(where, mask, path)
    return Record(key, path, row["patient_id"], paths, row.get("fold"), _text(row.get("finding")))


def _text(value: Any) -> str | None:
    """Return a cell of any type as text; findings may be 0 and 1, or true and false."""
    return None if value is None else str(value)


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
