"""Every transfer syntax gives the stored values that were encoded."""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import Any

import cv2
import imagecodecs
import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from pydicom import uid
from pydicom.pixels import get_encoder

from cxr.data.decode.dicom.reader import read_dicom
from cxr.data.decode.dicom.syntax import Syntax
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
SIGNED = np.asarray(DEEP.astype(np.int16) - 2048)


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


def pillow_j2k(pixels: Pixels) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "JPEG2000", no_jp2=True)
    return buffer.getvalue()


def openjpeg(pixels: Pixels) -> bytes:
    return bytes(imagecodecs.jpeg2k_encode(pixels, reversible=True, bitspersample=12, codecformat="j2k"))


def lossless_jpeg(pixels: Pixels, predictor: int) -> bytes:
    return bytes(imagecodecs.jpeg8_encode(pixels, lossless=True, predictor=predictor, bitspersample=12))


# If there are several encoders, one by other authors than the decoder is used.
LOSSLESS: dict[str, tuple[str, Pixels, bytes]] = {
    "implicit": (uid.ImplicitVRLittleEndian, DEEP, b""),
    "explicit": (uid.ExplicitVRLittleEndian, DEEP, b""),
    "big endian": (uid.ExplicitVRBigEndian, DEEP, b""),
    "deflated": (uid.DeflatedExplicitVRLittleEndian, DEEP, b""),
    "rle": (uid.RLELossless, DEEP, rle(DEEP)),
    "jpeg lossless": (uid.JPEGLossless, DEEP, lossless_jpeg(DEEP, 6)),
    "jpeg lossless, first order": (
        uid.JPEGLosslessSV1,
        DEEP,
        bytes(imagecodecs.ljpeg_encode(DEEP, bitspersample=12)),
    ),
    "jpeg-ls": (uid.JPEGLSLossless, DEEP, bytes(imagecodecs.jpegls_encode(DEEP))),
    "jpeg 2000": (uid.JPEG2000Lossless, DEEP, openjpeg(DEEP)),
    "jpeg 2000 in the lossy syntax": (uid.JPEG2000, DEEP, openjpeg(DEEP)),
    "jpeg 2000 of 16 bits": (uid.JPEG2000Lossless, DEEP, pillow_j2k(DEEP)),
    "htj2k": (uid.HTJ2KLossless, DEEP, bytes(imagecodecs.htj2k_encode(DEEP))),
    "htj2k by resolution": (uid.HTJ2KLosslessRPCL, DEEP, bytes(imagecodecs.htj2k_encode(DEEP))),
    "htj2k in the lossy syntax": (uid.HTJ2K, DEEP, bytes(imagecodecs.htj2k_encode(DEEP))),
    "signed": (uid.ExplicitVRLittleEndian, SIGNED, b""),
    "signed, big endian": (uid.ExplicitVRBigEndian, SIGNED, b""),
    "signed rle": (uid.RLELossless, SIGNED, rle(SIGNED)),
    "signed jpeg lossless": (uid.JPEGLosslessSV1, SIGNED, lossless_jpeg(SIGNED.view(np.uint16) & 4095, 1)),
    "signed jpeg-ls": (uid.JPEGLSLossless, SIGNED, bytes(imagecodecs.jpegls_encode(SIGNED.view(np.uint16)))),
    "signed jpeg 2000": (uid.JPEG2000Lossless, SIGNED, openjpeg(SIGNED)),
    "jpeg-ls in the syntax of jpeg": (uid.JPEGLosslessSV1, DEEP, bytes(imagecodecs.jpegls_encode(DEEP))),
}


LOSSLESS_8: dict[str, tuple[str, bytes]] = {
    "implicit": (uid.ImplicitVRLittleEndian, b""),
    "explicit": (uid.ExplicitVRLittleEndian, b""),
    "big endian": (uid.ExplicitVRBigEndian, b""),
    "deflated": (uid.DeflatedExplicitVRLittleEndian, b""),
    "rle": (uid.RLELossless, rle(SHALLOW)),
    "jpeg lossless": (
        uid.JPEGLosslessSV1,
        bytes(imagecodecs.jpeg8_encode(SHALLOW, lossless=True, predictor=1)),
    ),
    "jpeg-ls": (uid.JPEGLSLossless, bytes(imagecodecs.jpegls_encode(SHALLOW))),
    "jpeg 2000": (uid.JPEG2000Lossless, pillow_j2k(SHALLOW)),
    "jpeg 2000 in boxes": (uid.JPEG2000Lossless, cv2.imencode(".jp2", SHALLOW, [272, 1000])[1].tobytes()),
}


LOSSY: dict[str, tuple[str, Pixels, bytes]] = {
    "jpeg baseline": (uid.JPEGBaseline8Bit, SHALLOW, cv2.imencode(".jpg", SHALLOW)[1].tobytes()),
    "jpeg extended, 8 bits": (uid.JPEGExtended12Bit, SHALLOW, cv2.imencode(".jpg", SHALLOW)[1].tobytes()),
    "jpeg extended, 12 bits": (
        uid.JPEGExtended12Bit,
        DEEP,
        bytes(imagecodecs.jpeg8_encode(DEEP, level=95, bitspersample=12)),
    ),
    "jpeg-ls near lossless": (
        uid.JPEGLSNearLossless,
        DEEP,
        bytes(imagecodecs.jpegls_encode(DEEP, level=9)),
    ),
    "jpeg 2000": (
        uid.JPEG2000,
        DEEP,
        bytes(
            imagecodecs.jpeg2k_encode(DEEP, level=60, reversible=False, bitspersample=12, codecformat="j2k")
        ),
    ),
}


