"""A clinical table with one row per patient, in clear or joined by the keyed hashes of `cxr-infer --salt`."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner

from cxr.analysis.command import command
from cxr.analysis.table.load import load_table
from cxr.data.pseudonym import pseudonym
from cxr.errors import InputError

SALT = "a long secret"
PATIENTS = [f"00-{n:04d}" for n in range(20)]


def hashed(patient: str, issuer: str = "", salt: str = SALT) -> str:
    return pseudonym(salt.encode(), patient, issuer)


def write_features(folder: Path, patients: list[str]) -> Path:
    """Two images of each patient, named as in DICOM archives: the name says nothing."""
    rng = np.random.default_rng(0)
    ids = [patient for patient in patients for _ in range(2)]
    path = folder / "features.csv"
    table = {"image": [f"{n:x}.dcm" for n in range(len(ids))], "patient_id": ids}
    pd.DataFrame({**table, "lesion_ratio": rng.random(len(ids))}).to_csv(path, index=False)
    return path


def write_clinical(folder: Path, **columns: object) -> Path:
    path = folder / "clinical.csv"
    pd.DataFrame({"patient_id": PATIENTS, "age": range(30, 50), **columns}).to_csv(path, index=False)
    return path


def test_patients_in_clear_are_joined_by_the_salt(tmp_path: Path) -> None:
    features = write_features(tmp_path, [hashed(patient) for patient in PATIENTS])
    table = load_table(features, write_clinical(tmp_path), salt=SALT)
    assert table.frame["age"].tolist() == [age for age in range(30, 50) for _ in range(2)]
    assert table.merge is not None
    assert (table.merge.rule, table.merge.matched, table.merge.clinical_alone) == ("patient", 40, 0)
    assert table.clinical == ("age",)


def test_issuer_of_the_patient_id_is_part_of_the_hash(tmp_path: Path) -> None:
    features = write_features(tmp_path, [hashed(patient, "here") for patient in PATIENTS])
    table = load_table(features, write_clinical(tmp_path, issuer="here"), salt=SALT)
    assert len(table.frame) == 40
    assert table.clinical == ("age",)
    with pytest.raises(InputError, match=r"no patient of the features.*column 'issuer'"):
        load_table(features, write_clinical(tmp_path), salt=SALT)


def test_hash_is_that_of_a_dicom_file(tmp_path: Path) -> None:
    from cxr.data.decode.dicom.reader import read_dicom

    dataset_module = pytest.importorskip("pydicom.dataset")
    uid = pytest.importorskip("pydicom.uid")
    dataset, meta = dataset_module.Dataset(), dataset_module.FileMetaDataset()
    meta.TransferSyntaxUID = uid.ExplicitVRLittleEndian
    dataset.file_meta = meta
    dataset.SOPClassUID = meta.MediaStorageSOPClassUID = "1.2.840.10008.5.1.4.1.1.1.1"
    dataset.SOPInstanceUID = meta.MediaStorageSOPInstanceUID = "1.2.3"
    dataset.PatientID, dataset.IssuerOfPatientID, dataset.Modality = PATIENTS[3], "here", "DX"
    dataset.Rows = dataset.Columns = 64
    dataset.SamplesPerPixel, dataset.PhotometricInterpretation = 1, "MONOCHROME2"
    dataset.BitsAllocated = dataset.BitsStored = 8
    dataset.HighBit, dataset.PixelRepresentation = 7, 0
    dataset.WindowCenter, dataset.WindowWidth = 128, 256
    dataset.PixelData = np.arange(64 * 64, dtype=np.uint8).tobytes()
    dataset.save_as(tmp_path / "a.dcm", enforce_file_format=True)
    data = (tmp_path / "a.dcm").read_bytes()
    patient = read_dicom(data, max_pixels=10**6, salt=SALT).patient_id
    assert patient is not None
    features = write_features(tmp_path, [patient])
    table = load_table(features, write_clinical(tmp_path, IssuerOfPatientID="here"), salt=SALT)
    assert table.frame["age"].tolist() == [33, 33]


def test_patients_in_clear_on_both_sides_are_joined_without_a_salt(tmp_path: Path) -> None:
    table = load_table(write_features(tmp_path, PATIENTS[:15]), write_clinical(tmp_path))
    assert table.merge is not None
    assert (table.merge.matched, table.merge.clinical_alone) == (30, 5)


def test_identifiers_are_text_with_their_leading_zeros(tmp_path: Path) -> None:
    features = write_features(tmp_path, [hashed("007")])
    (tmp_path / "clinical.csv").write_text("PatientID,age\n 007 ,61\n7,62\n")
    table = load_table(features, tmp_path / "clinical.csv", salt=SALT)
    assert table.frame["age"].tolist() == [61, 61]


def test_table_with_an_image_per_row_is_joined_by_image_and_its_patients_are_hashed(
    features: Path, tmp_path: Path
) -> None:
    table = load_table(features, features.parent / "set" / "Data_Entry_2017_v2020.csv", salt=SALT)
    assert table.merge is not None
    assert table.merge.rule == "file name"
    first = table.frame.iloc[0]
    assert first["image"] == "00000001_000.png"
    assert first["patient_id"] == hashed("1")


def test_another_salt_than_that_of_the_run_is_rejected(tmp_path: Path) -> None:
    features = write_features(tmp_path, [hashed(patient) for patient in PATIENTS])
    identity = {"salt": pseudonym(SALT.encode())}
    (tmp_path / "run.json").write_text(json.dumps({"identity": identity}))
    clinical = write_clinical(tmp_path)
    assert len(load_table(features, clinical, salt=SALT).frame) == 40
    with pytest.raises(InputError, match="hashed with another salt"):
        load_table(features, clinical, salt="another secret")


def test_hashed_patients_without_the_salt_are_an_error_that_names_it(tmp_path: Path) -> None:
    features = write_features(tmp_path, [hashed(patient) for patient in PATIENTS])
    with pytest.raises(InputError, match="if cxr-infer was given --salt, give the same here"):
        load_table(features, write_clinical(tmp_path))


def test_features_without_patients_are_an_error_that_names_the_salt(tmp_path: Path) -> None:
    features = write_features(tmp_path, PATIENTS)
    pd.read_csv(features).assign(patient_id=None).to_csv(features, index=False)
    with pytest.raises(InputError, match=r"have no patient_id .* run cxr-infer with --salt"):
        load_table(features, write_clinical(tmp_path), salt=SALT)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("patient_id,age\nP1,50\n,51\n", "row 3: patient_id is empty"),
        ("patient_id,age\nP1,50\nP2,51\nP1,52\n", "rows 2 and 4 are of one patient"),
        ("name,age\nx,50\n", "no column image"),
    ],
)
def test_table_of_patients_that_cannot_be_used_is_rejected(tmp_path: Path, text: str, message: str) -> None:
    features = write_features(tmp_path, PATIENTS)
    (tmp_path / "clinical.csv").write_text(text)
    with pytest.raises(InputError, match=message) as error:
        load_table(features, tmp_path / "clinical.csv", salt=SALT)
    assert "P1" not in str(error.value)


def test_no_identifier_in_clear_and_no_salt_is_written_or_printed(tmp_path: Path) -> None:
    features = write_features(tmp_path, [hashed(patient) for patient in PATIENTS[:18]])
    clinical = write_clinical(tmp_path, issuer="")
    out = tmp_path / "out"
    arguments = [str(features), "--clinical", str(clinical), "--out", str(out), "--models", "lgb"]
    options = ["--trials", "1", "--folds", "2"]
    done = CliRunner().invoke(command, [*arguments, *options], env={"CXR_SALT": SALT})
    assert done.exit_code == 0, done.output
    written = b"".join(path.read_bytes() for path in out.iterdir()) + done.output.encode()
    assert b"age" in written
    assert hashed(PATIENTS[19]).encode() in written
    for secret in (*PATIENTS, SALT):
        assert secret.encode() not in written
