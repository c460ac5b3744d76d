"""Headers that the pixels contradict: which window or table is used, by the rule of docs/dicom.md."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import imagecodecs
import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from pydicom import uid
from pydicom.dataset import Dataset

from cxr.data.decode.dicom.reader import read_dicom
from cxr.data.image import Note, Radiograph
from cxr.errors import DecodeError

MakeDicom = Callable[..., bytes]
Pixels = npt.NDArray[Any]


def radiograph(height: int = 80, width: int = 64) -> npt.NDArray[np.int64]:
    """12 bits from 0 to 4095: a dark border and two dark lungs in a bright body."""
    rows, columns = np.mgrid[:height, :width] / np.array([height, width]).reshape(2, 1, 1)
    body = 3000 + 900 * rows + 150 * np.sin(40 * columns)
    lungs = sum(np.exp(-(((columns - x) / 0.12) ** 2) - ((rows - 0.45) / 0.25) ** 2) for x in (0.3, 0.7))
    image = body - 2200 * lungs
    image[:, :6] = 0
    image = (image - image.min()) / np.ptp(image) * 4095
    return np.asarray(np.rint(image), np.int64)


DEEP = radiograph()
GRAY = np.rint(DEEP * (255 / 4095))
SHALLOW = np.asarray(GRAY, np.uint8)
GOOD = (2048, 4096)


def lut(entries: Pixels, first: int, bits: int) -> Dataset:
    item = Dataset()
    item.LUTDescriptor = [len(entries) % 65536, first, bits]
    item["LUTDescriptor"].VR = "SS" if first < 0 else "US"
    item.LUTData = entries.astype("<u2").tobytes()
    item["LUTData"].VR = "OW"
    return item


def windows(*pairs: tuple[float, float]) -> dict[str, list[float]]:
    return {"WindowCenter": [pair[0] for pair in pairs], "WindowWidth": [pair[1] for pair in pairs]}


def read(make_dicom: MakeDicom, pixels: Pixels, **elements: Any) -> Radiograph:
    kind = np.int16 if pixels.min() < 0 else np.uint8 if elements.get("BitsAllocated") == 8 else np.uint16
    return read_dicom(make_dicom(pixels.astype(kind), **elements), max_pixels=DEEP.size)


def check_same(image: Radiograph, source: str, tolerance: int = 1) -> None:
    assert image.gray_from == source
    assert np.abs(image.pixels - GRAY).max() <= tolerance


PLACEHOLDERS = [(0, 1), (0, 2), (1, 1), (0.5, 1), (0, 0), (0, -1), (4096, 1), (60000, 100)]


@pytest.mark.parametrize("placeholder", PLACEHOLDERS)
def test_second_window_is_used_where_the_first_is_a_placeholder(
    make_dicom: MakeDicom, placeholder: tuple[float, float]
) -> None:
    explanations = {"WindowCenterWidthExplanation": ["NORMAL", "HARDER"]}
    image = read(make_dicom, DEEP, BitsStored=12, **windows(placeholder, GOOD), **explanations)
    check_same(image, "window 2")


@pytest.mark.parametrize(
    "window",
    [
        (32768, 65536),  # of 16 bits
        (8192, 16384),
        (4096, 8192),
        (1024, 2048),
        (512, 1024),
        (128, 256),  # of 8 bits
        (127.5, 255),
        (40, 400),  # of CT: abdomen
        (-600, 1500),  # lung
        (300, 1500),  # bone
        (20000, 4096),  # beside all pixels
        (-5000, 4096),
        *PLACEHOLDERS,
    ],
)
@pytest.mark.parametrize("photometric", ["MONOCHROME1", "MONOCHROME2"])
def test_full_range_is_used_where_no_window_fits(
    make_dicom: MakeDicom, photometric: str, window: tuple[float, float]
) -> None:
    inverted = photometric == "MONOCHROME1"
    pixels = 4095 - DEEP if inverted else DEEP
    image = read(make_dicom, pixels, BitsStored=12, PhotometricInterpretation=photometric, **windows(window))
    check_same(image, "full range")


@pytest.mark.parametrize(
    "window", [(2048, 4096), (32768, 65536), (512, 1024), (40, 400), (50, 350), (-600, 1500), (0, 2)]
)
def test_8_bit_values_stay_unchanged_where_no_window_fits(
    make_dicom: MakeDicom, window: tuple[float, float]
) -> None:
    image = read(make_dicom, SHALLOW, BitsAllocated=8, BitsStored=8, HighBit=7, **windows(window))
    check_same(image, "stored", 0)


@pytest.mark.parametrize("offset", [-30000, -2048, 3000, 26624, 61440])
@pytest.mark.parametrize(
    "window", [None, (2048, 4096), (0, 2), (128, 256), (16384, 16384)], ids=lambda window: str(window)
)
def test_range_in_use_is_stretched_where_12_bits_lie_anywhere_in_16(
    make_dicom: MakeDicom, offset: int, window: tuple[float, float] | None
) -> None:
    stated = {"SmallestImagePixelValue": 8192, "LargestImagePixelValue": 24575}
    if offset < 0:
        stated = {}
    assume_window = windows(window) if window else {}
    image = read(make_dicom, DEEP + offset, **assume_window, **stated)
    check_same(image, "range in use")


@pytest.mark.parametrize("content_bits", [8, 10, 12, 14])
@pytest.mark.parametrize("offset", [0, 30000])
def test_range_in_use_is_stretched_where_few_of_16_bits_are_used(
    make_dicom: MakeDicom, content_bits: int, offset: int
) -> None:
    pixels = np.rint(DEEP / 4095 * ((1 << content_bits) - 1)).astype(np.int64) + offset
    window = windows((32768, 65536)) if content_bits < 14 or not offset else {}
    check_same(read(make_dicom, pixels, **window), "range in use")


@pytest.mark.parametrize("padding", [0, 65535])
@pytest.mark.parametrize("declared", [True, False])
def test_padding_does_not_keep_the_range_in_use_from_being_stretched(
    make_dicom: MakeDicom, padding: int, declared: bool
) -> None:
    pixels = DEEP + 30000
    pixels[:9] = padding
    elements = {"PixelPaddingValue": padding} if declared else {}
    image = read(make_dicom, pixels, **elements)
    assert image.gray_from == "range in use"
    inside = image.pixels[9:].astype(int)
    assert np.corrcoef(inside.ravel(), GRAY[9:].ravel())[0, 1] > 0.999
    assert inside.max() - inside.min() > 240


def test_padding_that_covers_nearly_all_pixels_is_ignored(make_dicom: MakeDicom) -> None:
    image = read(make_dicom, DEEP, BitsStored=12, PixelPaddingValue=0, PixelPaddingRangeLimit=4095)
    check_same(image, "full range")


@pytest.mark.parametrize(
    "item",
    [
        lut(np.arange(4096), 30000, 12),  # maps no pixel
        lut(np.arange(4096), -9000, 12),
        lut(np.arange(256), 0, 12),  # maps few pixels
        lut(np.zeros(4096, int), 0, 12),
        lut(np.full(4096, 4095), 0, 12),
        lut(np.arange(4096) // 256, 0, 16),  # of few levels, of which none is bright
        lut(np.arange(4096), 0, 0),  # damaged: no bits
    ],
    ids=["beyond", "below", "short", "zeros", "ones", "stairs", "damaged"],
)
def test_window_is_used_where_the_voi_lut_does_not_fit(make_dicom: MakeDicom, item: Dataset) -> None:
    image = read(make_dicom, DEEP, BitsStored=12, VOILUTSequence=[item], **windows(GOOD))
    check_same(image, "window" if item.LUTDescriptor[2] != 16 else "voi lut", 17)
    second = [item, lut(np.arange(4096), 0, 12)]
    image = read(make_dicom, DEEP, BitsStored=12, VOILUTSequence=second, **windows(GOOD))
    check_same(image, "voi lut 2" if item.LUTDescriptor[2] != 16 else "voi lut", 17)


def test_stated_range_is_used_only_if_no_window_fits(make_dicom: MakeDicom) -> None:
    ends = {"SmallestImagePixelValue": 0, "LargestImagePixelValue": 4095}
    check_same(read(make_dicom, DEEP, **ends), "stated range")
    check_same(read(make_dicom, DEEP, **ends, **windows(GOOD)), "window")
    wide = {"SmallestImagePixelValue": 0, "LargestImagePixelValue": 65535}
    check_same(read(make_dicom, DEEP, **wide), "range in use")


@pytest.mark.parametrize("function", [None, "LINEAR", "LINEAR_EXACT"])
@pytest.mark.parametrize("bits", [12, 16])
def test_window_narrower_than_1_is_linear_exact(
    make_dicom: MakeDicom, function: str | None, bits: int
) -> None:
    elements = {"RescaleSlope": "0.0002442002442", "RescaleIntercept": 0, "VOILUTFunction": function}
    image = read(make_dicom, DEEP // 2 + 1024, BitsStored=bits, **elements, **windows((0.5, 0.5)))
    check_same(image, "window", 2)


def test_negative_slope_inverts_the_range_in_use_and_windows(make_dicom: MakeDicom) -> None:
    flipped = 30000 + 4095 - DEEP
    rescale = {"RescaleSlope": -1, "RescaleIntercept": 34095}
    check_same(read(make_dicom, flipped, **rescale), "range in use")
    check_same(read(make_dicom, flipped, **rescale, **windows((0, 2), GOOD)), "window 2")


def test_image_of_one_value_is_rejected(make_dicom: MakeDicom) -> None:
    for value, more in ((0, {}), (700, {}), (700, {"BitsStored": 12}), (9, {"PixelPaddingValue": 9})):
        with pytest.raises(DecodeError, match="every pixel has the same gray value"):
            read(make_dicom, np.full_like(DEEP, value), **more)
    padded = np.full_like(DEEP, 700)
    padded[:9] = 0
    with pytest.raises(DecodeError, match="every pixel has the same gray value"):
        read(make_dicom, padded, PixelPaddingValue=0)


def test_deep_image_of_few_values_that_nothing_fits_is_rejected(make_dicom: MakeDicom) -> None:
    with pytest.raises(DecodeError, match="only 5 different values, from 0 to 4"):
        read(make_dicom, DEEP // 1000)


def test_faint_8_bit_image_stays_faint_and_is_noted(make_dicom: MakeDicom) -> None:
    image = read(make_dicom, SHALLOW // 16, BitsAllocated=8, BitsStored=8, HighBit=7)
    np.testing.assert_array_equal(image.pixels, SHALLOW // 16)
    assert (image.gray_from, image.notes) == ("stored", (Note.NEARLY_ONE_GRAY,))
    assert read(make_dicom, DEEP, BitsStored=12).notes == ()


ENCODINGS: dict[str, tuple[str, Callable[[Pixels], bytes]]] = {
    "little endian": (uid.ExplicitVRLittleEndian, lambda _: b""),
    "big endian": (uid.ExplicitVRBigEndian, lambda _: b""),
    "jpeg-ls": (uid.JPEGLSLossless, lambda pixels: bytes(imagecodecs.jpegls_encode(pixels))),
    "jpeg 2000": (
        uid.JPEG2000Lossless,
        lambda pixels: bytes(imagecodecs.jpeg2k_encode(pixels, reversible=True, codecformat="j2k")),
    ),
}

NONSENSE = st.one_of(
    st.none(),
    # Placeholders.
    st.tuples(st.floats(-2, 2), st.floats(0.01, 2)),
    # Of other depths.
    st.sampled_from([(1 << bits >> 1, 1 << bits) for bits in (7, 8, 9, 10, 11, 13, 14, 15)]),
    # Beside all pixels: added to their range below.
    st.tuples(st.floats(1.6, 20), st.floats(0.01, 1)),
)


@settings(max_examples=300, deadline=None)
@given(
    signed=st.booleans(),
    place=st.floats(0, 1),
    nonsense=NONSENSE,
    beside=st.booleans(),
    encoding=st.sampled_from(sorted(ENCODINGS)),
    photometric=st.sampled_from(["MONOCHROME1", "MONOCHROME2"]),
    slope=st.sampled_from([1, -1, 0.5]),
)
def test_12_bits_at_any_offset_with_any_nonsense_window_are_shown_or_rejected(
    make_dicom: MakeDicom,
    signed: bool,
    place: float,
    nonsense: tuple[float, float] | None,
    beside: bool,
    encoding: str,
    photometric: str,
    slope: float,
) -> None:
    syntax, encode = ENCODINGS[encoding]
    assume(not (signed and syntax in {uid.JPEGLSLossless}))
    low = -32768 if signed else 0
    pixels = (DEEP + low + round(place * (65535 - 4095))).astype(np.int16 if signed else np.uint16)
    window: dict[str, list[float]] = {}
    if nonsense is not None:
        center, width = nonsense
        if beside:
            rescaled = np.sort([slope * float(pixels.min()), slope * float(pixels.max())])
            center, width = rescaled[1] + abs(center) * 4095 + width, abs(width) + 1
        window = windows((float(f"{center:.8g}"), float(f"{width:.8g}")))
    data = make_dicom(
        pixels, syntax, encode(pixels), PhotometricInterpretation=photometric, RescaleSlope=slope, **window
    )
    try:
        image = read_dicom(data, max_pixels=DEEP.size)
    except DecodeError:
        return
    sign = np.sign(slope) * (-1 if photometric == "MONOCHROME1" else 1)
    assert sign * np.corrcoef(image.pixels.ravel(), DEEP.ravel())[0, 1] > 0.99


@settings(max_examples=100, deadline=None)
@given(
    bits=st.integers(9, 16),
    signed=st.booleans(),
    center=st.floats(0.4, 0.6),
    width=st.floats(0.8, 1.1),
)
def test_window_that_shows_most_of_the_pixels_is_used_exactly(
    make_dicom: MakeDicom, bits: int, signed: bool, center: float, width: float
) -> None:
    white = (1 << bits) - 1
    low = -(1 << bits - 1) if signed else 0
    pixels = np.rint(DEEP / 4095 * white).astype(np.int64) + low
    middle, extent = round(low + center * white, 2), max(2.0, round(width * white, 2))
    image = read(
        make_dicom, pixels, BitsStored=bits, PixelRepresentation=int(signed), **windows((middle, extent))
    )
    exact = ((pixels - (middle - 0.5)) / (extent - 1) + 0.5).clip(0, 1) * 255
    assert image.gray_from == "window"
    assert np.abs(image.pixels - exact).max() <= 0.5 + 1e-6
