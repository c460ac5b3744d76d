from __future__ import annotations

import struct
import threading
import tracemalloc
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from pydicom import uid
from pydicom.data import get_testdata_file
from pydicom.dataset import Dataset

from cxr.data.decode.dicom.reader import read_dicom
from cxr.errors import DecodeError

MakeDicom = Callable[..., bytes]
IMAGE = np.arange(16, dtype=np.uint8).reshape(4, 4)

ITEM = b"\xfe\xff\x00\xe0"
OPEN = b"\xff\xff\xff\xff"
ITEM_END = b"\xfe\xff\x0d\xe0\0\0\0\0"
SEQUENCE_END = b"\xfe\xff\xdd\xe0\0\0\0\0"
NEST = struct.pack("<HH", 0x18, 0x9999) + b"SQ\0\0" + OPEN + ITEM + OPEN
NEST_END = ITEM_END + SEQUENCE_END
IMAGE_GROUP = b"\x28\x00\x02\x00US"


def read(data: bytes) -> np.ndarray:
    return read_dicom(data, max_pixels=100).pixels


def before_pixels(data: bytes, more: bytes) -> bytes:
    """Insert elements into a header, where their group belongs."""
    position = data.index(IMAGE_GROUP)
    return data[:position] + more + data[position:]


def deflated(data: bytes, body: bytes) -> bytes:
    """Replace the data set of a deflated file."""
    length = struct.unpack_from("<I", data, 140)[0]
    packer = zlib.compressobj(1, zlib.DEFLATED, -15)
    return data[: 144 + length] + packer.compress(body) + packer.flush()


@pytest.mark.parametrize("depth", [1, 20])
def test_nested_sequences_are_skipped(make_dicom: MakeDicom, depth: int) -> None:
    data = before_pixels(make_dicom(IMAGE), NEST * depth + NEST_END * depth)
    np.testing.assert_array_equal(read(data), IMAGE)


@pytest.mark.parametrize("depth", [1_000, 300_000])
def test_sequences_nested_too_deeply_are_rejected_at_once(make_dicom: MakeDicom, depth: int) -> None:
    data = before_pixels(make_dicom(IMAGE), NEST * depth)
    for stack in (threading.stack_size(), 512 * 1024):
        errors: list[DecodeError] = []

        def attempt(found: list[DecodeError] = errors) -> None:
            try:
                read(data)
            except DecodeError as error:
                found.append(error)

        before = threading.stack_size(stack)
        thread = threading.Thread(target=attempt, daemon=True)
        thread.start()
        thread.join(timeout=60)
        threading.stack_size(before)
        assert len(errors) == 1


@pytest.mark.parametrize(
    "more",
    [
        struct.pack("<HH", 0x18, 0x9999) + b"SQ\0\0" + OPEN + (ITEM + bytes(4)) * 300_000 + SEQUENCE_END,
        b"".join(struct.pack("<HH", 0x19, number % 65536) + b"US\0\0" for number in range(300_000)),
    ],
    ids=["items", "elements"],
)
def test_header_of_too_many_elements_is_rejected(make_dicom: MakeDicom, more: bytes) -> None:
    data = before_pixels(make_dicom(IMAGE), more)
    with pytest.raises(DecodeError, match="too many elements in its header"):
        read(data)


def test_look_up_table_sequence_that_is_too_long_is_rejected(make_dicom: MakeDicom) -> None:
    data = make_dicom(IMAGE)
    position = data.index(b"\xe0\x7f\x10\x00")
    bomb = struct.pack("<HH2sHI", 0x28, 0x3010, b"SQ", 0, 8 << 20) + (ITEM + bytes(4)) * (1 << 20)
    with pytest.raises(DecodeError, match="VOILUTSequence has 8388608 bytes"):
        read(data[:position] + bomb + data[position:])


