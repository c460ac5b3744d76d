"""The columns that a run adds from DICOM headers."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from click.testing import CliRunner
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian

import cxr
from cxr.data.decode.dicom.attributes import DICOM_COLUMNS
from cxr.data.pseudonym import pseudonym
from cxr.errors import InputError
from cxr.infer.command import command

ReadTable = Callable[[Path], list[dict[str, str]]]
SALT = "correct horse battery"


@pytest.fixture
def images(tmp_path: Path, draw: Callable[..., Path]) -> Path:
    folder = tmp_path / "images"
    draw(folder / "a.png")
    dataset = Dataset()
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    dataset.SOPClassUID = dataset.file_meta.MediaStorageSOPClassUID = "1.2.840.10008.5.1.4.1.1.1.1"
    dataset.SOPInstanceUID = dataset.file_meta.MediaStorageSOPInstanceUID = "1.2.3"
    dataset.PatientID, dataset.PatientName, dataset.StudyInstanceUID = "4711", "Doe^Jane", "1.2.840.4711"
    dataset.ViewPosition, dataset.PatientSex, dataset.PatientAge = "AP", "F", "018M"
    dataset.Manufacturer = "=Siemens"
    dataset.Rows = dataset.Columns = 64
    dataset.SamplesPerPixel, dataset.PhotometricInterpretation = 1, "MONOCHROME2"
    dataset.BitsAllocated = dataset.BitsStored = 8
    dataset.HighBit, dataset.PixelRepresentation = 7, 0
    dataset.PixelData = np.arange(64 * 64, dtype=np.uint16).astype(np.uint8).tobytes()
    dataset.save_as(folder / "b.dcm", enforce_file_format=True)
    return folder


def test_requested_columns_are_filled_for_dicom_and_empty_for_other_files(
    images: Path, model: Path, read_table: ReadTable
) -> None:
    out = images / "out"
    names = ["study", "age", "view", "device"]
    summary = cxr.infer_folder(images, model=model, out=out, dicom_columns=names, salt=SALT, parquet=True)
    png, dicom = read_table(out / "features.csv")
    added = [name for name in png if name in DICOM_COLUMNS]
    assert added == ["view", "age", "device", "study"]
    assert [png[name] for name in names] == ["", "", "", ""]
    assert dicom["study"] == pseudonym(SALT.encode(), "1.2.840.4711", "")
    assert (dicom["view"], dicom["age"], dicom["device"]) == ("AP", "1.5", "'=Siemens")
    assert summary.table().schema.field("age").type == pa.float64()
    for path in out.iterdir():
        assert b"Jane" not in path.read_bytes()
        assert b"1.2.840.4711" not in path.read_bytes()


def test_table_has_no_column_of_the_header_by_default(
    images: Path, model: Path, read_table: ReadTable
) -> None:
    cxr.infer_folder(images, model=model, out=images / "out")
    assert not set(read_table(images / "out" / "features.csv")[0]) & set(DICOM_COLUMNS)


def test_run_with_other_columns_is_not_resumed(images: Path, model: Path) -> None:
    cxr.infer_folder(images, model=model, out=images / "out")
    with pytest.raises(cxr.CxrError, match="another dicom_columns"):
        cxr.infer_folder(images, model=model, out=images / "out", dicom_columns=["view"])


def test_study_without_a_salt_stops_the_run_before_it_writes(images: Path, model: Path) -> None:
    with pytest.raises(InputError, match=r"study .* give --salt too"):
        cxr.infer_folder(images, model=model, out=images / "out", dicom_columns=["study"])
    assert not (images / "out").exists()
    loaded = cxr.load(model, salt=SALT)
    cxr.infer_folder(images, model=loaded, out=images / "out", dicom_columns=["study"])


def test_command_takes_the_columns_as_one_list(images: Path, model: Path, read_table: ReadTable) -> None:
    out = images / "out"
    arguments = [str(images), "--model", str(model), "--out", str(out), "--provider", "cpu"]
    done = CliRunner().invoke(command, [*arguments, "--dicom-columns", "view, sex"])
    assert done.exit_code == 0, done.output
    assert read_table(out / "features.csv")[1]["sex"] == "F"
    assert json.loads((out / "run.json").read_text())["arguments"]["dicom_columns"] == ["view", "sex"]
    failed = CliRunner().invoke(command, [*arguments, "--dicom-columns", "view,name"])
    assert failed.exit_code == 1
    assert "got name" in failed.output
