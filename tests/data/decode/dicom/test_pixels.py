"""The stored values of DICOM images: native cells, fragments and frames."""

from __future__ import annotations

import io
import struct
import sys
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
from pydicom.encaps import encapsulate
from pydicom.pixels import get_encoder

from cxr.data.decode.dicom.parse import parse
from cxr.data.decode.dicom.pixel_format import read_pixel_format
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


def rle(pixels: Pixels) -> bytes:
    return get_encoder(uid.RLELossless).encode(
        pixels,
        rows=pixels.shape[0],
        columns=pixels.shape[1],
        samples_per_pixel=1,
        bits_allocated=8 * pixels.itemsize,
        bits_stored=8 * pixels.itemsize,
        pixel_representation=int(pixels.dtype.kind == "i"),
        number_of_frames=1,
        photometric_interpretation="MONOCHROME2",
    )


def read(data: bytes) -> npt.NDArray[np.uint8]:
    return read_dicom(data, max_pixels=DEEP.size).pixels


@pytest.mark.parametrize("syntax", [uid.ExplicitVRLittleEndian, uid.ExplicitVRBigEndian])
def test_8_bit_values_in_16_bit_words_are_in_order(make_dicom: MakeDicom, syntax: str) -> None:
    words = SHALLOW.tobytes() + b"\0"
    if syntax == uid.ExplicitVRBigEndian:
        words = np.frombuffer(words, np.uint16).byteswap().tobytes()
    data = make_dicom(SHALLOW, syntax, PixelData=words)
    marked = data.replace(b"\xe0\x7f\x10\x00OB", b"\xe0\x7f\x10\x00OW")
    marked = marked.replace(b"\x7f\xe0\x00\x10OB", b"\x7f\xe0\x00\x10OW")
    assert marked != data
    np.testing.assert_array_equal(read(marked), SHALLOW)


def test_1_bit_images_are_black_and_white(make_dicom: MakeDicom) -> None:
    bits = SHALLOW > 120
    packed = np.packbits(bits, bitorder="little").tobytes()
    elements = {"BitsAllocated": 1, "BitsStored": 1, "HighBit": 0}
    data = make_dicom(SHALLOW, **elements, PixelData=packed + bytes(len(packed) % 2))
    np.testing.assert_array_equal(read(data), np.where(bits, 255, 0))


def real(name: str) -> bytes:
    """Return a file that comes with pydicom; slices are declared as secondary captures."""
    data = Path(str(get_testdata_file(name, download=False))).read_bytes()
    for kind in (b"2", b"4"):  # CT and MR
        data = data.replace(b"1.2.840.10008.5.1.4.1.1." + kind + b"\0", b"1.2.840.10008.5.1.4.1.1.7\0")
    return data


def stored_values(data: bytes) -> npt.NDArray[np.int64]:
    file = parse(data)
    pixel_format = read_pixel_format(file, 2**20)
    stored = read_stored_values(file, pixel_format)
    values = stored.cells.astype(np.int64) & (1 << stored.bits) - 1
    return values - ((values >> stored.bits - 1) << stored.bits) if pixel_format.signed else values


@pytest.mark.parametrize(
    "name",
    ["MR_small_RLE.dcm", "693_J2KI.dcm", "JPEG2000.dcm", "image_dfl.dcm"],
)
def test_real_files_have_the_stored_values_of_pydicom(name: str) -> None:
    expected = pydicom.dcmread(io.BytesIO(real(name))).pixel_array
    np.testing.assert_array_equal(stored_values(real(name)), expected)


def test_real_12_bit_jpeg_is_close_to_the_same_image_in_jpeg_2000() -> None:
    jpeg, jpeg_2000 = stored_values(real("JPGExtended.dcm")), stored_values(real("JPEG2000.dcm"))
    assert np.corrcoef(jpeg.ravel(), jpeg_2000.ravel())[0, 1] > 0.95
    assert abs(jpeg.mean() - jpeg_2000.mean()) < 1


def test_real_image_is_the_same_in_six_transfer_syntaxes() -> None:
    names = ["", "_RLE", "_bigendian", "_implicit", "_jp2klossless", "_jpeg_ls_lossless"]
    first, *others = (read_dicom(real(f"MR_small{name}.dcm"), max_pixels=4096).pixels for name in names)
    assert first.std() > 20
    for other in others:
        np.testing.assert_array_equal(other, first)


