"""The table that is analyzed: features.csv, joined with the clinical table where there is one."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from ..data.columns import ALIASES
from ..data.spreadsheet import free
from ..errors import InputError
from ..machine.extras import require
from .merge import merge_clinical
from .records import Grouping, Merge, Table

if TYPE_CHECKING:
    import pandas as pd

_NIH_NAME = re.compile(r"(?:.*/)?0*(\d+)_\d{3}\.[^/.]+")
_OLDEST = 120


def load_table(features: Path, clinical: Path | None = None) -> Table:
    """Read the features and join the clinical table.

    Parameters
    ----------
    features : Path
        A features.csv of `cxr-infer`, or a table with the demo's column names.
    clinical : Path, optional
        The clinical table; by default the one beside the images that run.json names.

    Raises
    ------
    InputError
        If a table cannot be read, names an image twice, or the two have no image in common.
    """
    measured = read_features(features)
    folder = images_folder(features)
    path = clinical or _beside(folder)
    spatial = tuple(name for name in measured.columns if name not in ("image", "patient_id"))
    if path is None:
        frame, grouping, notes = _with_patients(measured, Grouping.FEATURES)
        missing = "no clinical table was found; give one with --clinical"
        return Table(frame, spatial, (), grouping, None, (missing, *notes))
    joined, merge = merge_clinical(measured, _read_clinical(path), path=path, folder=folder)
    joined, age_notes = _without_impossible_ages(joined)
    frame, grouping, notes = _with_patients(joined, Grouping.CLINICAL)
    names = tuple(name for name in frame.columns if name not in ("image", "patient_id", *spatial))
    return Table(frame, spatial, names, grouping, merge, (*_merge_notes(merge), *age_notes, *notes))


def read_features(path: Path) -> pd.DataFrame:
    """Read a features table: one row an image, `image` its key, the demo's names made ours.

    Raises
    ------
    InputError
        If it cannot be read, has no `image` column, no rows, or names an image twice.
    """
    pandas = require("pandas", extra="analysis")
    try:
        text = dict.fromkeys(("image", "ImageIndex", "patient_id"), str)
        frame: pd.DataFrame = pandas.read_csv(path, dtype=text)
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror or error})") from error
    except ValueError as error:  # pandas' parser errors and UnicodeDecodeError are kinds of it
        raise InputError(f"{path}: is not a CSV table ({error})") from error
    written = ", ".join(map(str, frame.columns))
    frame = frame.rename(columns={old: new for old, new in ALIASES.items() if new not in frame.columns})
    if "image" not in frame.columns:
        raise InputError(
            f"{path}: there is no column 'image' (or 'ImageIndex') to tell the images apart;"
            f" it has {written}{_repeated_rows(frame)}"
        )
    if frame.empty:
        raise InputError(f"{path}: has no rows")
    frame["image"] = frame["image"].map(free, na_action="ignore")
    if frame["image"].isna().any():
        raise InputError(f"{path}: {int(frame['image'].isna().sum())} rows have an empty 'image'")
    _refuse_repeats(path, frame["image"].tolist())
    return _finite(path, frame)


def images_folder(features: Path) -> Path | None:
    """Give the images' folder that the run.json beside the features names, if there is one."""
    record = features.parent / "run.json"
    if not record.is_file():
        return None
    try:
        value = json.loads(record.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise InputError(f"{record}: cannot be read ({error})") from error
    folder = value.get("folder") if isinstance(value, dict) else None
    return Path(folder) if isinstance(folder, str) else None


def _beside(folder: Path | None) -> Path | None:
    if folder is None or not folder.is_dir():
        return None
    from ..data.datasets.clinical import find_clinical

    return find_clinical(folder)


def _read_clinical(path: Path) -> pd.DataFrame:
    from ..data.datasets.clinical import read_clinical

    if not path.is_file():
        raise InputError(f"{path}: there is no such clinical table")
    frame: pd.DataFrame = read_clinical(path).to_pandas()
    return frame


def _refuse_repeats(path: Path, images: Sequence[str]) -> None:
    counts: dict[str, int] = {}
    for image in images:
        counts[image] = counts.get(image, 0) + 1
    repeated = [image for image, count in counts.items() if count > 1]
    if repeated:
        raise InputError(
            f"{path}: {len(images)} rows for {len(counts)} images; named more than once:"
            f" {_some(repeated)}; one row an image is needed, since copies of a row on both sides of a"
            " fold make any score look good"
        )


def _repeated_rows(frame: pd.DataFrame) -> str:
    measured = [name for name in frame.columns if name in ALIASES.values()]
    if not measured or frame.empty:
        return ""
    different = len(frame[measured].drop_duplicates())
    if different == len(frame):
        return ""
    return f"; and its {len(frame)} rows hold only {different} different measurements, so rows are repeated"


def _finite(path: Path, frame: pd.DataFrame) -> pd.DataFrame:
    np = require("numpy", extra="analysis")
    endless = [name for name in frame.select_dtypes("number").columns if np.isinf(frame[name]).any()]
    if endless:
        raise InputError(f"{path}: infinite values in {', '.join(endless)}")
    return frame


def _without_impossible_ages(frame: pd.DataFrame) -> tuple[pd.DataFrame, tuple[str, ...]]:
    # The first edition of the NIH table has ages up to 414.
    pandas = require("pandas", extra="analysis")
    if "age" not in frame.columns or not pandas.api.types.is_numeric_dtype(frame["age"]):
        return frame, ()
    impossible = (frame["age"] > _OLDEST) | (frame["age"] < 0)
    if not impossible.any():
        return frame, ()
    note = f"{int(impossible.sum())} ages outside 0 to {_OLDEST} years are taken as unknown"
    return frame.assign(age=frame["age"].mask(impossible)), (note,)


def _with_patients(frame: pd.DataFrame, origin: Grouping) -> tuple[pd.DataFrame, Grouping, tuple[str, ...]]:
    images = frame["image"].tolist()
    if "patient_id" in frame.columns and frame["patient_id"].notna().any():
        known = frame["patient_id"].notna()
        patients = frame["patient_id"].astype("object").where(known, "image:" + frame["image"])
        alone = int((~known).sum())
        notes = (f"{alone} images without a patient_id count as patients of their own",) if alone else ()
        return frame.assign(patient_id=patients.astype(str)), origin, notes
    matches = [_NIH_NAME.fullmatch(image) for image in images]
    named = [match.group(1) for match in matches if match]
    if len(named) == len(images):
        return frame.assign(patient_id=named), Grouping.NAME, ()
    note = "no patient_id is known: each image counts as its own patient, which scores may profit from"
    return frame.assign(patient_id=[f"image:{image}" for image in images]), Grouping.IMAGE, (note,)


def _merge_notes(merge: Merge) -> tuple[str, ...]:
    if not merge.features_alone:
        return ()
    return (
        f"{merge.features_alone} images have no row in {merge.table.name} and are left out"
        f" ({_some(merge.features_examples)})",
    )


def _some(names: Sequence[str], most: int = 3) -> str:
    return ", ".join(names[:most]) + (f" and {len(names) - most} more" if len(names) > most else "")
