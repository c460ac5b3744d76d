from __future__ import annotations

import io
import struct
import zlib
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
import pytest
import tifffile
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageOps

from cxr.data.decode.options import DecodeOptions
from cxr.data.decode.png import keep_essential
from cxr.data.decode.reader import SUFFIXES, decode_image, read_image, read_mask
from cxr.errors import DecodeError

Pixels = npt.NDArray[Any]


def image(height: int = 60, width: int = 90) -> npt.NDArray[np.uint8]:
    """A gray image in which no row, column or corner is like another."""
    rows, columns = np.mgrid[:height, :width]
    noise = np.random.default_rng(0).integers(0, 40, (height, width))
    return np.asarray((rows * 1.7 + columns * 0.9 + noise).clip(0, 255), np.uint8)


GRAY = image()
COLOR = np.dstack([GRAY, np.roll(GRAY, 7, 0), 255 - GRAY])
ALPHA = np.random.default_rng(1).integers(0, 256, GRAY.shape).astype(np.uint8)


def pillow(pixels: Pixels | Image.Image, kind: str, **options: Any) -> bytes:
    image = pixels if isinstance(pixels, Image.Image) else Image.fromarray(pixels)
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def tiff(pixels: Pixels, **options: Any) -> bytes:
    buffer = io.BytesIO()
    tifffile.imwrite(buffer, pixels, **options)
    return buffer.getvalue()


def chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def with_chunks(png: bytes, chunks: bytes) -> bytes:
    """Put chunks behind the header of a PNG."""
    return png[:33] + chunks + png[33:]


def interlaced_png(pixels: Pixels) -> bytes:
    """Write Adam7 by hand: Pillow reads it but does not write it."""
    passes = [
        (0, 0, 8, 8),
        (0, 4, 8, 8),
        (4, 0, 8, 4),
        (0, 2, 4, 4),
        (2, 0, 4, 2),
        (0, 1, 2, 2),
        (1, 0, 2, 1),
    ]
    rows = b"".join(
        b"\0" + row.tobytes() for top, left, down, right in passes for row in pixels[top::down, left::right]
    )
    header = struct.pack(">IIBBBBB", pixels.shape[1], pixels.shape[0], 8, 0, 0, 0, 1)
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", header)
        + chunk(b"IDAT", zlib.compress(rows))
        + chunk(b"IEND", b"")
    )


def luma(color: Pixels) -> npt.NDArray[np.float64]:
    """ITU-R 601, before rounding."""
    return np.asarray(color[..., :3] @ np.array([0.299, 0.587, 0.114]))


def twelve_bits(pixels: npt.NDArray[np.uint16]) -> bytes:
    """A JPEG 2000 codestream that declares 12 bits: 16-bit samples, moved and relabelled."""
    moved = Image.fromarray(pixels + np.uint16(32768 - 2048))
    data = bytearray(pillow(moved, "JPEG2000", no_jp2=True))
    size = data.index(b"\xff\x51")
    assert data[size + 40] == 15
    data[size + 40] = 11
    return bytes(data)


def bmp_of_os2(width: int, height: int, lines: bytes = b"") -> bytes:
    """A BMP with the 12-byte header of OS/2: a palette of grays, lines from the bottom."""
    palette = bytes(value for gray in range(256) for value in (gray,) * 3)
    start = 26 + len(palette)
    head = b"BM" + struct.pack("<IHHI", start + len(lines), 0, 0, start)
    return head + struct.pack("<IHHHH", 12, width, height, 1, 8) + palette + lines


def bmp_from_the_top() -> bytes:
    data = pillow(GRAY[::-1], "BMP")
    return data[:22] + struct.pack("<i", -60) + data[26:]


