"""The table that is analyzed: features.csv, joined with the clinical table if there is one."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from ...data.column_table import Table as ColumnTable
from ...data.columns import find_column
from ...data.datasets.nih_name import nih_patient
from ...data.pseudonym import pseudonym, salt_key
from ...errors import InputError
from ...machine.extras import require
from ..records import Grouping, MergeSummary, RunRecord, Table
from ..text import some_of
from .cells import TypedTable
from .clinical import find_clinical_table, read_clinical_table
from .features import read_features
from .merge import merge_by_image, merge_by_patient
from .plausibility import drop_implausible, find_implausible, plausibility_notes
from .roles import IMAGE, PATIENT, ColumnRoles, check_given, one_spelling
from .run_record import read_run_record, run_notes

if TYPE_CHECKING:
    import pandas as pd

_OLDEST = 120
_KEYS = (IMAGE, PATIENT)


def load_table(
    features: Path,
    clinical: Path | None = None,
    *,
    keep_doubtful: bool = False,
    salt: str | bytes | None = None,
    roles: ColumnRoles | None = None,
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
    roles : ColumnRoles, optional
        Columns whose role the user gave.

    Raises
    ------
    InputError
        If a table cannot be read or holds two rows for one image, the two have nothing in common, the salt
        is not the one of the run, or a column that was given a role is missing.
    """
    roles = roles or ColumnRoles()
    run = read_run_record(features)
    read = read_features(features, roles)
    measured = read.frame
    key = _checked_key(salt, run, features)
    implausible = find_implausible(measured, features)
    notes = (
        *read.notes,
        *plausibility_notes(implausible, kept=keep_doubtful),
        *run_notes(run, set(measured[IMAGE])),
    )
    if not keep_doubtful:
        measured = drop_implausible(measured, implausible, features)
    spatial = tuple(name for name in measured.columns if name not in _KEYS)
    path = clinical or find_clinical_table(run.folder)
    if path is None:
        check_given(roles, {features: read.names})
        frame, grouping, more = _assign_patients(measured, Grouping.FEATURES)
        notes = (*notes, "no clinical table was found; name one with --clinical", *more)
        return Table(frame, spatial, (), grouping, None, notes, implausible, run)
    typed = read_clinical_table(path, key, roles)
    check_given(roles, {features: read.names, path: typed.names})
    joined = _join_clinical(measured, typed, path, run.folder)
    frame, age_notes = _without_impossible_ages(joined.frame)
    frame, grouping, more = _assign_patients(frame, joined.grouping)
    names = tuple(name for name in frame.columns if name not in (*_KEYS, *spatial))
    notes = (*notes, *joined.notes, *_merge_notes(joined.merge), *age_notes, *more)
    return Table(frame, spatial, names, grouping, joined.merge, notes, implausible, run)


@dataclass(frozen=True)
class _Joined:
    frame: pd.DataFrame
    merge: MergeSummary
    grouping: Grouping
    notes: tuple[str, ...]


def _checked_key(salt: str | bytes | None, run: RunRecord, features: Path) -> bytes | None:
    key = salt_key(salt)
    if key is not None and run.salt_check is not None and pseudonym(key) != run.salt_check:
        raise InputError(
            f"{features}: its patients were hashed with another salt; give the salt that cxr-infer was given"
        )
    return key


def _join_clinical(measured: pd.DataFrame, table: TypedTable, path: Path, folder: Path | None) -> _Joined:
    clinical = table.frame
    clinical, name_notes = _names_of_its_own(clinical, measured, path)
    grouping = Grouping.CLINICAL if PATIENT in clinical.columns else Grouping.FEATURES
    if IMAGE in clinical.columns:
        frame, merge = merge_by_image(measured, clinical, path=path, folder=folder)
        notes = (*table.notes, *name_notes)
    else:
        frame, merge = merge_by_patient(measured, clinical, path=path)
        patients = frame[PATIENT].nunique()
        by = f"{path.name} has one row per patient: {len(frame)} images take the rows of {patients} patients"
        notes = (*table.notes, *name_notes, by)
    return _Joined(frame, merge, grouping, notes)


def _names_of_its_own(
    clinical: pd.DataFrame, measured: pd.DataFrame, path: Path
) -> tuple[pd.DataFrame, list[str]]:
    """Rename clinical columns that bear the name of a measured one; drop those that describe the same."""
    shared = [name for name in clinical.columns if name in measured.columns and name not in _KEYS]
    of_the_file = {"width", "height"} if {"width", "height"} <= set(clinical.columns) else set()
    renamed: dict[str, str] = {}
    notes: list[str] = []
    for name in shared:
        found = find_column(ColumnTable.FEATURES, name)
        is_measured = found is not None and bool(found[1])
        if is_measured or name in of_the_file or name.startswith("spacing"):
            notes.append(f"{path.name}: {name} is also in the features; the measured one is used")
        else:
            renamed[name] = f"clinical_{name}"
            notes.append(
                f"{path.name}: {name} is also in the features; the clinical one is called clinical_{name}"
            )
    kept = clinical.drop(columns=[name for name in shared if name not in renamed])
    return kept.rename(columns=renamed), notes


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
    images = frame[IMAGE].tolist()
    if PATIENT in frame.columns and frame[PATIENT].notna().any():
        known = frame[PATIENT].notna()
        patients, spelled = one_spelling(frame.loc[known, PATIENT].astype("object"))
        filled = patients.reindex(frame.index).astype("object").where(known, "image:" + frame[IMAGE])
        unknown = int((~known).sum())
        notes = (f"{unknown} images without a patient_id count as one patient each",) if unknown else ()
        if spelled:
            spellings = "have ids in several spellings (such as 007, 7 and 7.0)"
            notes = (*notes, f"{spelled} patients {spellings}; each counts as one patient")
        return frame.assign(patient_id=filled.astype(str)), source, notes
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
