"""Which files without an image's suffix are images, by their first bytes."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path

import cv2
import imagecodecs
import numpy as np
import pytest
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.filewriter import dcmwrite
from pydicom.uid import ExplicitVRLittleEndian

from cxr.infer.listing.folder import list_folder
from cxr.infer.listing.recognition import HEAD_BYTES, is_image_head

PIXELS = np.tile(np.arange(64, dtype=np.uint8), (48, 1))


def encoded(suffix: str) -> bytes:
    return bytes(cv2.imencode(suffix, PIXELS)[1])


def data_set(*, implicit: bool, big_endian: bool = False, meta: bool = False) -> bytes:
    """Write a DICOM data set without the preamble of a file."""
    dataset = Dataset()
    dataset.SpecificCharacterSet, dataset.Modality, dataset.Rows = "ISO_IR 100", "DX", 48
    dataset.SOPClassUID, dataset.SOPInstanceUID = "1.2.840.10008.5.1.4.1.1.1.1", "1.2.3"
    stream = io.BytesIO()
    if meta:
        dataset.file_meta = FileMetaDataset()
        dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
        dcmwrite(stream, dataset, enforce_file_format=True)
        return stream.getvalue()[132:]
    dcmwrite(stream, dataset, implicit_vr=implicit, little_endian=not big_endian, enforce_file_format=False)
    return stream.getvalue()


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(encoded(".png"), id="PNG"),
        pytest.param(encoded(".jpg"), id="JPEG"),
        pytest.param(encoded(".tif"), id="TIFF"),
        pytest.param(encoded(".bmp"), id="BMP"),
        pytest.param(imagecodecs.jpeg2k_encode(PIXELS, codecformat="jp2"), id="JPEG 2000"),
        pytest.param(imagecodecs.jpeg2k_encode(PIXELS, codecformat="j2k"), id="codestream"),
        pytest.param(bytes(128) + b"DICM" + bytes(10), id="DICOM"),
        pytest.param(data_set(implicit=False), id="explicit data set"),
        pytest.param(data_set(implicit=True), id="implicit data set"),
        pytest.param(data_set(implicit=False, big_endian=True), id="big-endian data set"),
        pytest.param(data_set(implicit=False, meta=True), id="data set with file meta information"),
    ],
)
def test_image_is_recognized_by_its_first_bytes(data: bytes) -> None:
    assert is_image_head(data[:HEAD_BYTES])


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"BM: a memo about the archive, not a bitmap",
        b"\x08\x00\x00\x00\x10\x00\x00\x00" + bytes(range(1, 125)),
        b"\x02\x00\x00\x00" + b"\x01\x00\x00\x00" * 32,
        b"GIF89a" + bytes(40),
        b"%PDF-1.7",
        b"PK\x03\x04" + bytes(40),
        bytes(HEAD_BYTES),
        "Ödem; Bemerkung".encode(),
    ],
)
def test_other_content_is_no_image(data: bytes) -> None:
    assert not is_image_head(data[:HEAD_BYTES])


def test_images_of_any_name_are_listed(tmp_path: Path, draw: Callable[..., Path]) -> None:
    png = draw(tmp_path / "a.png").read_bytes()
    for name in ("no_suffix", "from_list.png\r", "trailing.png ", "b.PNG_", "d.tar"):
        (tmp_path / name).write_bytes(png)
    (tmp_path / "saved.jfif").write_bytes(encoded(".jpg"))
    (tmp_path / "k.jpx").write_bytes(imagecodecs.jpeg2k_encode(PIXELS, codecformat="jp2"))
    (tmp_path / "IM000001").write_bytes(data_set(implicit=False))
    listing = list_folder(tmp_path)
    assert {entry.key for entry in listing.entries} == {path.name for path in tmp_path.iterdir()}
    assert not listing.skipped