def encode(make_dicom: MakeDicom, case: tuple[str, Pixels, bytes], **elements: Any) -> bytes:
    syntax, pixels, stream = case
    depth = {} if pixels.dtype == np.uint8 else {"BitsStored": 12}
    return make_dicom(pixels, syntax, stream, **(depth | elements))


def read(data: bytes) -> npt.NDArray[np.uint8]:
    return read_dicom(data, max_pixels=DEEP.size).pixels


def test_every_transfer_syntax_has_a_case() -> None:
    cases = [*LOSSLESS.values(), *LOSSY.values()]
    assert {syntax for syntax, *_ in cases} == set(Syntax)


@pytest.mark.parametrize("kind", LOSSLESS)
def test_12_bit_values_are_decoded_exactly(make_dicom: MakeDicom, kind: str) -> None:
    pixels = read(encode(make_dicom, LOSSLESS[kind]))
    assert pixels.flags.c_contiguous
    np.testing.assert_array_equal(pixels, np.rint(DEEP.astype(float) * 255 / 4095))


@pytest.mark.parametrize("kind", LOSSLESS_8)
def test_8_bit_values_are_decoded_exactly(make_dicom: MakeDicom, kind: str) -> None:
    syntax, stream = LOSSLESS_8[kind]
    np.testing.assert_array_equal(read(make_dicom(SHALLOW, syntax, stream)), SHALLOW)


@pytest.mark.parametrize("kind", LOSSY)
def test_lossy_compression_changes_values_little(make_dicom: MakeDicom, kind: str) -> None:
    case = LOSSY[kind]
    exact = case[1].astype(float) * 255 / (255 if case[1].dtype == np.uint8 else 4095)
    assert np.abs(read(encode(make_dicom, case)) - exact).max() < 9


def test_values_that_lossy_compression_pushes_out_of_range_are_clipped(make_dicom: MakeDicom) -> None:
    over = np.asarray(DEEP + 600, np.uint16)
    stream = bytes(imagecodecs.jpegls_encode(over, level=3))
    pixels = read(make_dicom(over, uid.JPEGLSNearLossless, stream, BitsStored=12))
    assert (pixels[over > 4110] == 255).all()


@pytest.mark.parametrize("kind", ["explicit", "big endian", "rle", "jpeg-ls", "jpeg 2000 of 16 bits"])
def test_unused_bits_are_ignored_in_every_syntax(make_dicom: MakeDicom, kind: str) -> None:
    noisy = np.asarray(DEEP | (DEEP << 12), np.uint16)
    encoders: dict[str, Callable[[Pixels], bytes]] = {
        "rle": rle,
        "jpeg-ls": lambda pixels: bytes(imagecodecs.jpegls_encode(pixels)),
        "jpeg 2000 of 16 bits": pillow_j2k,
    }
    stream = encoders[kind](noisy) if kind in encoders else b""
    data = make_dicom(noisy, LOSSLESS[kind][0], stream, BitsStored=12)
    np.testing.assert_array_equal(read(data), np.rint(DEEP.astype(float) * 255 / 4095))


def test_high_bit_is_checked_only_where_cells_are_stored(make_dicom: MakeDicom) -> None:
    exact = np.rint(DEEP.astype(float) * 255 / 4095)
    for kind in ("jpeg lossless", "jpeg-ls", "jpeg 2000", "htj2k"):
        np.testing.assert_array_equal(read(encode(make_dicom, LOSSLESS[kind], HighBit=15)), exact)
    for kind in ("implicit", "explicit", "big endian", "deflated", "rle"):
        with pytest.raises(DecodeError, match="HighBit"):
            read(encode(make_dicom, LOSSLESS[kind], HighBit=15))


CUTTABLE = ["explicit", "big endian", "deflated", "rle", "jpeg lossless", "jpeg-ls", "jpeg 2000", "htj2k"]


@pytest.mark.parametrize("kind", CUTTABLE)
def test_truncated_file_never_gives_part_of_an_image(make_dicom: MakeDicom, kind: str) -> None:
    whole = encode(make_dicom, LOSSLESS[kind])
    expected = read(whole)
    for position in sorted(
        {*range(0, len(whole), max(1, len(whole) // 120)), *range(len(whole) - 24, len(whole))}
    ):
        try:
            pixels = read(whole[:position])
        except DecodeError:
            continue
        # Only padding or the end of the fragments is missing.
        assert position >= len(whole) - 16
        np.testing.assert_array_equal(pixels, expected)


@settings(max_examples=400, deadline=None)
@given(
    kind=st.sampled_from(CUTTABLE),
    changes=st.lists(st.tuples(st.floats(0, 1), st.integers(1, 255)), min_size=1, max_size=4),
)
def test_changed_bytes_give_an_image_or_a_one_line_error(
    make_dicom: MakeDicom, kind: str, changes: list[tuple[float, int]]
) -> None:
    data = bytearray(encode(make_dicom, LOSSLESS[kind]))
    for position, value in changes:
        data[min(int(position * len(data)), len(data) - 1)] ^= value
    try:
        pixels = read(bytes(data))
    except DecodeError as error:
        assert "\n" not in str(error)  # noqa: PT017
    else:
        assert pixels.size <= DEEP.size
