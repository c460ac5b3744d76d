from __future__ import annotations

import io
from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
import pydicom
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydicom import uid
from pydicom.dataset import Dataset
from pydicom.pixels import apply_modality_lut, apply_windowing

from cxr.data.decode.dicom.reader import read_dicom
from cxr.errors import DecodeError

MakeDicom = Callable[..., bytes]
Pixels = npt.NDArray[Any]

ALL_8 = np.arange(256, dtype=np.uint8).reshape(16, 16)
ALL_16 = np.arange(65536, dtype=np.uint16).reshape(256, 256)
ALL_12 = np.arange(4096, dtype=np.uint16).reshape(64, 64)
ENDS = {False: (0, 4095), True: (-2048, 2047)}


def gray(data: bytes) -> npt.NDArray[np.int64]:
    pixels = read_dicom(data, max_pixels=65536).pixels
    assert pixels.dtype == np.uint8
    return pixels.astype(np.int64)


def is_rounded(pixels: Pixels, exact: Pixels) -> bool:
    """Return whether each pixel is a nearest integer; on ties, either one."""
    return bool(np.abs(pixels - exact).max() <= 0.5 + 1e-6)


def lut(entries: Pixels, first: int, bits: int, *, words: bool = True) -> Dataset:
    item = Dataset()
    item.LUTDescriptor = [len(entries) % 65536, first, bits]
    item["LUTDescriptor"].VR = "SS" if first < 0 else "US"
    item.LUTData = entries.astype("<u2" if words else np.uint8).tobytes()
    item["LUTData"].VR = "OW"
    return item


def test_8_bit_values_without_a_window_stay_unchanged(make_dicom: MakeDicom) -> None:
    np.testing.assert_array_equal(gray(make_dicom(ALL_8)), ALL_8)


def test_deeper_values_without_a_window_are_scaled_from_the_stored_bits(make_dicom: MakeDicom) -> None:
    np.testing.assert_array_equal(
        gray(make_dicom(ALL_12, BitsStored=12)), np.rint(ALL_12.astype(float) * 255 / 4095)
    )


def test_stated_smallest_and_largest_value_become_black_and_white(make_dicom: MakeDicom) -> None:
    pixels = ALL_12.clip(1000, 3000)
    data = make_dicom(pixels, SmallestImagePixelValue=1000, LargestImagePixelValue=3000)
    assert is_rounded(gray(data), (pixels.astype(float) - 1000) / 2000 * 255)


def test_smallest_and_largest_value_that_pixels_contradict_are_ignored(make_dicom: MakeDicom) -> None:
    plain = gray(make_dicom(ALL_12, BitsStored=12))
    for low, high in ((0, 100), (1000, 4095), (0, 0)):
        stale = {"SmallestImagePixelValue": low, "LargestImagePixelValue": high}
        np.testing.assert_array_equal(gray(make_dicom(ALL_12, BitsStored=12, **stale)), plain)


def test_padding_may_lie_outside_the_smallest_and_largest_value(make_dicom: MakeDicom) -> None:
    pixels = ALL_12.clip(1000, 3000)
    pixels[0] = 4095
    ends = {"SmallestImagePixelValue": 1000, "LargestImagePixelValue": 3000, "PixelPaddingValue": 4095}
    shown = gray(make_dicom(pixels, BitsStored=12, **ends))
    assert not shown[0].any()
    assert is_rounded(shown[1:], (pixels[1:].astype(float) - 1000) / 2000 * 255)


def test_8_bit_values_are_not_stretched(make_dicom: MakeDicom) -> None:
    data = make_dicom(ALL_8, SmallestImagePixelValue=50, LargestImagePixelValue=100)
    np.testing.assert_array_equal(gray(data), ALL_8)


def test_signed_values_are_scaled_from_their_own_range(make_dicom: MakeDicom) -> None:
    signed = ALL_12.astype(np.int16) - 2048
    np.testing.assert_array_equal(
        gray(make_dicom(signed, BitsStored=12)), np.rint(ALL_12.astype(float) * 255 / 4095)
    )


def test_unused_bits_are_ignored(make_dicom: MakeDicom) -> None:
    noise = np.random.default_rng(0).integers(0, 16, ALL_12.shape).astype(np.uint16) << 12
    clean = make_dicom(ALL_12, BitsStored=12)
    np.testing.assert_array_equal(gray(make_dicom(ALL_12 | noise, BitsStored=12)), gray(clean))
    signed = make_dicom(ALL_12 ^ 0x800 | noise, BitsStored=12, PixelRepresentation=1)
    np.testing.assert_array_equal(gray(signed), gray(clean))


