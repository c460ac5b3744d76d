"""Codestreams of compressed DICOM pixels that contradict the DICOM header."""

from __future__ import annotations

import io
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import imagecodecs
import numpy as np
import numpy.typing as npt
import pydicom
import pytest
from pydicom import uid
from pydicom.data import get_testdata_file

from cxr.data.decode.codestream import read_jpeg_2000_frame, read_jpeg_frame
from cxr.data.decode.dicom.parse import parse
from cxr.data.decode.dicom.pixel_format import low_bits, read_pixel_format
from cxr.data.decode.dicom.pixels import read_stored_values
from cxr.data.decode.dicom.reader import read_dicom
from cxr.errors import DecodeError

MakeDicom = Callable[..., bytes]
Pixels = npt.NDArray[Any]


def image(height: int = 45, width: int = 67) -> npt.NDArray[np.uint16]:
    """12 bits, an odd number of pixels, no two equal rows or columns."""
    rows, columns = np.mgrid[:height, :width]
    noise = np.random.default_rng(0).integers(0, 90, (height, width))
    return np.asarray((rows * 51 + columns * 23 + noise).clip(0, 4095), np.uint16)


DEEP = image()
SHALLOW = np.asarray(DEEP >> 4, np.uint8)
GRAY = np.rint(DEEP * (255 / 4095))
SIGNED = np.asarray(DEEP.astype(np.int16) - 2048)


def openjpeg(pixels: Pixels) -> bytes:
    return bytes(imagecodecs.jpeg2k_encode(pixels, reversible=True, bitspersample=12, codecformat="j2k"))


def openjpeg_16(pixels: Pixels) -> bytes:
    return bytes(imagecodecs.jpeg2k_encode(pixels, reversible=True, codecformat="j2k"))


STREAMS: dict[str, tuple[str, Pixels, bytes]] = {
    "jpeg baseline": (uid.JPEGBaseline8Bit, SHALLOW, cv2.imencode(".jpg", SHALLOW)[1].tobytes()),
    "jpeg lossless": (uid.JPEGLosslessSV1, DEEP, bytes(imagecodecs.ljpeg_encode(DEEP, bitspersample=12))),
    "jpeg-ls": (uid.JPEGLSLossless, DEEP, bytes(imagecodecs.jpegls_encode(DEEP))),
    "jpeg 2000": (uid.JPEG2000Lossless, DEEP, openjpeg(DEEP)),
    "htj2k": (uid.HTJ2KLossless, DEEP, bytes(imagecodecs.htj2k_encode(DEEP))),
}


SIGNED_JPEG_2000 = (uid.JPEG2000Lossless, SIGNED, openjpeg(SIGNED))


def encode(make_dicom: MakeDicom, case: tuple[str, Pixels, bytes], **elements: Any) -> bytes:
    syntax, pixels, stream = case
    depth = {} if pixels.dtype == np.uint8 else {"BitsStored": 12}
    return make_dicom(pixels, syntax, stream, **(depth | elements))


def read(data: bytes) -> npt.NDArray[np.uint8]:
    return read_dicom(data, max_pixels=DEEP.size).pixels


def real(name: str) -> bytes:
    """Return a file that comes with pydicom; slices are declared as secondary captures."""
    data = Path(str(get_testdata_file(name, download=False))).read_bytes()
    for kind in (b"2", b"4"):  # CT and MR
        data = data.replace(b"1.2.840.10008.5.1.4.1.1." + kind + b"\0", b"1.2.840.10008.5.1.4.1.1.7\0")
    return data