SAME_IMAGE: dict[str, bytes] = {
    "png": pillow(GRAY, "PNG"),
    "png, interlaced": interlaced_png(GRAY),
    "png, gray and alpha": pillow(Image.fromarray(np.dstack([GRAY, ALPHA]), "LA"), "PNG"),
    "png, equal colors": pillow(np.dstack([GRAY] * 3), "PNG"),
    "png, equal colors and alpha": pillow(np.dstack([GRAY, GRAY, GRAY, ALPHA]), "PNG"),
    "png, palette": pillow(Image.fromarray(GRAY).convert("P"), "PNG"),
    "png, gray with a transparent value": pillow(GRAY, "PNG", transparency=100),
    "png, 16 bits": pillow(GRAY.astype(np.uint16) * 257, "PNG"),
    "png, 16-bit equal colors": cv2.imencode(".png", np.dstack([GRAY.astype(np.uint16) * 257] * 3))[
        1
    ].tobytes(),
    "tiff": tiff(GRAY),
    "tiff, big": tiff(GRAY, bigtiff=True),
    "tiff, big endian 16 bits": tiff(GRAY.astype(np.uint16) * 257, byteorder=">"),
    "tiff, tiles": tiff(GRAY, tile=(32, 32)),
    "tiff, lzw": pillow(GRAY, "TIFF", compression="tiff_lzw"),
    "tiff, deflate": pillow(GRAY, "TIFF", compression="tiff_adobe_deflate"),
    "tiff, white is 0": tiff(255 - GRAY, photometric="miniswhite"),
    "tiff, white is 0, 16 bits": tiff(65535 - GRAY.astype(np.uint16) * 257, photometric="miniswhite"),
    "tiff, float": tiff((GRAY / 255).astype(np.float32)),
    "tiff, double": tiff(GRAY / 255),
    "tiff, gray and alpha": pillow(Image.fromarray(np.dstack([GRAY, ALPHA]), "LA"), "TIFF"),
    "bmp": pillow(GRAY, "BMP"),
    "bmp of OS/2": bmp_of_os2(90, 60, np.pad(GRAY[::-1], ((0, 0), (0, 2))).tobytes()),
    "bmp, top line first": bmp_from_the_top(),
    "webp": pillow(GRAY, "WEBP", lossless=True),
    "webp, equal colors and alpha": pillow(
        np.dstack([GRAY, GRAY, GRAY, ALPHA]), "WEBP", lossless=True, exact=True
    ),
    "jpeg 2000": pillow(GRAY, "JPEG2000"),
    "jpeg 2000, bare": pillow(GRAY, "JPEG2000", no_jp2=True),
    "jpeg 2000, gray and alpha": pillow(Image.fromarray(np.dstack([GRAY, ALPHA]), "LA"), "JPEG2000"),
    "jpeg 2000, 16 bits": pillow(GRAY.astype(np.uint16) * 257, "JPEG2000"),
}


@pytest.mark.parametrize("kind", SAME_IMAGE)
def test_every_lossless_encoding_of_a_image_gives_the_same_gray_image(kind: str) -> None:
    image = decode_image(SAME_IMAGE[kind], kind)
    assert image.pixels.dtype == np.uint8
    assert image.pixels.flags.c_contiguous
    np.testing.assert_array_equal(image.pixels, GRAY)


@pytest.mark.parametrize("options", [{}, {"progressive": True}])
def test_a_gray_jpeg_is_decoded_as_pillow_does(options: dict[str, Any]) -> None:
    data = pillow(GRAY, "JPEG", quality=90, **options)
    np.testing.assert_array_equal(decode_image(data, "x").pixels, np.array(Image.open(io.BytesIO(data))))


@pytest.mark.parametrize(
    "data",
    [
        pillow(COLOR, "PNG"),
        pillow(np.dstack([COLOR, ALPHA]), "PNG"),
        pillow(COLOR, "TIFF"),
        tiff(np.moveaxis(COLOR, -1, 0).copy(), photometric="rgb", planarconfig="separate"),
        pillow(COLOR, "BMP"),
        pillow(COLOR, "JPEG2000"),
        pillow(COLOR, "WEBP", lossless=True),
    ],
    ids=["png", "png with alpha", "tiff", "tiff in planes", "bmp", "jpeg 2000", "webp"],
)
def test_color_becomes_luma_and_alpha_is_left_out(data: bytes) -> None:
    assert np.abs(decode_image(data, "x").pixels - luma(COLOR)).max() <= 0.51