@pytest.mark.parametrize(
    ("center", "width", "function", "values"),
    [
        # By the pseudocode of LINEAR (PS3.3, C.11.2.1.2), center 2048 and width 4096 map 0..4095 to 0..255.
        (2048, 4096, None, {0: 0, 4095: 255, 2048: 128}),
        (1000, 1000, "LINEAR", {500: 0, 1499: 255}),
        (1000, 1000, "LINEAR_EXACT", {500: 0, 1000: 128, 1500: 255}),
        (1000, 400, "SIGMOID", {0: 0, 1000: 128, 1100: 186, 2000: 255}),
        ([1000, 90], [1000, 90], None, {500: 0, 1499: 255}),
    ],
)
def test_first_window_is_applied_with_its_function(
    make_dicom: MakeDicom, center: object, width: object, function: str | None, values: dict[int, int]
) -> None:
    pixels = ALL_12 if center == 2048 else ALL_12 // 2
    data = make_dicom(pixels, WindowCenter=center, WindowWidth=width, VOILUTFunction=function)
    image = read_dicom(data, max_pixels=65536)
    assert image.gray_from == "window"
    assert {value: int(image.pixels[pixels == value].max()) for value in values} == values


@settings(max_examples=60, deadline=None)
@given(
    signed=st.booleans(),
    slope=st.floats(0.01, 50),
    intercept=st.floats(-3000, 3000),
    center=st.floats(0.3, 0.7),
    width=st.floats(0.4, 0.8),
    function=st.sampled_from(["LINEAR", "LINEAR_EXACT", "SIGMOID"]),
)
def test_rescaling_and_windows_agree_with_pydicom(
    make_dicom: MakeDicom,
    signed: bool,
    slope: float,
    intercept: float,
    center: float,
    width: float,
    function: str,
) -> None:
    """Of windows that cover the middle of the values; center and width are parts of their range."""
    black, white = (slope * end + intercept for end in ENDS[signed])
    data = make_dicom(
        ALL_12.astype(np.int16) - 2048 if signed else ALL_12,
        BitsStored=12,
        RescaleSlope=f"{slope:.6g}",
        RescaleIntercept=f"{intercept:.6g}",
        WindowCenter=f"{black + center * (white - black):.6g}",
        WindowWidth=f"{width * (white - black):.6g}",
        VOILUTFunction=function,
    )
    dataset = pydicom.dcmread(io.BytesIO(data))
    with np.errstate(over="ignore"):
        shown = apply_windowing(apply_modality_lut(dataset.pixel_array, dataset), dataset)
    black, white = (
        float(dataset.RescaleSlope) * end + float(dataset.RescaleIntercept) for end in ENDS[signed]
    )
    assert is_rounded(gray(data), (shown - black) / (white - black) * 255)


def test_negative_slope_inverts_gray_with_and_without_a_window(make_dicom: MakeDicom) -> None:
    elements = {"BitsStored": 12, "RescaleSlope": -1, "RescaleIntercept": 4095}
    plain = gray(make_dicom(ALL_12, BitsStored=12))
    np.testing.assert_array_equal(gray(make_dicom(ALL_12, **elements)), plain[::-1, ::-1])
    window = {"WindowCenter": 1500, "WindowWidth": 2000}
    plain = gray(make_dicom(ALL_12, BitsStored=12, **window))
    np.testing.assert_array_equal(gray(make_dicom(ALL_12, **elements, **window)), plain[::-1, ::-1])


@pytest.mark.parametrize("window", [{"WindowCenter": 100, "WindowWidth": 0}, {"WindowCenter": 100}])
def test_window_without_a_width_is_ignored(make_dicom: MakeDicom, window: dict[str, int]) -> None:
    plain = gray(make_dicom(ALL_12, BitsStored=12))
    np.testing.assert_array_equal(gray(make_dicom(ALL_12, BitsStored=12, **window)), plain)