@pytest.mark.parametrize("extra", [-2, DEEP.nbytes])
def test_fewer_pixels_than_declared_or_twice_as_many_are_rejected(make_dicom: MakeDicom, extra: int) -> None:
    raw = (DEEP.tobytes() * 2)[: DEEP.nbytes + extra]
    with pytest.raises(
        DecodeError, match=f"{len(raw)} bytes of pixels where its header declares {DEEP.nbytes} bytes"
    ):
        read(make_dicom(DEEP, PixelData=raw))


@pytest.mark.parametrize("extra", [2, 1000])
@pytest.mark.parametrize(
    "syntax",
    [
        uid.ImplicitVRLittleEndian,
        uid.ExplicitVRLittleEndian,
        uid.ExplicitVRBigEndian,
        uid.DeflatedExplicitVRLittleEndian,
    ],
)
def test_bytes_after_the_pixels_are_ignored(make_dicom: MakeDicom, syntax: str, extra: int) -> None:
    for pixels, depth in ((DEEP, 12), (SHALLOW, 8)):
        plain = make_dicom(pixels, syntax, BitsStored=depth)
        order = ">" if syntax == uid.ExplicitVRBigEndian else "<"
        raw = pixels.astype(pixels.dtype.newbyteorder(order)).tobytes()
        longer = make_dicom(
            pixels, syntax, BitsStored=depth, PixelData=raw + bytes(len(raw) % 2) + bytes([9]) * extra
        )
        np.testing.assert_array_equal(read(longer), read(plain))


STREAMS: dict[str, tuple[str, Pixels, bytes]] = {
    "jpeg baseline": (uid.JPEGBaseline8Bit, SHALLOW, cv2.imencode(".jpg", SHALLOW)[1].tobytes()),
    "jpeg-ls": (uid.JPEGLSLossless, DEEP, bytes(imagecodecs.jpegls_encode(DEEP))),
    "jpeg 2000": (
        uid.JPEG2000Lossless,
        DEEP,
        bytes(imagecodecs.jpeg2k_encode(DEEP, reversible=True, codecformat="j2k")),
    ),
    "rle": (uid.RLELossless, DEEP, rle(DEEP)),
}


def test_frame_in_several_fragments_is_read(make_dicom: MakeDicom) -> None:
    syntax, pixels, stream = STREAMS["jpeg baseline"]
    data = make_dicom(pixels, syntax, stream)
    one_fragment, three_fragments = encapsulate([stream]), encapsulate([stream], fragments_per_frame=3)
    assert one_fragment in data
    np.testing.assert_array_equal(read(data.replace(one_fragment, three_fragments)), read(data))


@pytest.mark.parametrize("has_bot", [True, False])
@pytest.mark.parametrize("kind", ["jpeg baseline", "jpeg 2000", "rle"])
def test_two_frames_are_rejected_even_if_one_is_declared(
    make_dicom: MakeDicom, kind: str, has_bot: bool
) -> None:
    syntax, pixels, stream = STREAMS[kind]
    data = make_dicom(pixels, syntax, stream)
    two = data.replace(encapsulate([stream]), encapsulate([stream, stream], has_bot=has_bot))
    is_recognizable = has_bot or kind != "rle"  # run lengths have no start marker
    with pytest.raises(DecodeError, match="several frames" if is_recognizable else "RLE pixels are damaged"):
        read(two)


def test_error_for_a_missing_decoder_names_the_extra(
    make_dicom: MakeDicom, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "imagecodecs", None)
    with pytest.raises(DecodeError, match=r'a DICOM file with compressed pixels: .*pip install .*\[dicom\]"'):
        read(make_dicom(DEEP, *STREAMS["jpeg-ls"][::2], BitsStored=12))
    with pytest.raises(
        DecodeError, match="a DICOM file with compressed pixels: imagecodecs is not installed"
    ):
        read(make_dicom(SHALLOW, uid.RLELossless, struct.pack("<16I", 1, 64, *([0] * 14)) + b"\x81\x00"))
    np.testing.assert_array_equal(read(make_dicom(SHALLOW)), SHALLOW)