def test_a_gray_of_equal_channels_is_kept_at_each_of_its_values() -> None:
    ramp = np.arange(256, dtype=np.uint8).reshape(16, 16)
    pixels = decode_image(pillow(np.dstack([ramp] * 3), "PNG"), "x").pixels
    np.testing.assert_array_equal(pixels, ramp)


@pytest.mark.parametrize("mode", ["CMYK", "RGB"])
def test_color_jpeg_is_near_what_pillow_gives(mode: str) -> None:
    data = pillow(Image.fromarray(cv2.GaussianBlur(COLOR, (0, 0), 3)).convert(mode), "JPEG", quality=95)
    expected = np.array(Image.open(io.BytesIO(data)).convert("L"), np.int16)
    assert np.abs(decode_image(data, "x").pixels - expected).max() <= 2


def test_a_palette_of_colors_is_near_what_pillow_gives() -> None:
    data = pillow(Image.fromarray(COLOR).quantize(64), "PNG")
    expected = np.array(Image.open(io.BytesIO(data)).convert("RGB").convert("L"), np.int16)
    assert np.abs(decode_image(data, "x").pixels - expected).max() <= 1


def test_one_bit_is_black_and_white() -> None:
    image = Image.fromarray(GRAY).convert("1")
    for data in (pillow(image, "PNG"), pillow(image, "TIFF", compression="group4"), pillow(image, "BMP")):
        np.testing.assert_array_equal(decode_image(data, "x").pixels, np.array(image) * np.uint8(255))


def test_16_bits_are_scaled_to_the_nearest() -> None:
    values = np.arange(65536, dtype=np.uint16).reshape(256, 256)
    pixels = decode_image(pillow(values, "PNG"), "x").pixels
    np.testing.assert_array_equal(pixels, np.rint(values.astype(np.float64) * 255 / 65535))


@pytest.mark.parametrize("data", [pillow(GRAY.astype(np.uint16) * 16, "PNG"), tiff(GRAY.astype(np.uint16))])
def test_samples_that_use_little_of_the_declared_depth_are_refused(data: bytes) -> None:
    """12 or 8 bits stored as 16 would be an image nearly black, and stretching it would be a guess."""
    with pytest.raises(DecodeError, match="where the file declares 16 bits: scale them, or save as 8 bits"):
        decode_image(data, "x")


def test_deep_samples_may_be_wholly_black_or_reach_an_eighth_of_their_depth() -> None:
    for value, gray in ((0, 0), (8192, 32)):
        pixels = decode_image(pillow(np.full((9, 9), value, np.uint16), "PNG"), "x").pixels
        np.testing.assert_array_equal(pixels, np.full((9, 9), gray))


def test_a_mask_of_few_of_its_16_bits_is_read(tmp_path: Path) -> None:
    path = tmp_path / "mask.png"
    path.write_bytes(pillow((GRAY > 90).astype(np.uint16), "PNG"))
    np.testing.assert_array_equal(read_mask(path, GRAY.shape), GRAY > 90)


def test_a_declared_depth_of_12_bits_is_scaled_from_12_bits() -> None:
    values = np.asarray(GRAY.astype(np.uint16) * 16 + GRAY // 16, np.uint16)
    np.testing.assert_array_equal(decode_image(twelve_bits(values), "x").pixels, GRAY)


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "TIFF"])
def test_a_turned_image_comes_upright(kind: str, orientation: int) -> None:
    exif = Image.Exif()
    exif[274] = orientation
    options: dict[str, Any] = {"tiffinfo": {274: orientation}} if kind == "TIFF" else {"exif": exif}
    data = pillow(GRAY, kind, **options, **({"lossless": True} if kind == "WEBP" else {}))
    upright = np.array(ImageOps.exif_transpose(Image.open(io.BytesIO(data))).convert("L"))
    np.testing.assert_array_equal(decode_image(data, "x").pixels, upright)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_a_turned_16_bit_tiff_comes_upright(orientation: int) -> None:
    data = tiff(GRAY.astype(np.uint16) * 257, extratags=[(274, "H", 1, orientation, True)])
    turned = Image.fromarray(GRAY)
    turned.getexif()[274] = orientation
    np.testing.assert_array_equal(decode_image(data, "x").pixels, np.array(ImageOps.exif_transpose(turned)))


