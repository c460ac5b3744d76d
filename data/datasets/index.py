"""The index.csv layout: one row per image, one column of mask files or polygons per class."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from ...errors import InputError
from ...machine.paths import printable
from ..tables import read_csv, read_header, require_columns
from .index_truths import MASK, POLYGONS, IndexTruths, check_mask_files, classes_of, with_slashes
from .licenses import LICENSE_COLUMNS, license_of, summarize_licenses
from .records import Dataset, Record
from .shapes import Truth

INDEX = "index.csv"


def read_index(path: Path, *, text: Sequence[str] = ()) -> pa.Table:
    """Read an index.csv: `image`, `patient_id` and file names as strings, `fold` as integers.

    Blanks around column names and text do not count. The columns `text` are strings too; the types of others
    are inferred.

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
    as_text = {"image", "patient_id", "fold", *LICENSE_COLUMNS, *text}
    strings = [name for name in names if name.startswith((MASK, POLYGONS)) or name in as_text]
    table = read_csv(path, types=dict.fromkeys(strings, pa.string()), columns=names)
    for name in strings:
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
        spellings.setdefault(with_slashes(path.parent, image), []).append(image)
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
    truths = IndexTruths.of(path, rows, chosen)
    numbered = [(number, row, truths.of_row(number, row)) for number, row in enumerate(rows, start=2)]
    used = [one for one in numbered if any(mask is not None for mask in one[2].values())]
    if not used:
        raise InputError(f"{path}: no row has a mask of {', '.join(chosen)}")
    records = tuple(_record(root, number, row, masks) for number, row, masks in used)
    skipped = len(rows) - len(records)
    notes = (f"{skipped} images without a mask of {', '.join(chosen)} are skipped",) if skipped else ()
    license_text = summarize_licenses([license_of(row) for _, row, _ in used])
    name = printable(root.resolve().name)
    return Dataset(name, root, chosen, records, license_text, (*truths.notes(), *notes))


def list_index(root: Path) -> Dataset:
    """List the images of a folder in the index.csv layout, without ground truth."""
    rows = read_index(root / INDEX).to_pylist()
    records = tuple(_record(root, number, row, {}) for number, row in enumerate(rows, start=2))
    license_text = summarize_licenses([license_of(row) for row in rows])
    return Dataset(printable(root.resolve().name), root, (), records, license_text)


def mask_classes(path: Path) -> tuple[str, ...]:
    """Return the classes that an index.csv has a column of masks or polygons for."""
    return classes_of(read_header(path))


def _classes(path: Path, columns: Sequence[str], classes: Sequence[str] | None) -> tuple[str, ...]:
    """Return the requested classes, or the only one in the table."""
    available = classes_of(columns)
    if classes is None and len(available) != 1:
        named = ", ".join(available) or "none"
        raise InputError(
            f"{path}: choose the classes to use with --classes; this table has masks of: {named}"
        )
    chosen = tuple(dict.fromkeys(classes or available))
    require_columns(path, columns, [MASK + name for name in chosen if name not in available])
    return chosen


def _record(root: Path, number: int, row: Mapping[str, Any], masks: Mapping[str, Truth]) -> Record:
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
    truths = check_mask_files(where, masks, path)
    return Record(key, path, row["patient_id"], truths, row.get("fold"), _text(row.get("finding")))


def _text(value: Any) -> str | None:
    """Return a cell of any type as text; findings may be 0 and 1, or true and false."""
    return None if value is None else str(value)
