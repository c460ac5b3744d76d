"""The table that is analyzed: features.csv, joined with the clinical table if there is one."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

from ..data.datasets.nih_name import nih_patient
from ..errors import InputError
from ..machine.extras import require
from .features_table import read_features
from .merge import merge_clinical
from .records import Grouping, MergeSummary, Table
from .text import some_of

if TYPE_CHECKING:
    import pandas as pd

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
        If a table cannot be read or holds two rows for one image, or the two have no image in common.
    """
    measured = read_features(features)
    folder = images_folder(features)
    path = clinical or _find_clinical_table(folder)
    spatial = tuple(name for name in measured.columns if name not in ("image", "patient_id"))
    if path is None:
        frame, grouping, notes = _assign_patients(measured, Grouping.FEATURES)
        not_found = "no clinical table was found; name one with --clinical"
        return Table(frame, spatial, (), grouping, None, (not_found, *notes))
    joined, merge = merge_clinical(measured, _read_clinical(path), path=path, folder=folder)
    joined, age_notes = _without_impossible_ages(joined)
    frame, grouping, notes = _assign_patients(joined, Grouping.CLINICAL)
    names = tuple(name for name in frame.columns if name not in ("image", "patient_id", *spatial))
    return Table(frame, spatial, names, grouping, merge, (*_merge_notes(merge), *age_notes, *notes))


def images_folder(features: Path) -> Path | None:
    """Return the images' folder that the run.json beside the features names; None if there is none."""
    record = features.parent / "run.json"
    if not record.is_file():
        return None
    try:
        value = json.loads(record.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise InputError(f"{record}: cannot be read ({error})") from error
    folder = value.get("folder") if isinstance(value, dict) else None
    return Path(folder) if isinstance(folder, str) else None


def _find_clinical_table(folder: Path | None) -> Path | None:
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


def _without_impossible_ages(frame: pd.DataFrame) -> tuple[pd.DataFrame, tuple[str, ...]]:
    # The first edition of the NIH table has ages up to 414.
    pandas = require("pandas", extra="analysis")
    if "age" not in frame.columns or not pandas.api.types.is_numeric_dtype(frame["age"]):
        return frame, ()
    impossible = (frame["age"] > _OLDEST) | (frame["age"] < 0)
    if not impossible.any():
        return frame, ()
    note = f"{int(impossible.sum())} ages outside 0 to {_OLDEST} years are treated as unknown"
    return frame.assign(age=frame["age"].mask(impossible)), (note,)


def _assign_patients(frame: pd.DataFrame, source: Grouping) -> tuple[pd.DataFrame, Grouping, tuple[str, ...]]:
    """Give every image a patient: by the column `patient_id`, else by NIH file names, else each its own."""
    images = frame["image"].tolist()
    if "patient_id" in frame.columns and frame["patient_id"].notna().any():
        known = frame["patient_id"].notna()
        patients = frame["patient_id"].astype("object").where(known, "image:" + frame["image"])
        unknown = int((~known).sum())
        notes = (f"{unknown} images without a patient_id count as one patient each",) if unknown else ()
        return frame.assign(patient_id=patients.astype(str)), source, notes
    from_names = [nih_patient(image) for image in images]
    if None not in from_names:
        return frame.assign(patient_id=from_names), Grouping.NAME, ()
    note = "no patient_id is known: each image counts as its own patient, which may make scores too high"
    return frame.assign(patient_id=[f"image:{image}" for image in images]), Grouping.IMAGE, (note,)


def _merge_notes(merge: MergeSummary) -> tuple[str, ...]:
    if not merge.features_alone:
        return ()
    return (
        f"{merge.features_alone} images have no row in {merge.table.name} and are left out"
        f" ({some_of(merge.features_examples)})",
    )
