"""DICOM sources, masks for them, and the Segmentation objects of both."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from cxr.infer.outputs.dicom_seg import write_segmentation
from cxr.models.card import ModelCard

Mask = npt.NDArray[np.uint8]

SHAPE = (37, 53)  # the pixels of a frame do not fill whole bytes
MODEL_HASH = "0123456789abcdef" * 4

HEADER: dict[str, Any] = {
    "SpecificCharacterSet": "ISO_IR 100",
    "PatientName": "Doe^Jane",
    "PatientID": "4711",
    "PatientBirthDate": "19500203",
    "PatientSex": "F",
    "PatientAge": "073Y",
    "AccessionNumber": "A1",
    "StudyID": "S1",
    "StudyDate": "20230405",
    "StudyTime": "101112",
    "StudyDescription": "Chest",
    "AcquisitionDate": "20230405",
    "AcquisitionTime": "101530.25",
    "ReferringPhysicianName": "Smith^John",
    "Manufacturer": "Tube & Sons",
    "FrameOfReferenceUID": "1.2.3.9",
    "PatientOrientation": ["L", "F"],
    "ImagerPixelSpacing": [0.2, 0.2],
}


@pytest.fixture(scope="session")
def header() -> dict[str, Any]:
    """Return the attributes of a complete source."""
    return HEADER


@pytest.fixture(scope="session")
def make_masks() -> Callable[..., dict[str, Mask]]:
    """Return a function that draws a lesion inside a lung, both with irregular borders."""

    def draw(seed: int = 0) -> dict[str, Mask]:
        rng = np.random.default_rng(seed)
        lung = (rng.random(SHAPE) > 0.3).astype(np.uint8)
        return {"lesion": lung & (rng.random(SHAPE) > 0.5).astype(np.uint8), "lung": lung}

    return draw


@pytest.fixture(scope="session")
def make_source() -> Callable[..., Path]:
    """Return a function that writes a DICOM image: the attributes that a reference needs, and `values`."""
    pytest.importorskip("highdicom", reason="needs the extra dicom")
    from pydicom import Dataset
    from pydicom.dataset import FileMetaDataset
    from pydicom.uid import DigitalXRayImageStorageForPresentation, ExplicitVRLittleEndian

    def write(path: Path, *, syntax: str = ExplicitVRLittleEndian, without: str = "", **values: Any) -> Path:
        image = Dataset()
        image.SOPClassUID = DigitalXRayImageStorageForPresentation
        image.SOPInstanceUID, image.StudyInstanceUID, image.SeriesInstanceUID = (
            "1.2.3.4.5",
            "1.2.3",
            "1.2.3.4",
        )
        image.Modality = "DX"
        image.Rows, image.Columns = SHAPE
        image.SamplesPerPixel, image.PhotometricInterpretation = 1, "MONOCHROME2"
        image.BitsAllocated, image.BitsStored, image.HighBit, image.PixelRepresentation = 8, 8, 7, 0
        image.PixelData = bytes(SHAPE[0] * SHAPE[1] + 1)
        image["PixelData"].VR = "OW"
        for keyword, value in values.items():
            setattr(image, keyword, value)
        image.pop(without, None)
        image.file_meta = FileMetaDataset()
        image.file_meta.TransferSyntaxUID = syntax
        image.file_meta.MediaStorageSOPClassUID = DigitalXRayImageStorageForPresentation
        image.file_meta.MediaStorageSOPInstanceUID = "1.2.3.4.5"
        image.save_as(path, enforce_file_format=True)
        return path

    return write


@pytest.fixture
def source(tmp_path: Path, make_source: Callable[..., Path]) -> Path:
    """Return a complete DICOM image."""
    return make_source(tmp_path / "image.dcm", **HEADER)


@pytest.fixture
def write(
    tmp_path: Path, card_of: Callable[..., ModelCard], make_masks: Callable[..., dict[str, Mask]]
) -> Callable[..., Path]:
    """Return a function that writes the Segmentation object of a source and returns its path."""

    def write_object(
        source: Path,
        masks: dict[str, Mask] | None = None,
        name: str = "out.dcm",
        model_hash: str = MODEL_HASH,
    ) -> Path:
        path = tmp_path / "masks" / name
        write_segmentation(path, source, masks or make_masks(), card_of(), model_hash=model_hash)
        return path

    return write_object
