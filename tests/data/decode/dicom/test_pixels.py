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
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from pydicom import uid
from pydicom.data import get_testdata_file
from pydicom.encaps import encapsulate
from pydicom.pixels import get_encoder

from cxr.data.decode.codestream import read_jpeg, read_jpeg_2000
from cxr.data.decode.dicom.parse import parse
from cxr.data.decode.dicom.pixel_format import read_pixel_format
from cxr.data.decode.dicom.pixels import read_stored_values
from cxr.data.decode.dicom.reader import read_dicom
from cxr.data.decode.dicom.syntax import Syntax
from cxr.errors import DecodeError

MakeDicom = Callable[..., bytes]
Pixels = npt.NDArray[Any]


def image(height: int = 45, width: int = 67) -> npt.NDArray[np.uint16]:
    """12 bits, an odd number of pixels, no row or column like another."""
    rows, columns = np.mgrid[:height, :width]
    noise = np.random.default_rng(0).integers(0, 90, (height, width))
    return np.asarray((rows * 51 + columns * 23 + noise).clip(0, 4095), np.uint16)


DEEP = image()
FLAT = np.asarray(DEEP >> 4, np.uint8)
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


# Where there are two, the encoder is not by the makers of the decoder.
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
    "rle": (uid.RLELossless, rle(FLAT)),
    "jpeg lossless": (
        uid.JPEGLosslessSV1,
        bytes(imagecodecs.jpeg8_encode(FLAT, lossless=True, predictor=1)),
    ),
    "jpeg-ls": (uid.JPEGLSLossless, bytes(imagecodecs.jpegls_encode(FLAT))),
    "jpeg 2000": (uid.JPEG2000Lossless, pillow_j2k(FLAT)),
    "jpeg 2000 in boxes": (uid.JPEG2000Lossless, cv2.imencode(".jp2", FLAT, [272, 1000])[1].tobytes()),
}
LOSSY: dict[str, tuple[str, Pixels, bytes]] = {
    "jpeg baseline": (uid.JPEGBaseline8Bit, FLAT, cv2.imencode(".jpg", FLAT)[1].tobytes()),
    "jpeg extended, 8 bits": (uid.JPEGExtended12Bit, FLAT, cv2.imencode(".jpg", FLAT)[1].tobytes()),
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
def test_12_bits_come_back_exactly(make_dicom: MakeDicom, kind: str) -> None:
    pixels = read(encode(make_dicom, LOSSLESS[kind]))
    assert pixels.flags.c_contiguous
    np.testing.assert_array_equal(pixels, np.rint(DEEP.astype(float) * 255 / 4095))


@pytest.mark.parametrize("kind", LOSSLESS_8)
def test_8_bits_come_back_exactly(make_dicom: MakeDicom, kind: str) -> None:
    syntax, stream = LOSSLESS_8[kind]
    np.testing.assert_array_equal(read(make_dicom(FLAT, syntax, stream)), FLAT)


@pytest.mark.parametrize("kind", LOSSY)
def test_what_was_compressed_with_loss_comes_back_nearly(make_dicom: MakeDicom, kind: str) -> None:
    case = LOSSY[kind]
    exact = case[1].astype(float) * 255 / (255 if case[1].dtype == np.uint8 else 4095)
    assert np.abs(read(encode(make_dicom, case)) - exact).max() < 9


def test_values_that_loss_took_out_of_range_are_clipped_not_wrapped(make_dicom: MakeDicom) -> None:
    over = np.asarray(DEEP + 600, np.uint16)
    stream = bytes(imagecodecs.jpegls_encode(over, level=3))
    pixels = read(make_dicom(over, uid.JPEGLSNearLossless, stream, BitsStored=12))
    assert (pixels[over > 4110] == 255).all()


@pytest.mark.parametrize("kind", ["explicit", "big endian", "rle", "jpeg-ls", "jpeg 2000 of 16 bits"])
def test_what_is_in_bits_that_are_not_stored_is_left_out(make_dicom: MakeDicom, kind: str) -> None:
    rubbish = np.asarray(DEEP | (DEEP << 12), np.uint16)
    encoders: dict[str, Callable[[Pixels], bytes]] = {
        "rle": rle,
        "jpeg-ls": lambda pixels: bytes(imagecodecs.jpegls_encode(pixels)),
        "jpeg 2000 of 16 bits": pillow_j2k,
    }
    stream = encoders[kind](rubbish) if kind in encoders else b""
    data = make_dicom(rubbish, LOSSLESS[kind][0], stream, BitsStored=12)
    np.testing.assert_array_equal(read(data), np.rint(DEEP.astype(float) * 255 / 4095))


@pytest.mark.parametrize("syntax", [uid.ExplicitVRLittleEndian, uid.ExplicitVRBigEndian])
def test_8_bits_in_16_bit_words_are_in_order(make_dicom: MakeDicom, syntax: str) -> None:
    words = FLAT.tobytes() + b"\0"
    if syntax == uid.ExplicitVRBigEndian:
        words = np.frombuffer(words, np.uint16).byteswap().tobytes()
    data = make_dicom(FLAT, syntax, PixelData=words)
    marked = data.replace(b"\xe0\x7f\x10\x00OB", b"\xe0\x7f\x10\x00OW")
    marked = marked.replace(b"\x7f\xe0\x00\x10OB", b"\x7f\xe0\x00\x10OW")
    assert marked != data
    np.testing.assert_array_equal(read(marked), FLAT)


def test_one_bit_is_black_and_white(make_dicom: MakeDicom) -> None:
    bits = FLAT > 120
    packed = np.packbits(bits, bitorder="little").tobytes()
    form = {"BitsAllocated": 1, "BitsStored": 1, "HighBit": 0}
    data = make_dicom(FLAT, **form, PixelData=packed + bytes(len(packed) % 2))
    np.testing.assert_array_equal(read(data), np.where(bits, 255, 0))


def real(name: str) -> bytes:
    """Give a file that comes with pydicom, as a secondary capture where it is a slice."""
    data = Path(str(get_testdata_file(name, download=False))).read_bytes()
    for kind in (b"2", b"4"):  # CT and MR
        data = data.replace(b"1.2.840.10008.5.1.4.1.1." + kind + b"\0", b"1.2.840.10008.5.1.4.1.1.7\0")
    return data


def stored_values(data: bytes) -> npt.NDArray[np.int64]:
    file = parse(data)
    form = read_pixel_format(file, 2**20)
    cells = read_stored_values(file, form)
    values = cells.samples.astype(np.int64) & (1 << cells.bits) - 1
    return values - ((values >> cells.bits - 1) << cells.bits) if form.signed else values


@pytest.mark.parametrize(
    "name",
    ["MR_small_RLE.dcm", "693_J2KI.dcm", "JPEG2000.dcm", "image_dfl.dcm"],
)
def test_real_files_have_the_stored_values_that_pydicom_reads(name: str) -> None:
    expected = pydicom.dcmread(io.BytesIO(real(name))).pixel_array
    np.testing.assert_array_equal(stored_values(real(name)), expected)


def test_a_real_jpeg_of_12_bits_is_near_the_same_image_in_jpeg_2000() -> None:
    jpeg, jpeg_2000 = stored_values(real("JPGExtended.dcm")), stored_values(real("JPEG2000.dcm"))
    assert np.corrcoef(jpeg.ravel(), jpeg_2000.ravel())[0, 1] > 0.95
    assert abs(jpeg.mean() - jpeg_2000.mean()) < 1


def test_the_same_real_image_in_six_syntaxes_is_the_same_image() -> None:
    names = ["", "_RLE", "_bigendian", "_implicit", "_jp2klossless", "_jpeg_ls_lossless"]
    first, *others = (read_dicom(real(f"MR_small{name}.dcm"), max_pixels=4096).pixels for name in names)
    assert first.std() > 20
    for other in others:
        np.testing.assert_array_equal(other, first)


CUTTABLE = ["explicit", "big endian", "deflated", "rle", "jpeg lossless", "jpeg-ls", "jpeg 2000", "htj2k"]


@pytest.mark.parametrize("kind", CUTTABLE)
def test_a_cut_file_is_never_half_a_image(make_dicom: MakeDicom, kind: str) -> None:
    whole = encode(make_dicom, LOSSLESS[kind])
    expected = read(whole)
    for place in sorted(
        {*range(0, len(whole), max(1, len(whole) // 120)), *range(len(whole) - 24, len(whole))}
    ):
        try:
            pixels = read(whole[:place])
        except DecodeError:
            continue
        # Only what comes after the pixels is missing: their padding, or the end of the fragments.
        assert place >= len(whole) - 16
        np.testing.assert_array_equal(pixels, expected)


@pytest.mark.parametrize("surplus", [-2, DEEP.nbytes])
def test_pixels_fewer_than_declared_or_twice_as_many_are_refused(make_dicom: MakeDicom, surplus: int) -> None:
    raw = (DEEP.tobytes() * 2)[: DEEP.nbytes + surplus]
    with pytest.raises(DecodeError, match=f"{len(raw)} bytes of pixels where {DEEP.nbytes} bytes are due"):
        read(make_dicom(DEEP, PixelData=raw))


@pytest.mark.parametrize("surplus", [2, 1000])
@pytest.mark.parametrize("kind", ["implicit", "explicit", "big endian", "deflated"])
def test_bytes_after_the_pixels_are_passed_over(make_dicom: MakeDicom, kind: str, surplus: int) -> None:
    syntax = LOSSLESS[kind][0]
    for pixels, depth in ((DEEP, 12), (FLAT, 8)):
        plain = make_dicom(pixels, syntax, BitsStored=depth)
        order = ">" if kind == "big endian" else "<"
        raw = pixels.astype(pixels.dtype.newbyteorder(order)).tobytes()
        longer = make_dicom(
            pixels, syntax, BitsStored=depth, PixelData=raw + bytes(len(raw) % 2) + bytes([9]) * surplus
        )
        np.testing.assert_array_equal(read(longer), read(plain))


def test_a_frame_in_several_fragments_is_read(make_dicom: MakeDicom) -> None:
    syntax, pixels, stream = LOSSY["jpeg baseline"]
    data = make_dicom(pixels, syntax, stream)
    in_one, in_three = encapsulate([stream]), encapsulate([stream], fragments_per_frame=3)
    assert in_one in data
    np.testing.assert_array_equal(read(data.replace(in_one, in_three)), read(data))


@pytest.mark.parametrize("has_bot", [True, False])
@pytest.mark.parametrize("kind", ["jpeg baseline", "jpeg 2000", "rle"])
def test_two_frames_are_refused_even_if_one_is_declared(
    make_dicom: MakeDicom, kind: str, has_bot: bool
) -> None:
    syntax, pixels, stream = (LOSSLESS | LOSSY)[kind]
    data = make_dicom(pixels, syntax, stream)
    two = data.replace(encapsulate([stream]), encapsulate([stream, stream], has_bot=has_bot))
    told = has_bot or kind != "rle"  # run lengths have no mark of their start
    with pytest.raises(DecodeError, match="several frames" if told else "RLE pixels are damaged"):
        read(two)


@pytest.mark.parametrize("kind", ["jpeg baseline", "jpeg lossless", "jpeg-ls", "jpeg 2000", "htj2k"])
def test_a_codestream_of_another_size_is_refused_before_it_is_decoded(
    make_dicom: MakeDicom, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for codec in ("jpeg8_decode", "jpegls_decode", "jpeg2k_decode"):
        monkeypatch.setattr(imagecodecs, codec, lambda _: pytest.fail("it was decoded"))
    syntax, pixels, stream = (LOSSLESS | LOSSY)[kind] if kind != "jpeg 2000" else LOSSLESS[kind]
    old = struct.pack(">HH", *pixels.shape) if b"jpeg" in kind.encode() else b""
    if stream.startswith(b"\xff\x4f"):
        old = struct.pack(">II", pixels.shape[1], pixels.shape[0])
        bomb = stream.replace(old, struct.pack(">II", 60000, 60000), 1)
    else:
        bomb = stream.replace(old, struct.pack(">HH", 60000, 60000))
    assert bomb != stream
    with pytest.raises(DecodeError, match="67 x 45 gray pixels, its compressed pixels 60000 x 60000"):
        read(make_dicom(pixels, syntax, bomb))


def test_a_color_codestream_under_a_gray_header_is_refused(make_dicom: MakeDicom) -> None:
    stream = cv2.imencode(".jpg", np.dstack([FLAT, FLAT, FLAT]))[1].tobytes()
    with pytest.raises(DecodeError, match="in 3 of 8 bits"):
        read(make_dicom(FLAT, uid.JPEGBaseline8Bit, stream))


@pytest.mark.parametrize("kind", ["jpeg baseline", "jpeg extended, 8 bits"])
def test_a_codestream_of_fewer_bits_than_are_stored_is_refused(make_dicom: MakeDicom, kind: str) -> None:
    syntax, _, stream = LOSSY[kind]
    window = {"WindowCenter": 2048, "WindowWidth": 4096}
    with pytest.raises(DecodeError, match="header says 12 stored bits, its compressed pixels 8;"):
        read(make_dicom(DEEP, syntax, stream, BitsStored=12, **window))


def test_a_jpeg_2000_of_the_other_sign_is_refused(make_dicom: MakeDicom) -> None:
    unsigned = encode(make_dicom, LOSSLESS["jpeg 2000"], PixelRepresentation=1)
    with pytest.raises(DecodeError, match="header says signed pixels, its compressed pixels are unsigned"):
        read(unsigned)
    signed = encode(make_dicom, LOSSLESS["signed jpeg 2000"], PixelRepresentation=0)
    with pytest.raises(DecodeError, match="header says unsigned pixels, its compressed pixels are signed"):
        read(signed)
    with pytest.raises(DecodeError, match="compressed pixels are unsigned"):
        read_stored_values(file := parse(real("J2K_pixelrep_mismatch.dcm")), read_pixel_format(file, 2**20))


def test_the_high_bit_counts_only_where_cells_are_stored(make_dicom: MakeDicom) -> None:
    exact = np.rint(DEEP.astype(float) * 255 / 4095)
    for kind in ("jpeg lossless", "jpeg-ls", "jpeg 2000", "htj2k"):
        np.testing.assert_array_equal(read(encode(make_dicom, LOSSLESS[kind], HighBit=15)), exact)
    for kind in ("implicit", "explicit", "big endian", "deflated", "rle"):
        with pytest.raises(DecodeError, match="high bit"):
            read(encode(make_dicom, LOSSLESS[kind], HighBit=15))


def test_a_compressed_syntax_without_compressed_pixels_is_refused(make_dicom: MakeDicom) -> None:
    data = make_dicom(FLAT).replace(b"1.2.840.10008.1.2.1\0", b"1.2.840.10008.1.2.5\0")
    with pytest.raises(DecodeError, match="compressed, but not its pixels"):
        read(data)


@pytest.mark.parametrize("pixels", [FLAT, DEEP], ids=["8 bits", "12 bits"])
@pytest.mark.parametrize("more", [bytes(2), bytes(64), bytes(1001)])
def test_run_lengths_a_little_longer_than_the_image_are_cut(
    make_dicom: MakeDicom, pixels: Pixels, more: bytes
) -> None:
    stream, depth = rle(pixels), {} if pixels is FLAT else {"BitsStored": 12}
    expected = read(make_dicom(pixels, uid.RLELossless, stream, **depth))
    np.testing.assert_array_equal(read(make_dicom(pixels, uid.RLELossless, stream + more, **depth)), expected)
    if pixels is DEEP:
        _, first, second = struct.unpack_from("<3I", stream)
        header = struct.pack("<3I", 2, first, second + len(more)) + stream[12:first]
        longer = header + stream[first:second] + more + stream[second:]
        np.testing.assert_array_equal(read(make_dicom(pixels, uid.RLELossless, longer, **depth)), expected)


@pytest.mark.parametrize("header", [(2, 64, 66), (1, 32), (1, 9999), (0, 0)])
def test_run_lengths_that_are_not_one_segment_a_byte_are_refused(
    make_dicom: MakeDicom, header: tuple[int, ...]
) -> None:
    stream = struct.pack("<16I", *header, *([0] * (16 - len(header)))) + b"\x81\x00" * 40
    with pytest.raises(DecodeError, match="RLE pixels are not in segments, one for each byte of a sample"):
        read(make_dicom(FLAT, uid.RLELossless, stream))
    with pytest.raises(DecodeError, match="RLE pixels are cut off"):
        read(make_dicom(FLAT, uid.RLELossless, stream[:62]))


def test_run_lengths_that_fill_more_than_the_image_are_refused(make_dicom: MakeDicom) -> None:
    segment = b"\x81\x00" * 100_000
    bomb = struct.pack("<16I", 1, 64, *([0] * 14)) + segment
    with pytest.raises(DecodeError, match="RLE pixels are damaged"):
        read(make_dicom(FLAT, uid.RLELossless, bomb))
    short = struct.pack("<16I", 1, 64, *([0] * 14)) + b"\x81\x00\x81\x00"
    with pytest.raises(DecodeError, match="RLE pixels are fewer"):
        read(make_dicom(FLAT, uid.RLELossless, short))


def test_a_missing_decoder_package_names_the_extra(
    make_dicom: MakeDicom, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(__import__("sys").modules, "imagecodecs", None)
    with pytest.raises(DecodeError, match=r'compressed DICOM pixels: .*pip install .*\[dicom\]"'):
        read(encode(make_dicom, LOSSLESS["jpeg-ls"]))
    with pytest.raises(DecodeError, match="compressed DICOM pixels: imagecodecs is not installed"):
        read(make_dicom(FLAT, uid.RLELossless, struct.pack("<16I", 1, 64, *([0] * 14)) + b"\x81\x00"))
    np.testing.assert_array_equal(read(make_dicom(FLAT)), FLAT)


@settings(max_examples=400, deadline=None)
@given(
    kind=st.sampled_from(CUTTABLE),
    changes=st.lists(st.tuples(st.floats(0, 1), st.integers(1, 255)), min_size=1, max_size=4),
)
def test_changed_bytes_give_a_image_or_a_named_failure(
    make_dicom: MakeDicom, kind: str, changes: list[tuple[float, int]]
) -> None:
    data = bytearray(encode(make_dicom, LOSSLESS[kind]))
    for place, value in changes:
        data[min(int(place * len(data)), len(data) - 1)] ^= value
    try:
        pixels = read(bytes(data))
    except DecodeError as error:
        assert "\n" not in str(error)  # noqa: PT017
    else:
        assert pixels.size <= DEEP.size


def test_frame_headers_say_size_depth_and_kind() -> None:
    jpeg = read_jpeg(LOSSLESS["jpeg lossless"][2])
    assert (jpeg.width, jpeg.height, jpeg.bits, jpeg.components, jpeg.jpeg_ls) == (67, 45, 12, 1, False)
    assert read_jpeg(LOSSLESS["jpeg-ls"][2]).jpeg_ls
    header = LOSSLESS["jpeg-ls"][2].index(b"\xff\xf7")
    segment = LOSSLESS["jpeg-ls"][2][header : header + 13]
    with pytest.raises(DecodeError, match="two frame headers"):
        read_jpeg(LOSSLESS["jpeg-ls"][2].replace(segment, segment * 2))
    signed = read_jpeg_2000(LOSSLESS["signed jpeg 2000"][2])
    assert (signed.width, signed.height, signed.bits, signed.signed) == (67, 45, 12, True)
