"""The clinical table: found beside the images, or named; by image or by patient."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from ...data.pseudonym import pseudonym
from ...errors import InputError
from ...machine.extras import require
from .cells import TypedTable, typed_frame
from .reading import TableText, read_table
from .roles import IMAGE, PATIENT, ColumnRoles, find_role, with_roles

if TYPE_CHECKING:
    import pandas as pd

ISSUER_NAMES = ("issuer", "IssuerOfPatientID")
_NIH_HEADER = {"Image Index", "Finding Labels", "Patient ID", "OriginalImage[Width", "Height]"}


def find_clinical_table(folder: Path | None) -> Path | None:
    """Look for the clinical table of a folder of images; None if there is none."""
    if folder is None or not folder.is_dir():
        return None
    from ...data.datasets.clinical import find_clinical

    return find_clinical(folder)


def read_clinical_table(path: Path, key: bytes | None = None, roles: ColumnRoles | None = None) -> TypedTable:
    """Read a clinical table with one row per image or, without a column of images, one row per patient.

    Parameters
    ----------
    path : Path
        NIH's `Data_Entry_2017*.csv` under any name, or a table that `read_table` reads.
    key : bytes, optional
        The key of the patients' pseudonyms, which replace `patient_id` (and the issuer, where the table has a
        column `issuer`) as in `cxr-infer --salt`. After this no identifier in clear is left in the table.
    roles : ColumnRoles, optional
        The columns of the image and the patient, those to ignore, and texts that look like numbers.

    Returns
    -------
    TypedTable
        `image`, `patient_id` or both, as text, and the other columns.

    Raises
    ------
    InputError
        If it cannot be read, names neither images nor patients, or lists a patient twice.
    """
    if not path.is_file():
        raise InputError(f"{path}: there is no such clinical table")
    roles = roles or ColumnRoles()
    table = _read_nih(path)
    table = read_table(path) if table is None else table
    names = [str(name) for name in table.frame.columns]
    image, image_note = find_role(names, IMAGE, roles.image, roles.ignore, path)
    patient, patient_note = find_role(names, PATIENT, roles.patient, roles.ignore, path)
    if image is None and patient is None:
        raise InputError(
            f"{path}: no column image and no column of patients; name one with --image-column or"
            f" --patient-column; the columns are {', '.join(names)}"
        )
    texts = {name for name in (image, patient, *ISSUER_NAMES, *roles.categorical) if name is not None}
    frame, notes = typed_frame(table, texts=texts, name=path.name)
    ignored = [name for name in roles.ignore if name in frame.columns]
    frame = frame.drop(columns=ignored)
    notes = (*notes, *(f"{path.name}: {name} is ignored, as asked" for name in ignored))
    frame, dropped = with_roles(frame, image, patient, path)
    frame, infinite = _finite(frame, path)
    if image is None:
        _check_patients(frame, path, str(patient))
    elif frame[IMAGE].isna().any():
        row = int(frame[IMAGE].isna().to_numpy().argmax()) + 2
        raise InputError(f"{path}: row {row}: {image} is empty")
    else:
        frame[IMAGE] = [_with_slashes(name) for name in frame[IMAGE]]
    notes = (*(note for note in (image_note, patient_note) if note), *dropped, *notes, *infinite)
    return TypedTable(frame if key is None else _hash_patients(frame, key), tuple(names), notes)


def _read_nih(path: Path) -> TableText | None:
    """Read the table of NIH ChestX-ray14, whose header writes two columns as four; None if it is another."""
    from ...data.datasets.nih_tables import read_entries
    from ...data.tables import read_header

    if path.suffix.lower() not in (".csv", ".gz") or not set(read_header(path)) >= _NIH_HEADER:
        return None
    frame: pd.DataFrame = read_entries(path).to_pandas()
    return TableText(frame.astype({"image": "object", "patient_id": "object"}))


def _with_slashes(name: str) -> str:
    return name.replace("\\", "/").removeprefix("./")


def _finite(frame: pd.DataFrame, path: Path) -> tuple[pd.DataFrame, list[str]]:
    np = require("numpy", extra="analysis")
    notes: list[str] = []
    for name in frame.select_dtypes("number").columns:
        infinite = np.isinf(frame[name])
        if infinite.any():
            frame = frame.assign(**{name: frame[name].mask(infinite)})
            notes.append(f"{path.name}: {name}: {int(infinite.sum())} infinite cells count as unknown")
    return frame, notes


def _check_patients(frame: pd.DataFrame, path: Path, patient: str) -> None:
    if frame[PATIENT].isna().any():
        row = int(frame[PATIENT].isna().to_numpy().argmax()) + 2
        raise InputError(f"{path}: row {row}: {patient} is empty")
    identity = [PATIENT, *(name for name in ISSUER_NAMES if name in frame.columns)]
    repeated = frame.duplicated(identity)
    if repeated.any():
        second = int(repeated.to_numpy().argmax())
        same = (frame[identity] == frame[identity].iloc[second]).all(axis=1)
        # By row number: an identifier belongs in no message.
        first = int(same.to_numpy().argmax())
        raise InputError(
            f"{path}: rows {first + 2} and {second + 2} are of one patient ({int(repeated.sum())} rows"
            " repeat a patient); keep one row per patient, or add a column 'image' for one row per image"
        )


def _hash_patients(frame: pd.DataFrame, key: bytes) -> pd.DataFrame:
    issuer = next((name for name in ISSUER_NAMES if name in frame.columns), None)
    issuers = [""] * len(frame) if issuer is None else frame[issuer].fillna("").astype(str).tolist()
    without = frame.drop(columns=[name for name in ISSUER_NAMES if name in frame.columns])
    if PATIENT not in frame.columns:
        return without
    hashed = [
        None if patient is None else pseudonym(key, patient.strip(), name.strip())
        for patient, name in zip(frame[PATIENT], issuers, strict=True)
    ]
    pandas = require("pandas", extra="analysis")
    return without.assign(patient_id=pandas.Series(hashed, index=without.index, dtype="object"))