def test_deflated_data_set_is_inflated_only_up_to_its_pixels(make_dicom: MakeDicom) -> None:
    data = make_dicom(IMAGE, uid.DeflatedExplicitVRLittleEndian)
    whole = make_dicom(IMAGE)
    body = whole[144 + struct.unpack_from("<I", whole, 140)[0] :]
    zeros = bytes(100 << 20)
    good, bad = deflated(data, body + zeros), deflated(data, zeros)
    del zeros
    tracemalloc.start()
    try:
        np.testing.assert_array_equal(read(good), IMAGE)
        with pytest.raises(DecodeError):
            read(bad)
        assert tracemalloc.get_traced_memory()[1] < 50 << 20
    finally:
        tracemalloc.stop()


def test_header_that_declares_too_many_pixels_is_rejected(make_dicom: MakeDicom) -> None:
    for syntax in (uid.ExplicitVRLittleEndian, uid.DeflatedExplicitVRLittleEndian):
        with pytest.raises(DecodeError, match="65535 x 65535 pixels, more than the limit of 100"):
            read(make_dicom(IMAGE, syntax, Rows=65535, Columns=65535))


def test_large_header_values_are_skipped(make_dicom: MakeDicom) -> None:
    private = struct.pack("<HH2sHI", 0x19, 0x1010, b"OB", 0, 30 << 20) + bytes(30 << 20)
    data = before_pixels(make_dicom(IMAGE), private)
    tracemalloc.start()
    try:
        np.testing.assert_array_equal(read(data), IMAGE)
        assert tracemalloc.get_traced_memory()[1] < 5 << 20
    finally:
        tracemalloc.stop()


def test_icon_in_the_header_is_not_taken_for_the_image(make_dicom: MakeDicom) -> None:
    icon = Dataset()
    icon.Rows, icon.Columns, icon.BitsAllocated = 2, 2, 8
    icon.PixelData = bytes(4)
    icon["PixelData"].VR = "OB"
    for undefined in (False, True):
        icon.is_undefined_length_sequence_item = undefined
        np.testing.assert_array_equal(read(make_dicom(IMAGE, IconImageSequence=[icon])), IMAGE)


@pytest.mark.parametrize(
    ("syntax", "name"),
    [
        ("1.2.840.10008.1.2.4.102", r"MPEG-4.* \(1.2.840.10008.1.2.4.102\)"),
        ("1.2.840.10008.1.2.4.94", r"JPIP Referenced \(1.2.840.10008.1.2.4.94\)"),
        ("1.2.3.4", r"1.2.3.4 \(1.2.3.4\)"),
        ("not a uid", "without a valid UID"),
    ],
)
def test_error_names_an_unsupported_transfer_syntax(make_dicom: MakeDicom, syntax: str, name: str) -> None:
    value = syntax.encode() + b"\0" * (len(syntax) % 2)
    old = b"UI\x14\x001.2.840.10008.1.2.1\0"
    data = make_dicom(IMAGE)
    assert old in data
    with pytest.raises(DecodeError, match=f"transfer syntax {name}, which is not supported; convert it"):
        read(data.replace(old, b"UI" + struct.pack("<H", len(value)) + value))


@pytest.mark.parametrize("keyword", ["RescaleSlope", "RescaleIntercept", "WindowCenter", "WindowWidth"])
def test_text_in_place_of_a_number_is_rejected_with_the_keyword(make_dicom: MakeDicom, keyword: str) -> None:
    numbers = {"RescaleSlope": 1, "RescaleIntercept": 0, "WindowCenter": 8, "WindowWidth": 16}
    data = make_dicom(IMAGE, **(numbers | {keyword: "7777"})).replace(b"7777", b"1,14")
    with pytest.raises(
        DecodeError, match=f"a DICOM file whose {keyword} is not a number; correct its header"
    ):
        read(data)


def test_missing_transfer_syntax_defaults_to_implicit_and_the_vr_is_detected() -> None:
    path = get_testdata_file("meta_missing_tsyntax.dcm", download=False)
    with pytest.raises(DecodeError, match="neither MONOCHROME1 nor MONOCHROME2"):
        read(Path(str(path)).read_bytes())


@pytest.mark.parametrize("data", [b"", b"<html>", bytes(128) + b"DICM", bytes(200)])
def test_file_that_is_not_dicom_or_ends_inside_its_header_is_rejected(data: bytes) -> None:
    with pytest.raises(DecodeError):
        read(data)
