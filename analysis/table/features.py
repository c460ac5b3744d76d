"""Read features.csv: one row per image, every value finite."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from ...data.column_table import Table
from ...data.columns import find_column, renamed_columns
from ...errors import InputError
from ...machine.extras import require
from ..text import some_of
from .cells import TypedTable, typed_frame
from .reading import read_table
from .roles import IMAGE, PATIENT, ColumnRoles, find_role, with_roles

if TYPE_CHECKING:
    import pandas as pd


def read_features(path: Path, roles: ColumnRoles | None = None) -> TypedTable:
    """Read a features table: one row per image, older column names and the demo's renamed.

    Parameters
    ----------
    path : Path
    roles : ColumnRoles, optional
        The columns of the image and the patient, and texts that look like numbers.

    Returns
    -------
    TypedTable
        With `image`, and `patient_id` if a column names the patient, as text.

    Raises
    ------
    InputError
        If it cannot be read, has no `image` column, has no rows, or holds two rows for one image.
    """
    roles = roles or ColumnRoles()
    table = read_table(path)
    names = [str(name) for name in table.frame.columns]
    image, image_note = find_role(names, IMAGE, roles.image, roles.ignore, path)
    patient, patient_note = find_role(names, PATIENT, roles.patient, roles.ignore, path)
    texts = {name for name in (image, patient, *roles.categorical) if name is not None}
    frame, notes = typed_frame(table, texts=texts, name=path.name)
    ignored = [name for name in roles.ignore if name in frame.columns]
    frame = frame.drop(columns=ignored)
    notes = (*notes, *(f"{path.name}: {name} is ignored, as asked" for name in ignored))
    if image is None:
        raise InputError(
            f"{path}: there is no column 'image' (or 'ImageIndex') that identifies the images; name one with"
            f" --image-column; the columns are {', '.join(names)}{_repeated_rows(frame)}"
        )
    frame, dropped = with_roles(frame, image, patient, path)
    frame = frame.rename(columns=renamed_columns(frame.columns))
    if frame.empty:
        raise InputError(f"{path}: has no rows")
    if frame[IMAGE].isna().any():
        raise InputError(f"{path}: {int(frame[IMAGE].isna().sum())} rows have an empty 'image'")
    _reject_duplicates(path, frame[IMAGE].tolist())
    _reject_infinite(path, frame)
    guessed = tuple(note for note in (image_note, patient_note) if note)
    return TypedTable(frame, tuple(names), (*guessed, *dropped, *notes))


def _reject_duplicates(path: Path, images: Sequence[str]) -> None:
    counts = Counter(images)
    duplicated = [image for image, count in counts.items() if count > 1]
    if duplicated:
        raise InputError(
            f"{path}: {len(images)} rows for {len(counts)} images; more than one row for"
            f" {some_of(duplicated)}; one row per image is needed, since copies of a row on both sides of a"
            " fold make any score look good"
        )


def _repeated_rows(frame: pd.DataFrame) -> str:
    renamed = frame.rename(columns=renamed_columns(frame.columns))
    measured = [name for name in renamed.columns if find_column(Table.FEATURES, name) is not None]
    if not measured or frame.empty:
        return ""
    different = len(renamed[measured].drop_duplicates())
    if different == len(frame):
        return ""
    return f"; and its {len(frame)} rows hold only {different} different measurements, so rows are repeated"


def _reject_infinite(path: Path, frame: pd.DataFrame) -> None:
    np = require("numpy", extra="analysis")
    infinite = [name for name in frame.select_dtypes("number").columns if np.isinf(frame[name]).any()]
    if infinite:
        raise InputError(f"{path}: infinite values in {', '.join(infinite)}")