def test_monochrome1_and_presentation_lut_shape_inverse_invert_once(make_dicom: MakeDicom) -> None:
    window = {"WindowCenter": 1000, "WindowWidth": 1500}
    plain = gray(make_dicom(ALL_12, **window))
    one = {"PhotometricInterpretation": "MONOCHROME1"}
    inverse = {"PresentationLUTShape": "INVERSE"}
    for elements in (one, inverse, one | inverse):
        np.testing.assert_array_equal(gray(make_dicom(ALL_12, **window, **elements)), 255 - plain)
    identity = {"PresentationLUTShape": "IDENTITY"}
    np.testing.assert_array_equal(gray(make_dicom(ALL_12, **window, **identity)), plain)


@pytest.mark.parametrize("syntax", [uid.ExplicitVRLittleEndian, uid.ImplicitVRLittleEndian])
@pytest.mark.parametrize("bits", [8, 12, 16])
def test_voi_lut_takes_precedence_over_a_window(make_dicom: MakeDicom, bits: int, syntax: str) -> None:
    entries = np.random.default_rng(bits).integers(0, 1 << bits, 3000)
    data = make_dicom(ALL_12, syntax, VOILUTSequence=[lut(entries, 500, bits)], WindowCenter=9, WindowWidth=9)
    exact = entries[np.clip(ALL_12.astype(int) - 500, 0, 2999)] / ((1 << bits) - 1) * 255
    assert is_rounded(gray(data), exact)


def test_voi_lut_may_have_packed_bytes_65536_entries_or_a_negative_first_value(make_dicom: MakeDicom) -> None:
    entries = np.random.default_rng(0).integers(0, 256, 4096)
    packed = make_dicom(ALL_12, VOILUTSequence=[lut(entries, 0, 8, words=False)])
    np.testing.assert_array_equal(gray(packed), entries[ALL_12])
    whole = make_dicom(ALL_16, VOILUTSequence=[lut(np.arange(65536), 0, 16)])
    np.testing.assert_array_equal(gray(whole), gray(make_dicom(ALL_16)))
    signed = make_dicom(ALL_12.astype(np.int16) - 2048, VOILUTSequence=[lut(entries, -2048, 8)])
    np.testing.assert_array_equal(gray(signed), entries[ALL_12])


@pytest.mark.parametrize(("declared", "white"), [(16, 4095), (14, 4095), (10, 4095), (12, 4095), (13, 8191)])
@pytest.mark.parametrize("keyword", ["VOILUTSequence", "ModalityLUTSequence"])
def test_white_of_a_look_up_table_follows_its_entries_if_they_contradict_its_bits(
    make_dicom: MakeDicom, keyword: str, declared: int, white: int
) -> None:
    data = make_dicom(ALL_12, **{keyword: [lut(np.arange(4096), 0, declared)]})
    assert is_rounded(gray(data), ALL_12.astype(float) * 255 / white)


def test_modality_lut_is_applied_before_the_window(make_dicom: MakeDicom) -> None:
    entries = np.arange(4096)[::-1]
    window = {"WindowCenter": 1500, "WindowWidth": 2000}
    data = make_dicom(ALL_12, ModalityLUTSequence=[lut(entries, 0, 12)], **window)
    np.testing.assert_array_equal(gray(data), gray(make_dicom(ALL_12, **window))[::-1, ::-1])
    bare = make_dicom(ALL_12, ModalityLUTSequence=[lut(entries, 0, 12)])
    np.testing.assert_array_equal(gray(bare), gray(make_dicom(ALL_12, BitsStored=12))[::-1, ::-1])


@pytest.mark.parametrize("photometric", ["MONOCHROME1", "MONOCHROME2"])
def test_padding_is_black_and_changes_no_other_gray(make_dicom: MakeDicom, photometric: str) -> None:
    elements = {"PhotometricInterpretation": photometric, "BitsStored": 12}
    plain = gray(make_dicom(ALL_12, **elements))
    one = gray(make_dicom(ALL_12, PixelPaddingValue=700, **elements))
    np.testing.assert_array_equal(one, np.where(ALL_12 == 700, 0, plain))
    several = gray(make_dicom(ALL_12, PixelPaddingValue=700, PixelPaddingRangeLimit=650, **elements))
    np.testing.assert_array_equal(several, np.where((ALL_12 >= 650) & (ALL_12 <= 700), 0, plain))


