"""The sources for which a DICOM Segmentation object can be written, and what it takes over from them."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from cxr.errors import InputError

pytest.importorskip("highdicom", reason="needs the extra dicom")

from pydicom import Dataset, dcmread
from pydicom.uid import (
    ComputedRadiographyImageStorage,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    SecondaryCaptureImageStorage,
)

Mask = npt.NDArray[np.uint8]
Write = Callable[..., Path]
MakeMasks = Callable[..., dict[str, Mask]]
MakeSource = Callable[..., Path]

# Whether the source has the complete header, and which attributes differ from it.
SOURCES: dict[str, tuple[bool, dict[str, Any]]] = {
    "complete header": (True, {}),
    "minimal header": (False, {}),
    "computed radiography": (True, {"SOPClassUID": ComputedRadiographyImageStorage, "Modality": "CR"}),
    "secondary capture": (False, {"SOPClassUID": SecondaryCaptureImageStorage, "Modality": "OT"}),
    "implicit VR": (True, {"syntax": ImplicitVRLittleEndian}),
    "big endian": (True, {"syntax": ExplicitVRBigEndian}),
    "position in space": (
        True,
        {
            "ImagePositionPatient": [0, 0, 0],
            "ImageOrientationPatient": [1, 0, 0, 0, 0, -1],
            "PixelSpacing": [0.15, 0.15],
            "SliceThickness": 1,
        },
    ),
    "position without orientation": (
        True,
        {"ImagePositionPatient": [0, 0, 0], "PixelSpacing": [0.15, 0.15]},
    ),
    "position of two numbers": (
        True,
        {
            "ImagePositionPatient": [0, 0],
            "ImageOrientationPatient": [1, 0, 0, 0, 0, -1],
            "PixelSpacing": [0.15, 0.15],
            "SliceThickness": 1,
        },
    ),
    "empty frame of reference": (True, {"FrameOfReferenceUID": ""}),
    "pixel spacing only": (False, {"PixelSpacing": [0.15, 0.15]}),
    "de-identified": (
        True,
        {
            "PatientName": "ANON",
            "PatientIdentityRemoved": "YES",
            "DeidentificationMethod": "by hand",
            "StudyDate": "",
            "StudyTime": "",
        },
    ),
    "lossy": (True, {"LossyImageCompression": "01", "LossyImageCompressionRatio": 10}),
}


@pytest.fixture(params=SOURCES)
def any_source(
    request: pytest.FixtureRequest, tmp_path: Path, make_source: MakeSource, header: dict[str, Any]
) -> Path:
    complete, changes = SOURCES[request.param]
    return make_source(tmp_path / "image.dcm", **((header if complete else {}) | changes))


def test_sources_of_every_kind_have_a_segmentation(
    any_source: Path, write: Write, make_masks: MakeMasks
) -> None:
    masks = make_masks()
    written = dcmread(write(any_source, masks))
    np.testing.assert_array_equal(written.pixel_array, np.stack(list(masks.values())))
    assert written.file_meta.TransferSyntaxUID == ExplicitVRLittleEndian


@pytest.mark.skipif(shutil.which("dciodvfy") is None, reason="needs dciodvfy (Debian: dicom3tools) on PATH")
@pytest.mark.parametrize("empty", [False, True])
def test_dciodvfy_reports_no_error(
    any_source: Path, write: Write, make_masks: MakeMasks, *, empty: bool
) -> None:
    masks = make_masks()
    masks |= {"drain": np.zeros_like(masks["lung"])}
    if empty:
        masks = {name: np.zeros_like(mask) for name, mask in masks.items()}
    path = write(any_source, masks)
    done = subprocess.run(["dciodvfy", "-new", path], capture_output=True, text=True, check=False)
    lines = (done.stdout + done.stderr).splitlines()
    assert "Segmentation" in lines
    assert [line for line in lines if line.startswith("Error")] == []


def test_source_without_a_date_gives_the_placeholder_for_unknown(
    tmp_path: Path, write: Write, make_source: MakeSource
) -> None:
    written = dcmread(write(make_source(tmp_path / "image.dcm")))
    assert (written.ContentDate, written.ContentTime) == ("19000101", "000000")


@pytest.mark.parametrize(
    ("charset", "patient"),
    [
        ("ISO_IR 100", "Müller^Jürgen"),
        ("ISO_IR 192", "李^明"),
        (["", "ISO 2022 IR 87"], "Yamada^Tarou=山田^太郎=やまだ^たろう"),
        (["", "ISO 2022 IR 149"], "Hong^Gildong=洪^吉洞=홍^길동"),
    ],
)
def test_patient_name_in_any_script_is_copied(
    charset: str | list[str], patient: str, tmp_path: Path, write: Write, make_source: MakeSource
) -> None:
    values = {"SpecificCharacterSet": charset, "PatientName": patient, "StudyDescription": ""}
    written = dcmread(write(make_source(tmp_path / "image.dcm", **values)))
    assert written.SpecificCharacterSet == "ISO_IR 192"
    assert str(written.PatientName) == patient


def test_text_inside_a_sequence_is_copied(
    tmp_path: Path, write: Write, make_source: MakeSource, header: dict[str, Any]
) -> None:
    other = Dataset()
    other.PatientID, other.TypeOfPatientID, other.IssuerOfPatientID = "7", "TEXT", "Zürich"
    image = make_source(tmp_path / "image.dcm", **header, OtherPatientIDsSequence=[other])
    [copied] = dcmread(write(image)).OtherPatientIDsSequence
    assert copied.IssuerOfPatientID == "Zürich"


def test_required_attributes_that_the_source_lacks_are_empty(
    tmp_path: Path, write: Write, make_source: MakeSource
) -> None:
    written = dcmread(write(make_source(tmp_path / "image.dcm")))
    required = ("PatientName", "PatientID", "PatientBirthDate", "PatientSex", "AccessionNumber", "StudyID")
    for keyword in (*required, "ReferringPhysicianName", "PatientOrientation", "ContentCreatorName"):
        assert not written[keyword].value


@pytest.mark.filterwarnings("ignore:Invalid value for VR")
@pytest.mark.parametrize(
    ("keyword", "value"),
    [
        ("PatientSex", "FEMALE"),
        ("StudyDate", "5 April 2023"),
        ("StudyTime", "noon"),
        ("PatientBirthDate", "?"),
    ],
)
def test_invalid_values_are_left_empty(
    keyword: str, value: str, tmp_path: Path, write: Write, make_source: MakeSource, header: dict[str, Any]
) -> None:
    written = dcmread(write(make_source(tmp_path / "image.dcm", **{**header, keyword: value})))
    assert not written[keyword].value


@pytest.mark.parametrize(
    "keyword", ["SOPClassUID", "SOPInstanceUID", "StudyInstanceUID", "SeriesInstanceUID"]
)
def test_source_without_an_identifier_is_rejected(
    keyword: str, tmp_path: Path, write: Write, make_source: MakeSource, header: dict[str, Any]
) -> None:
    source = make_source(tmp_path / "image.dcm", without=keyword, **header)
    with pytest.raises(InputError, match=rf"image.dcm: has no {keyword}.*--masks-as png"):
        write(source)
    assert not (tmp_path / "masks").exists()


def test_source_of_an_unknown_class_is_rejected(
    tmp_path: Path, write: Write, make_source: MakeSource, header: dict[str, Any]
) -> None:
    source = make_source(tmp_path / "image.dcm", **{**header, "SOPClassUID": "1.2.3.4.5.6.7"})
    with pytest.raises(InputError, match=r"can be built from its header \(KeyError\); use --masks-as png"):
        write(source)


def test_masks_of_another_size_are_rejected(source: Path, write: Write, make_masks: MakeMasks) -> None:
    masks = {name: mask[:, :-1] for name, mask in make_masks().items()}
    with pytest.raises(InputError, match="has 37 x 53 pixels, its masks 37 x 52"):
        write(source, masks)


def test_source_that_is_not_dicom_is_rejected_with_advice(
    tmp_path: Path, draw: Callable[..., Path], write: Write
) -> None:
    with pytest.raises(InputError, match=r"p.png: is not DICOM.*use --masks-as png"):
        write(draw(tmp_path / "p.png"))


def test_source_that_was_removed_is_an_input_error(tmp_path: Path, write: Write) -> None:
    with pytest.raises(InputError, match=r"gone.dcm: cannot be read again \(No such file"):
        write(tmp_path / "gone.dcm")