@pytest.mark.parametrize("kind", STREAMS)
def test_codestream_of_another_size_is_rejected_before_decoding(
    make_dicom: MakeDicom, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for codec in ("jpeg8_decode", "jpegls_decode", "jpeg2k_decode"):
        monkeypatch.setattr(imagecodecs, codec, lambda _: pytest.fail("it was decoded"))
    syntax, pixels, stream = STREAMS[kind]
    if stream.startswith(b"\xff\x4f"):
        declared, bomb_size = struct.pack(">II", *pixels.shape[::-1]), struct.pack(">II", 60000, 60000)
    else:
        declared, bomb_size = struct.pack(">HH", *pixels.shape), struct.pack(">HH", 60000, 60000)
    bomb = stream.replace(declared, bomb_size, 1)
    assert bomb != stream
    with pytest.raises(DecodeError, match="67 x 45 gray pixels, its codestream 60000 x 60000"):
        read(make_dicom(pixels, syntax, bomb))


def test_color_codestream_with_a_gray_header_is_rejected(make_dicom: MakeDicom) -> None:
    stream = cv2.imencode(".jpg", np.dstack([SHALLOW, SHALLOW, SHALLOW]))[1].tobytes()
    with pytest.raises(DecodeError, match="with 3 channels of 8 bits"):
        read(make_dicom(SHALLOW, uid.JPEGBaseline8Bit, stream))


@pytest.mark.parametrize("window", [{}, {"WindowCenter": 2048, "WindowWidth": 4096}])
@pytest.mark.parametrize("syntax", [uid.JPEGBaseline8Bit, uid.JPEGExtended12Bit])
def test_codestream_of_fewer_bits_than_stored_is_read_by_its_own_bits(
    make_dicom: MakeDicom, syntax: str, window: dict[str, int]
) -> None:
    stream = STREAMS["jpeg baseline"][2]
    pixels = read(make_dicom(DEEP, syntax, stream, BitsStored=12, **window))
    np.testing.assert_array_equal(pixels, cv2.imdecode(np.frombuffer(stream, np.uint8), 0))


@pytest.mark.parametrize("kind", ["jpeg lossless", "jpeg 2000"])
@pytest.mark.parametrize("window", [{}, {"WindowCenter": 2048, "WindowWidth": 4096}])
def test_12_bit_codestream_is_read_where_the_header_says_16(
    make_dicom: MakeDicom, kind: str, window: dict[str, int]
) -> None:
    pixels = read(encode(make_dicom, STREAMS[kind], BitsStored=16, HighBit=15, **window))
    np.testing.assert_array_equal(pixels, GRAY)


TWOS_COMPLEMENT = np.asarray(SIGNED & 0xFFF, np.uint16)


@pytest.mark.parametrize("window", [{}, {"WindowCenter": 0, "WindowWidth": 4096}])
def test_jpeg_2000_of_the_other_sign_is_read_as_twos_complement(
    make_dicom: MakeDicom, window: dict[str, int]
) -> None:
    """As pydicom and GDCM do."""
    stream = openjpeg(TWOS_COMPLEMENT)
    data = make_dicom(SIGNED, uid.JPEG2000Lossless, stream, BitsStored=12, PixelRepresentation=1, **window)
    np.testing.assert_array_equal(pydicom.dcmread(io.BytesIO(data)).pixel_array, SIGNED)
    np.testing.assert_array_equal(read(data), GRAY)


def test_jpeg_2000_is_read_by_its_own_sign_where_that_of_the_header_would_tear_the_image(
    make_dicom: MakeDicom,
) -> None:
    np.testing.assert_array_equal(read(encode(make_dicom, STREAMS["jpeg 2000"], PixelRepresentation=1)), GRAY)
    np.testing.assert_array_equal(read(encode(make_dicom, SIGNED_JPEG_2000, PixelRepresentation=0)), GRAY)


def test_real_jpeg_2000_of_the_other_sign_has_the_values_of_pydicom() -> None:
    data = real("J2K_pixelrep_mismatch.dcm")
    file = parse(data)
    stored = read_stored_values(file, read_pixel_format(file, 2**20))
    values = low_bits(stored.cells.astype(np.int64), stored.bits, signed=stored.signed)
    np.testing.assert_array_equal(values, pydicom.dcmread(io.BytesIO(data)).pixel_array)


def test_values_of_8_bits_at_the_top_of_16_are_rejected_as_12_bits(make_dicom: MakeDicom) -> None:
    """As stored values they would be noise."""
    rng = np.random.default_rng(0)
    grainy = (SHALLOW.astype(int) + rng.integers(-9, 10, SHALLOW.shape)).clip(0, 255)
    top = np.asarray(grainy << 8, np.uint16)
    for syntax, stream in ((uid.ExplicitVRLittleEndian, b""), (uid.JPEG2000Lossless, openjpeg_16(top))):
        with pytest.raises(DecodeError, match="more than the 12 bits that its header declares"):
            read(make_dicom(top, syntax, stream, BitsStored=12))


@pytest.mark.parametrize("syntax", [uid.JPEGLosslessSV1, uid.JPEGLSLossless, uid.JPEG2000Lossless])
def test_values_at_the_top_of_a_codestream_with_more_bits_are_rejected(
    make_dicom: MakeDicom, syntax: str
) -> None:
    top = np.asarray(DEEP << 4, np.uint16)
    encoders: dict[str, Callable[[Pixels], Any]] = {
        uid.JPEGLosslessSV1: lambda pixels: imagecodecs.ljpeg_encode(pixels, bitspersample=16),
        uid.JPEGLSLossless: imagecodecs.jpegls_encode,
        uid.JPEG2000Lossless: openjpeg_16,
    }
    stream = bytes(encoders[syntax](top))
    with pytest.raises(DecodeError, match="HighBit does not match its BitsStored"):
        read(make_dicom(top, syntax, stream, BitsStored=12, HighBit=15))
    with pytest.raises(DecodeError, match="more than the 12 bits that its header declares"):
        read(make_dicom(top, syntax, stream, BitsStored=12))


def test_compressed_syntax_with_uncompressed_pixels_is_rejected(make_dicom: MakeDicom) -> None:
    data = make_dicom(SHALLOW).replace(b"1.2.840.10008.1.2.1\0", b"1.2.840.10008.1.2.5\0")
    with pytest.raises(DecodeError, match="compressed transfer syntax but uncompressed pixels"):
        read(data)


def test_frame_header_holds_size_depth_and_kind() -> None:
    jpeg = read_jpeg_frame(STREAMS["jpeg lossless"][2])
    assert (jpeg.width, jpeg.height, jpeg.bits, jpeg.components, jpeg.jpeg_ls) == (67, 45, 12, 1, False)
    assert read_jpeg_frame(STREAMS["jpeg-ls"][2]).jpeg_ls
    header = STREAMS["jpeg-ls"][2].index(b"\xff\xf7")
    segment = STREAMS["jpeg-ls"][2][header : header + 13]
    with pytest.raises(DecodeError, match="two frame headers"):
        read_jpeg_frame(STREAMS["jpeg-ls"][2].replace(segment, segment * 2))
    signed = read_jpeg_2000_frame(SIGNED_JPEG_2000[2])
    assert (signed.width, signed.height, signed.bits, signed.signed) == (67, 45, 12, True)