def test_padding_is_found_whatever_the_unused_bits_hold(make_dicom: MakeDicom) -> None:
    values = ALL_12 | (ALL_12 << 12)
    shown = gray(make_dicom(values, BitsStored=12, PixelPaddingValue=700))
    plain = gray(make_dicom(ALL_12, BitsStored=12))
    np.testing.assert_array_equal(shown, np.where(ALL_12 == 700, 0, plain))


def test_padding_outside_the_stored_range_is_compared_with_the_whole_cell(make_dicom: MakeDicom) -> None:
    values = ALL_12.copy()
    values[0, :9] = 63536
    shown = gray(make_dicom(values, BitsStored=12, PixelPaddingValue=63536))
    plain = gray(make_dicom(ALL_12, BitsStored=12))
    assert (shown[0, :9] == 0).all()
    np.testing.assert_array_equal(shown[1:], plain[1:])  # 63536 & 4095 is a gray of its own
    signed = make_dicom(values.view(np.int16), BitsStored=12, PixelPaddingValue=-2000, PixelRepresentation=1)
    assert (gray(signed)[0, :9] == 0).all()


@pytest.mark.parametrize(
    ("elements", "why"),
    [
        ({"RescaleSlope": 0, "RescaleIntercept": 5}, "slope 0"),
        (
            {"WindowCenter": 9, "WindowWidth": 9, "VOILUTFunction": "CUBIC"},
            "LINEAR, LINEAR_EXACT and SIGMOID",
        ),
        (
            {"VOILUTSequence": [lut(np.arange(100), 0, 17)]},
            "100 entries where its descriptor states 100 of 17 bits",
        ),
    ],
)
def test_undefined_gray_values_are_rejected(
    make_dicom: MakeDicom, elements: dict[str, Any], why: str
) -> None:
    with pytest.raises(DecodeError, match=why):
        gray(make_dicom(ALL_12, **elements))


def test_truncated_look_up_table_is_rejected_unless_there_is_a_window(make_dicom: MakeDicom) -> None:
    short = lut(np.arange(100), 0, 12)
    short.LUTData = short.LUTData[:-2]
    with pytest.raises(DecodeError, match="99 entries where its descriptor states 100 of 12 bits"):
        gray(make_dicom(ALL_12, VOILUTSequence=[short]))
    window = {"WindowCenter": 1500, "WindowWidth": 2000}
    plain = gray(make_dicom(ALL_12, **window))
    np.testing.assert_array_equal(gray(make_dicom(ALL_12, VOILUTSequence=[short], **window)), plain)
    with pytest.raises(DecodeError, match="99 entries"):
        gray(make_dicom(ALL_12, ModalityLUTSequence=[short], **window))


def test_entries_beyond_the_declared_count_are_ignored(make_dicom: MakeDicom) -> None:
    long = lut(np.append(np.arange(4096), [9, 65535]), 0, 12)
    long.LUTDescriptor = [4096, 0, 12]
    data = make_dicom(ALL_12, VOILUTSequence=[long])
    np.testing.assert_array_equal(gray(data), gray(make_dicom(ALL_12, BitsStored=12)))


@pytest.mark.parametrize("missing", ["LUTData", "LUTDescriptor"])
def test_voi_lut_without_entries_is_ignored_and_such_a_modality_lut_rejected(
    make_dicom: MakeDicom, missing: str
) -> None:
    item = lut(np.arange(100), 0, 12)
    delattr(item, missing)
    for window in ({"WindowCenter": 1500, "WindowWidth": 2000}, {"BitsStored": 12}):
        plain = gray(make_dicom(ALL_12, **window))
        np.testing.assert_array_equal(gray(make_dicom(ALL_12, VOILUTSequence=[item], **window)), plain)
        with pytest.raises(DecodeError, match="ModalityLUTSequence has no entries"):
            gray(make_dicom(ALL_12, ModalityLUTSequence=[item], **window))


@pytest.mark.filterwarnings("ignore:Invalid value for VR")
def test_case_and_blanks_of_a_voi_lut_function_are_ignored(make_dicom: MakeDicom) -> None:
    window = {"WindowCenter": 1500, "WindowWidth": 2000}
    for function in ("SIGMOID", "LINEAR_EXACT"):
        plain = gray(make_dicom(ALL_12, VOILUTFunction=function, **window))
        lax = make_dicom(ALL_12, VOILUTFunction=f" {function.lower()} ", **window)
        np.testing.assert_array_equal(gray(lax), plain)
