"""The table that is analyzed: features.csv, joined with the clinical table if there is one."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from ...data.datasets.nih_name import nih_patient
from ...data.pseudonym import pseudonym, salt_key
from ...errors import InputError
from ...machine.extras import require
from ..records import Grouping, MergeSummary, RunRecord, Table
from ..text import some_of
from .clinical import find_clinical_table, read_clinical_table
from .features import read_features
from .merge import merge_by_image, merge_by_patient
from .plausibility import drop_implausible, find_implausible, plausibility_notes
from .run_record import read_run_record, run_notes

if TYPE_CHECKING:
    import pandas as pd

_OLDEST = 120


def load_table(
    features: Path,
    clinical: Path | None = None,
    *,
    keep_doubtful: bool = False,
    salt: str | bytes | None = None,
) -> Table:
    """Read the features, leave out implausible images, and join the clinical table.

    Parameters
    ----------
    features : Path
        A features.csv of `cxr-infer`, or a table with the demo's column names.
    clinical : Path, optional
        The clinical table; by default the one beside the images that run.json names.
    keep_doubtful : bool
        Keep the images whose column `plausible` is doubtful or no.
    salt : str or bytes, optional
        The salt of `cxr-infer`: patient ids of the clinical table are replaced by their keyed hashes.

    Raises
    ------
    InputError
        If a table cannot be read or holds two rows for one image, the two have nothing in common, or the salt
        is not the one of the run.
    """
    measured, run = read_features(features), read_run_record(features)
    key = _checked_key(salt, run, features)
    implausible = find_implausible(measured, features)
    notes = (*plausibility_notes(implausible, kept=keep_doubtful), *run_notes(run, set(measured["image"])))
    if not keep_doubtful:
        measured = drop_implausible(measured, implausible, features)
    spatial = tuple(name for name in measured.columns if name not in ("image", "patient_id"))
    path = clinical or find_clinical_table(run.folder)
    if path is None:
        frame, grouping, more = _assign_patients(measured, Grouping.FEATURES)
        notes = (*notes, "no clinical table was found; name one with --clinical", *more)
        return Table(frame, spatial, (), grouping, None, notes, implausible, run)
    joined, merge = _join_clinical(measured, path, run, key)
    joined, age_notes = _without_impossible_ages(joined)
    frame, grouping, more = _assign_patients(joined, Grouping.CLINICAL)
    names = tuple(name for name in frame.columns if name not in ("image", "patient_id", *spatial))
    notes = (*notes, *_merge_notes(merge), *age_notes, *more)
    return Table(frame, spatial, names, grouping, merge, notes, implausible, run)


def _checked_key(salt: str | bytes | None, run: RunRecord, features: Path) -> bytes | None:
    key = salt_key(salt)
    if key is not None and run.salt_check is not None and pseudonym(key) != run.salt_check:
        raise InputError(
            f"{features}: its patients were hashed with another salt; give the salt that cxr-infer was given"
        )
    return key


def _join_clinical(
    measured: pd.DataFrame, path: Path, run: RunRecord, key: bytes | None
) -> tuple[pd.DataFrame, MergeSummary]:
    clinical = read_clinical_table(path, key)
    if "image" in clinical.columns:
        return merge_by_image(measured, clinical, path=path, folder=run.folder)
    return merge_by_patient(measured, clinical, path=path)


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
    from_names = [patient for image in images if (patient := nih_patient(image)) is not None]
    if len(from_names) == len(images):
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
