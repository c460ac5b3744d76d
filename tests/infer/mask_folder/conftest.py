"""Masks to draw, and DICOM images and Segmentations of them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
import pytest

Mask = npt.NDArray[np.uint8]
Rectangle = tuple[int, int, int, int]
DrawMask = Callable[..., Path]


@pytest.fixture(scope="session")
def draw_mask() -> DrawMask:
    """Return a function that writes a mask: rectangles (row, column, height, width) of one value."""

    def draw(path: Path, *rectangles: Rectangle, size: tuple[int, int] = (32, 40), value: int = 255) -> Path:
        mask = np.zeros(size, np.uint8)
        for row, column, height, width in rectangles:
            mask[row : row + height, column : column + width] = value
        path.parent.mkdir(parents=True, exist_ok=True)
        assert cv2.imwrite(str(path), mask)
        return path

    return draw


@pytest.fixture(scope="session")
def write_dicom() -> Callable[..., Path]:
    """Return a function that writes a DICOM image of a patient called 4711."""
    pydicom = pytest.importorskip("pydicom", reason="DICOM is an extra")
    from pydicom.dataset import FileMetaDataset
    from pydicom.uid import DigitalXRayImageStorageForPresentation, ExplicitVRLittleEndian

    def write(path: Path, pixels: Mask, **values: Any) -> Path:
        image = pydicom.Dataset()
        image.SOPClassUID = DigitalXRayImageStorageForPresentation
        image.SOPInstanceUID = f"1.2.3.{sum(path.name.encode())}"
        image.StudyInstanceUID, image.SeriesInstanceUID = "1.2", "1.3"
        image.PatientName, image.PatientID, image.Modality = "Doe^Jane", "4711", "DX"
        image.Rows, image.Columns = pixels.shape
        image.SamplesPerPixel, image.PhotometricInterpretation = 1, "MONOCHROME2"
        image.BitsAllocated, image.BitsStored, image.HighBit, image.PixelRepresentation = 8, 8, 7, 0
        image.PixelSpacing = [0.5, 0.25]
        image.PixelData = pixels.tobytes() + b"\0" * (pixels.size % 2)
        image["PixelData"].VR = "OB"
        for keyword, value in values.items():
            setattr(image, keyword, value)
        image.file_meta = FileMetaDataset()
        image.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
        image.file_meta.MediaStorageSOPClassUID = image.SOPClassUID
        image.file_meta.MediaStorageSOPInstanceUID = image.SOPInstanceUID
        path.parent.mkdir(parents=True, exist_ok=True)
        image.save_as(path, enforce_file_format=True)
        return path

    return write


@pytest.fixture(scope="session")
def write_segmentation(write_dicom: Callable[..., Path]) -> Callable[..., Path]:
    """Return a function that writes a Segmentation as another program does, with highdicom."""
    seg = pytest.importorskip("highdicom", reason="DICOM is an extra").seg
    from pydicom import dcmread
    from pydicom.sr.codedict import codes

    def write(
        path: Path,
        segments: list[tuple[str, npt.NDArray[Any]]],
        *,
        kind: str = "BINARY",
    ) -> Path:
        shape = segments[0][1].shape
        image = dcmread(write_dicom(path.parent / "sources" / "a.dcm", np.zeros(shape, np.uint8)))
        descriptions = [
            seg.SegmentDescription(
                number, label, codes.SCT.Organ, codes.SCT.Lung, seg.SegmentAlgorithmTypeValues.MANUAL
            )
            for number, (label, _) in enumerate(segments, 1)
        ]
        pixels = np.stack([mask for _, mask in segments], axis=-1)
        if kind != "FRACTIONAL":
            pixels = pixels.astype(np.uint8)
        for keyword in ("PatientBirthDate", "PatientSex", "AccessionNumber", "StudyID", "StudyDate"):
            setattr(image, keyword, None)
        image.StudyTime = image.ReferringPhysicianName = None
        del image.PixelSpacing
        written = seg.Segmentation(
            source_images=[image],
            pixel_array=pixels[np.newaxis],
            segmentation_type=kind,
            segment_descriptions=descriptions,
            series_instance_uid="1.2.9",
            series_number=1,
            sop_instance_uid="1.2.9.1",
            instance_number=1,
            manufacturer="a reader",
            manufacturer_model_name="a pen",
            software_versions="1",
            device_serial_number="1",
            omit_empty_frames=True,
        )
        path.parent.mkdir(parents=True, exist_ok=True)
        written.save_as(path, enforce_file_format=True)
        return path

    return write
