"""Read features.csv: one row per image, every value finite."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from ...data.column_table import Table
from ...data.columns import find_column, renamed_columns
from ...data.csv_files import unguard
from ...errors import InputError
from ...machine.extras import require
from ...machine.files import check_is_file
from ..text import some_of

if TYPE_CHECKING:
    import pandas as pd


def read_features(path: Path) -> pd.DataFrame:
    """Read a features table: one row per image, older column names and the demo's renamed.

    Raises
    ------
    InputError
        If it cannot be read, has no `image` column, has no rows, or holds two rows for one image.
    """
    pandas = require("pandas", extra="analysis")
    try:
        text_columns = dict.fromkeys(("image", "ImageIndex", "patient_id"), str)
        check_is_file(path)
        frame: pd.DataFrame = pandas.read_csv(path, dtype=text_columns)
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror or error})") from error
    except ValueError as error:  # pandas' parser errors and UnicodeDecodeError derive from it
        raise InputError(f"{path}: is not a CSV table ({error})") from error
    frame.columns = [unguard(str(name)) for name in frame.columns]
    names_in_file = ", ".join(frame.columns)
    frame = frame.rename(columns=renamed_columns(frame.columns))
    if "image" not in frame.columns:
        raise InputError(
            f"{path}: there is no column 'image' (or 'ImageIndex') that identifies the images;"
            f" the columns are {names_in_file}{_repeated_rows(frame)}"
        )
    if frame.empty:
        raise InputError(f"{path}: has no rows")
    for name in ("image", "patient_id"):
        if name in frame.columns:
            frame[name] = frame[name].map(unguard, na_action="ignore")
    if frame["image"].isna().any():
        raise InputError(f"{path}: {int(frame['image'].isna().sum())} rows have an empty 'image'")
    _reject_duplicates(path, frame["image"].tolist())
    _reject_infinite(path, frame)
    return frame


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
    measured = [name for name in frame.columns if find_column(Table.FEATURES, name) is not None]
    if not measured or frame.empty:
        return ""
    different = len(frame[measured].drop_duplicates())
    if different == len(frame):
        return ""
    return f"; and its {len(frame)} rows hold only {different} different measurements, so rows are repeated"


def _reject_infinite(path: Path, frame: pd.DataFrame) -> None:
    np = require("numpy", extra="analysis")
    infinite = [name for name in frame.select_dtypes("number").columns if np.isinf(frame[name]).any()]
    if infinite:
        raise InputError(f"{path}: infinite values in {', '.join(infinite)}")
