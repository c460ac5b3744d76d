"""The clinical table: found beside the images, or named; by image or by patient."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from ...data.csv_files import unguard
from ...data.pseudonym import pseudonym
from ...errors import InputError

if TYPE_CHECKING:
    import pandas as pd

PATIENT_NAMES = ("patient_id", "PatientID", "Patient ID")
ISSUER_NAMES = ("issuer", "IssuerOfPatientID")


def find_clinical_table(folder: Path | None) -> Path | None:
    """Look for the clinical table of a folder of images; None if there is none."""
    if folder is None or not folder.is_dir():
        return None
    from ...data.datasets.clinical import find_clinical

    return find_clinical(folder)


def read_clinical_table(path: Path, key: bytes | None = None) -> pd.DataFrame:
    """Read a clinical table with one row per image or, without a column `image`, one row per patient.

    Parameters
    ----------
    path : Path
    key : bytes, optional
        The key of the patients' pseudonyms, which replace `patient_id` (and the issuer, where the table has a
        column `issuer`) as in `cxr-infer --salt`. After this no identifier in clear is left in the table.

    Raises
    ------
    InputError
        If it cannot be read, or lacks a patient or lists an image or a patient twice.
    """
    from ...data.datasets.clinical import read_clinical
    from ...data.datasets.nih_layout import ENTRIES
    from ...data.tables import read_header

    if not path.is_file():
        raise InputError(f"{path}: there is no such clinical table")
    header = read_header(path)
    by_image = path.name in ENTRIES or "image" in header or not set(PATIENT_NAMES) & set(header)
    frame = read_clinical(path).to_pandas() if by_image else _read_patients(path, header)
    return frame if key is None else _hash_patients(frame, key)


def _read_patients(path: Path, header: list[str]) -> pd.DataFrame:
    import pyarrow as pa

    from ...data.tables import read_csv

    text = dict.fromkeys([name for name in header if name in (*PATIENT_NAMES, *ISSUER_NAMES)], pa.string())
    frame: pd.DataFrame = read_csv(path, types=text).to_pandas()
    patient = next(name for name in PATIENT_NAMES if name in header)
    frame = frame.rename(columns={patient: "patient_id"})
    if frame["patient_id"].isna().any():
        row = int(frame["patient_id"].isna().to_numpy().argmax()) + 2
        raise InputError(f"{path}: row {row}: {patient} is empty")
    frame["patient_id"] = frame["patient_id"].map(unguard).str.strip()
    identity = ["patient_id", *(name for name in ISSUER_NAMES if name in frame.columns)]
    repeated = frame.duplicated(identity)
    if repeated.any():
        second = int(repeated.to_numpy().argmax())
        same = (frame[identity] == frame[identity].iloc[second]).all(axis=1)
        # By row number: an identifier belongs in no message.
        first = int(same.to_numpy().argmax())
        raise InputError(
            f"{path}: rows {first + 2} and {second + 2} are of one patient; keep one row per patient,"
            " or add a column 'image' for one row per image"
        )
    return frame


def _hash_patients(frame: pd.DataFrame, key: bytes) -> pd.DataFrame:
    issuer = next((name for name in ISSUER_NAMES if name in frame.columns), None)
    issuers = [""] * len(frame) if issuer is None else frame[issuer].fillna("").astype(str).tolist()
    hashed = [
        pseudonym(key, patient.strip(), name.strip())
        for patient, name in zip(frame["patient_id"], issuers, strict=True)
    ]
    return frame.drop(columns=[name for name in ISSUER_NAMES if name in frame.columns]).assign(
        patient_id=hashed
    )
