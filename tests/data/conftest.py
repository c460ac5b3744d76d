"""Fixtures of the tests of `data`: write an image as PNG or DICOM."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy.typing as npt
import pydicom
import pytest
from PIL import Image
from pydicom import uid
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.encaps import encapsulate

SavePng = Callable[[Path, npt.NDArray[Any]], Path]
MakeDicom = Callable[..., bytes]


@pytest.fixture
def save_png() -> SavePng:
    def save(path: Path, pixels: npt.NDArray[Any]) -> Path:
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(pixels).save(path)
        return path

    return save


@pytest.fixture(scope="session")
def make_dicom() -> MakeDicom:
    """Write a DX file; keyword arguments set elements, None omits one."""

    def make(
        pixels: npt.NDArray[Any],
        syntax: str = uid.ExplicitVRLittleEndian,
        stream: bytes = b"",
        **elements: Any,
    ) -> bytes:
        kind = elements.get("SOPClassUID", uid.DigitalXRayImageStorageForPresentation)
        bits = 8 * pixels.itemsize
        raw = pixels.astype(pixels.dtype.newbyteorder(">" if syntax == uid.ExplicitVRBigEndian else "<"))
        defaults = {
            "SOPClassUID": kind,
            "SOPInstanceUID": "1.2.3",
            "PatientID": "4711",
            "PatientName": "Doe^Jane",
            "SamplesPerPixel": 1,
            "PhotometricInterpretation": "MONOCHROME2",
            "Rows": pixels.shape[0],
            "Columns": pixels.shape[1],
            "BitsAllocated": bits,
            "BitsStored": bits,
            "HighBit": elements.get("BitsStored", bits) - 1,
            "PixelRepresentation": int(pixels.dtype.kind == "i"),
            "PixelData": raw.tobytes() + bytes(raw.nbytes % 2),
        }
        dataset = Dataset()
        for keyword, value in (defaults | elements).items():
            if value is not None:
                setattr(dataset, keyword, value)
        if stream:
            dataset.PixelData = encapsulate([stream])
            dataset["PixelData"].is_undefined_length = True
        if "PixelData" in dataset:
            in_bytes = stream or (bits == 8 and syntax != uid.ImplicitVRLittleEndian)
            dataset["PixelData"].VR = "OB" if in_bytes else "OW"
        dataset.file_meta = FileMetaDataset()
        dataset.file_meta.TransferSyntaxUID = uid.UID(syntax)
        dataset.file_meta.MediaStorageSOPClassUID = kind
        dataset.file_meta.MediaStorageSOPInstanceUID = "1.2.3"
        buffer = io.BytesIO()
        pydicom.dcmwrite(buffer, dataset, enforce_file_format=True)
        return buffer.getvalue()

    return make
