"""DICOM files in a run: measured like a PNG of the same image, with masks as DICOM Segmentations."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pydicom = pytest.importorskip("pydicom", reason="DICOM is an extra")

import cv2  # noqa: E402

from cxr.infer.run import infer_folder  # noqa: E402

Draw = Callable[..., Path]

ReadTable = Callable[[Path], list[dict[str, str]]]
Rectangles = list[tuple[int, int, int, int, int]]


def write_dicom(path: Path, pixels: np.ndarray, **values: Any) -> Path:
    """Write an image of a patient called 4711."""
    from pydicom.dataset import FileMetaDataset
    from pydicom.uid import DigitalXRayImageStorageForPresentation, ExplicitVRLittleEndian

    image = pydicom.Dataset()
    image.SOPClassUID = DigitalXRayImageStorageForPresentation
    image.SOPInstanceUID, image.StudyInstanceUID, image.SeriesInstanceUID = (
        f"1.2.3.{len(path.name)}",
        "1.2",
        "1.3",
    )
    image.PatientName, image.PatientID, image.Modality = "Doe^Jane", "4711", "DX"
    image.Rows, image.Columns = pixels.shape
    image.SamplesPerPixel, image.PhotometricInterpretation = 1, "MONOCHROME2"
    image.BitsAllocated, image.BitsStored, image.HighBit, image.PixelRepresentation = 8, 8, 7, 0
    image.PixelSpacing = [0.5, 0.25]
    image.PixelData = pixels.tobytes()
    image["PixelData"].VR = "OB"
    for keyword, value in values.items():
        setattr(image, keyword, value)
    image.file_meta = FileMetaDataset()
    image.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    image.file_meta.MediaStorageSOPClassUID = image.SOPClassUID
    image.file_meta.MediaStorageSOPInstanceUID = image.SOPInstanceUID
    image.save_as(path, enforce_file_format=True)
    return path


@pytest.fixture
def folder(tmp_path: Path, draw: Draw, rectangles: Rectangles) -> Path:
    """Return a folder with one image three times: PNG, DICOM, and DICOM with inverted gray values."""
    png = draw(tmp_path / "in" / "image.png", rectangles)
    pixels = cv2.imread(str(png), cv2.IMREAD_UNCHANGED)
    write_dicom(tmp_path / "in" / "plain.dcm", pixels)
    write_dicom(tmp_path / "in" / "inverted.dcm", 255 - pixels, PhotometricInterpretation="MONOCHROME1")
    return tmp_path / "in"


def test_dicom_and_png_of_the_same_image_give_the_same_masks_and_features(
    model: Path, tmp_path: Path, folder: Path, read_table: ReadTable
) -> None:
    out = tmp_path / "out"
    summary = infer_folder(folder, model=model, out=out, masks="png", salt="correct horse battery")
    assert (summary.rows, summary.failed) == (3, 0)
    png, plain, inverted = read_table(out / "features.csv")
    areas = {f"{name}_total_area_mm2" for name in ("lesion", "lung", "left_lung", "right_lung")}
    expected_to_differ = {"image", "patient_id", "spacing_mm", *areas}
    for image in (plain, inverted):
        assert {name: cell for name, cell in image.items() if name not in expected_to_differ} == {
            name: cell for name, cell in png.items() if name not in expected_to_differ
        }
        assert image["spacing_mm"] == "0.5\\0.25"
        assert float(image["lesion_total_area_mm2"]) == pytest.approx(120 * 0.5 * 0.25)
    for name in ("lesion", "lung"):
        first, *others = (
            (out / "masks" / name / f"{image}.png").read_bytes()
            for image in ("image", "plain.dcm", "inverted.dcm")
        )
        assert others == [first, first]


def test_patient_is_written_only_as_a_salted_hash(
    model: Path, tmp_path: Path, folder: Path, read_table: ReadTable
) -> None:
    infer_folder(folder, model=model, out=tmp_path / "without salt")
    infer_folder(folder, model=model, out=tmp_path / "one", salt="correct horse battery")
    infer_folder(folder, model=model, out=tmp_path / "two", salt="another good secret")
    patients = {
        name: [row["patient_id"] for row in read_table(tmp_path / name / "features.csv")[1:]]
        for name in ("without salt", "one", "two")
    }
    assert patients["without salt"] == ["", ""]
    for name in ("one", "two"):
        assert len(set(patients[name])) == 1
        assert len(patients[name][0]) == 16
    assert patients["one"] != patients["two"]
    for path in (path for name in patients for path in (tmp_path / name).iterdir()):
        assert b"4711" not in path.read_bytes()
        assert b"Jane" not in path.read_bytes()


def test_masks_as_dicom_seg_equal_masks_as_png(
    model: Path, tmp_path: Path, folder: Path, read_table: ReadTable
) -> None:
    pytest.importorskip("highdicom", reason="DICOM is an extra")
    infer_folder(folder, model=model, out=tmp_path / "png", masks="png")
    summary = infer_folder(folder, model=model, out=tmp_path / "seg", masks="dicom-seg")
    assert (summary.rows, summary.failed) == (2, 1)
    (failure,) = read_table(tmp_path / "seg" / "failures.csv")
    assert (failure["path"], failure["stage"]) == ("image.png", "write")
    for image in ("plain.dcm", "inverted.dcm"):
        written = pydicom.dcmread(tmp_path / "seg" / "masks" / f"{image}.seg.dcm")
        frames = written.pixel_array
        source = pydicom.dcmread(folder / image, stop_before_pixels=True)
        assert written.PatientID == "4711"
        assert (
            written.ReferencedSeriesSequence[0].ReferencedInstanceSequence[0].ReferencedSOPInstanceUID
            == source.SOPInstanceUID
        )
        for frame, name in zip(frames, ("lesion", "lung"), strict=True):
            mask = cv2.imread(str(tmp_path / "png" / "masks" / name / f"{image}.png"), cv2.IMREAD_UNCHANGED)
            np.testing.assert_array_equal(frame > 0, mask > 0)


def test_overwrite_removes_dicom_segmentations(model: Path, tmp_path: Path, folder: Path) -> None:
    pytest.importorskip("highdicom", reason="DICOM is an extra")
    out = tmp_path / "out"
    infer_folder(folder, model=model, out=out, masks="dicom-seg")
    assert list(out.rglob("*.seg.dcm"))
    infer_folder(folder, model=model, out=out, overwrite=True)
    assert not list(out.rglob("*.seg.dcm"))