CUTTABLE = {
    "png": pillow(GRAY, "PNG"),
    "png, palette": pillow(Image.fromarray(GRAY).convert("P"), "PNG"),
    "png, interlaced": interlaced_png(GRAY),
    "jpeg": pillow(GRAY, "JPEG", quality=90),
    "jpeg, progressive": pillow(COLOR, "JPEG", progressive=True),
    "jpeg, with restarts": pillow(GRAY, "JPEG", restart_marker_rows=1),
    "tiff": tiff(GRAY),
    "tiff, directory first": pillow(GRAY, "TIFF"),
    "tiff, 16 bits": tiff(GRAY.astype(np.uint16)),
    "bmp": pillow(GRAY, "BMP"),
    "webp": pillow(GRAY, "WEBP"),
    "jpeg 2000": pillow(GRAY, "JPEG2000"),
}


@pytest.mark.parametrize("kind", CUTTABLE)
def test_a_cut_file_is_never_half_a_image(kind: str) -> None:
    whole = CUTTABLE[kind]
    places = sorted({*range(0, len(whole), max(1, len(whole) // 150)), *range(len(whole) - 40, len(whole))})
    for place in places:
        with pytest.raises(DecodeError, match=r"^cut: "):
            decode_image(whole[:place], "cut")


@pytest.mark.parametrize("kind", ["png", "jpeg", "jpeg, progressive", "jpeg 2000"])
def test_a_copy_that_ends_in_zeros_is_refused(kind: str) -> None:
    whole = CUTTABLE[kind]
    half = len(whole) // 2
    with pytest.raises(DecodeError):
        decode_image(whole[:half] + bytes(len(whole) - half), "x")


@settings(max_examples=60, deadline=None)
@given(place=st.integers(0, len(CUTTABLE["png"]) - 1), value=st.integers(1, 255))
def test_a_changed_byte_of_a_png_gives_the_same_image_or_an_error(place: int, value: int) -> None:
    data = bytearray(CUTTABLE["png"])
    data[place] ^= value
    try:
        pixels = decode_image(bytes(data), "x").pixels
    except DecodeError:
        return
    np.testing.assert_array_equal(pixels, GRAY)


def test_bytes_after_the_image_do_no_harm() -> None:
    for kind in ("png", "jpeg"):
        expected = decode_image(CUTTABLE[kind], "x").pixels
        np.testing.assert_array_equal(decode_image(CUTTABLE[kind] + b"more", "x").pixels, expected)


def test_a_thumbnail_in_a_jpeg_does_not_hide_that_it_is_cut() -> None:
    exif = Image.Exif()
    exif[0x9286] = pillow(GRAY, "JPEG")
    whole = pillow(GRAY, "JPEG", exif=exif)
    with pytest.raises(DecodeError, match="cut off"):
        decode_image(whole[:-40], "x")


@pytest.mark.parametrize(
    ("data", "found"),
    [
        (b"", "empty"),
        (bytes(500), "zero bytes"),
        (b"<!DOCTYPE html><html><body>404</body></html>", "web page"),
        (b"\n <HTML>", "web page"),
        (b"patient,age\n1,50\n", "text"),
        (bytes(128) + b"DICM" + b"\2\0\0\0", "DICOM"),
        (b"\x1f\x8b\x08" + bytes(9), "gzip"),
        (b"PK\x03\x04" + bytes(9), "ZIP"),
        (b"%PDF-1.7", "PDF"),
        (pillow(GRAY, "GIF"), "GIF"),
        (b"\x07\x91\xfe\xff" * 9, "first bytes are 07 91 fe ff"),
        (b"\x89PNG\r\n\x1a\n", "ends inside its header"),
    ],
)
def test_what_is_not_a_image_is_named(data: bytes, found: str) -> None:
    with pytest.raises(DecodeError, match=found) as caught:
        decode_image(data, "folder/name.png")
    assert str(caught.value).startswith("folder/name.png: ")


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (pillow(COLOR, "PNG", save_all=True, append_images=[Image.fromarray(255 - COLOR)]), "animated PNG"),
        (
            pillow(COLOR, "WEBP", save_all=True, append_images=[Image.fromarray(255 - COLOR)]),
            "animated WebP",
        ),
        (tiff(np.stack([GRAY, GRAY]), photometric="minisblack"), "2 pages"),
        (tiff(GRAY.astype(np.int16) * 100), "int16"),
        (tiff(GRAY.astype(np.uint32)), "uint32"),
        (tiff(GRAY.astype(np.float32)), "0..1"),
        (tiff(np.where(GRAY > 30, np.nan, 0.5).astype(np.float32)), "0..1"),
        (tiff(GRAY.astype(np.float16)), "16-bit floating-point"),
        (tiff(np.dstack([GRAY] * 4).astype(np.uint16), photometric="separated"), "CMYK of 16 bits"),
        (tiff(COLOR / 255, photometric="rgb"), "3 samples of 64 bits"),
        (tiff(GRAY, compression="zstd"), r"compression 50000 \(Zstandard\)"),
        (tiff(GRAY, compression="lzma"), r"compression 34925 \(LZMA\)"),
        (tiff(GRAY, compression="jpeg2000"), r"compression 34712 \(JPEG 2000\)"),
        (tiff(GRAY, compression="png"), r"compression 34933 \(unknown\)"),
        (bmp_of_os2(0, 9), "0 x 9 pixels"),
        (pillow(GRAY, "BMP")[:18] + struct.pack("<ii", -90, 60) + pillow(GRAY, "BMP")[26:], "-90 x 60"),
        (tiff(np.dstack([COLOR, ALPHA]), photometric="rgb", extrasamples=["unassalpha"]), "alpha"),
        (
            tiff(np.moveaxis(COLOR.astype(np.uint16), -1, 0), photometric="rgb", planarconfig="separate"),
            "separate planes",
        ),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_cannot_be_told_for_sure_is_refused(data: bytes, why: str) -> None:
    with pytest.raises(DecodeError, match=why):
        decode_image(data, "x")


def test_a_thumbnail_page_of_a_tiff_is_not_a_second_page() -> None:
    buffer = io.BytesIO()
    with tifffile.TiffWriter(buffer) as writer:
        writer.write(GRAY)
        writer.write(GRAY[::4, ::4].copy(), subfiletype=1)
    np.testing.assert_array_equal(decode_image(buffer.getvalue(), "x").pixels, GRAY)


def test_a_header_that_claims_too_many_pixels_is_refused_before_decoding(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(cv2, "imdecode", lambda *_: pytest.fail("it was decoded"))
    header = struct.pack(">IIBBBBB", 60000, 60000, 8, 0, 0, 0, 0)
    bomb = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", b"") + chunk(b"IEND", b"")
    with pytest.raises(DecodeError, match="60000 x 60000 pixels"):
        decode_image(bomb, "x")


@pytest.mark.parametrize("body", [(b"tEXt", b""), (b"IDAT", b"")])
def test_a_png_with_a_flood_of_chunks_is_refused(body: tuple[bytes, bytes]) -> None:
    with pytest.raises(DecodeError, match="more than 10,000 chunks beside its pixels"):
        decode_image(with_chunks(SAME_IMAGE["png"], chunk(*body) * 10_001), "x")


OTHER_PNGS = {
    "color": pillow(COLOR, "PNG"),
    "alpha": pillow(np.dstack([COLOR, ALPHA]), "PNG"),
    "palette": pillow(Image.fromarray(COLOR).quantize(64), "PNG"),
    "palette, transparent": pillow(Image.fromarray(COLOR).quantize(64), "PNG", transparency=bytes(range(64))),
    "16 bits": pillow(GRAY.astype(np.uint16) * 257, "PNG"),
    "1 bit": pillow(Image.fromarray(GRAY).convert("1"), "PNG"),
}
BESIDE = {
    "gamma": chunk(b"gAMA", struct.pack(">I", 100000)),
    "private, 20 MB": chunk(b"prVt", bytes(20_000_000)),
    "bomb": chunk(b"zTXt", b"Comment\0\0" + zlib.compress(bytes(5_000_000))) * 20,
}


@pytest.mark.parametrize("beside", BESIDE)
@pytest.mark.parametrize("kind", OTHER_PNGS)
def test_chunks_beside_the_image_never_reach_the_decoder(kind: str, beside: str) -> None:
    plain = OTHER_PNGS[kind]
    with_more = decode_image(with_chunks(plain, BESIDE[beside]), "x").pixels
    np.testing.assert_array_equal(with_more, decode_image(plain, "x").pixels)


@pytest.mark.parametrize("kind", OTHER_PNGS)
def test_only_chunks_that_change_no_pixel_are_left_out(kind: str) -> None:
    data = OTHER_PNGS[kind]
    whole, less = (
        cv2.imdecode(np.frombuffer(file, np.uint8), cv2.IMREAD_UNCHANGED)
        for file in (data, keep_essential(with_chunks(data, BESIDE["gamma"])))
    )
    np.testing.assert_array_equal(less, whole)


@pytest.mark.parametrize("kind", [kind for kind in SAME_IMAGE if "float" not in kind])
def test_the_limit_of_pixels_holds_for_every_format(kind: str) -> None:
    decode_image(SAME_IMAGE[kind], "x", DecodeOptions(GRAY.size))
    with pytest.raises(DecodeError, match="90 x 60 pixels"):
        decode_image(SAME_IMAGE[kind], "x", DecodeOptions(GRAY.size - 1))


def test_a_file_that_is_too_large_is_refused_before_it_is_read(tmp_path: Path) -> None:
    path = tmp_path / "image.png"
    path.write_bytes(SAME_IMAGE["png"])
    with pytest.raises(DecodeError, match=r"image\.png: a file of .* bytes, more than the limit of 10"):
        read_image(path, DecodeOptions(max_bytes=10))


@pytest.mark.parametrize("name", ["röntgen 胸部 01.png", "a PNG named.jpg", "UPPER.PNG", "no ending"])
def test_content_counts_not_the_name(name: str, tmp_path: Path) -> None:
    path = tmp_path / name
    path.write_bytes(SAME_IMAGE["png"])
    np.testing.assert_array_equal(read_image(path).pixels, GRAY)
    np.testing.assert_array_equal(read_image(str(path)).pixels, GRAY)


def test_a_file_that_is_not_there_is_an_error_that_names_it_once(tmp_path: Path) -> None:
    with pytest.raises(DecodeError) as caught:
        read_image(tmp_path / "gone.png")
    assert str(caught.value) == f"{tmp_path / 'gone.png'}: cannot be read (No such file or directory)"


def test_a_failure_prints_nothing(capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(DecodeError):
        decode_image(pillow(Image.fromarray(COLOR).convert("CMYK"), "JPEG2000"), "x")
    assert capfd.readouterr() == ("", "")


def test_suffixes_are_lower_case_endings() -> None:
    assert {".png", ".jpg", ".jpeg", ".tif", ".tiff"} <= SUFFIXES
    assert all(ending == ending.lower() and ending.startswith(".") for ending in SUFFIXES)
