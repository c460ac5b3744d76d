"""Enhanced and multi-frame objects hold the window, the rescaling and the spacing in functional groups."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from pydicom.dataset import Dataset

from cxr.data.decode.dicom.reader import read_dicom
from cxr.errors import DecodeError

MakeDicom = Callable[..., bytes]
DEEP = np.arange(4096, dtype=np.uint16).reshape(64, 64) + np.uint16(8000)
GRAY = np.rint((DEEP - 8000.0) * (255 / 4095))


def dataset(**elements: Any) -> Dataset:
    item = Dataset()
    for keyword, value in elements.items():
        setattr(item, keyword, value)
    return item


WINDOW = dataset(FrameVOILUTSequence=[dataset(WindowCenter=10048, WindowWidth=4096)])
RESCALE = dataset(
    PixelValueTransformationSequence=[dataset(RescaleIntercept=12095, RescaleSlope=-1, RescaleType="US")]
)
MEASURES = dataset(PixelMeasuresSequence=[dataset(PixelSpacing=[0.2, 0.3])])
OTHER = dataset(FrameVOILUTSequence=[dataset(WindowCenter=9000, WindowWidth=3000)])

SEQUENCES = ["SharedFunctionalGroupsSequence", "PerFrameFunctionalGroupsSequence"]


@pytest.mark.parametrize("sequence", SEQUENCES)
def test_window_of_a_functional_group_is_used(make_dicom: MakeDicom, sequence: str) -> None:
    image = read_dicom(make_dicom(DEEP, NumberOfFrames=1, **{sequence: [WINDOW]}), max_pixels=4096)
    np.testing.assert_array_equal(image.pixels, GRAY)
    assert image.gray_from == "window"


@pytest.mark.parametrize("sequence", SEQUENCES)
def test_rescaling_and_spacing_of_a_functional_group_are_used(make_dicom: MakeDicom, sequence: str) -> None:
    group = dataset(**{element.keyword: element.value for part in (RESCALE, MEASURES) for element in part})
    group.FrameVOILUTSequence = [dataset(WindowCenter=2048, WindowWidth=4096, VOILUTFunction="LINEAR")]
    image = read_dicom(make_dicom(DEEP, **{sequence: [group]}), max_pixels=4096)
    np.testing.assert_array_equal(image.pixels, GRAY[::-1, ::-1])
    assert image.spacing_mm == (0.2, 0.3)


def test_voi_lut_of_a_functional_group_is_used(make_dicom: MakeDicom) -> None:
    table = dataset(LUTDescriptor=[4096, 8000, 12], LUTData=np.arange(4096)[::-1].astype("<u2").tobytes())
    table["LUTDescriptor"].VR, table["LUTData"].VR = "US", "OW"
    groups = [dataset(FrameVOILUTSequence=[dataset(VOILUTSequence=[table])])]
    image = read_dicom(make_dicom(DEEP, SharedFunctionalGroupsSequence=groups), max_pixels=4096)
    np.testing.assert_array_equal(image.pixels, GRAY[::-1, ::-1])


def test_group_of_the_frame_takes_precedence_over_shared_ones_and_those_over_the_header(
    make_dicom: MakeDicom,
) -> None:
    header = {"WindowCenter": 11000, "WindowWidth": 3500}
    shared = {"SharedFunctionalGroupsSequence": [WINDOW]}
    frame = {"PerFrameFunctionalGroupsSequence": [OTHER]}
    np.testing.assert_array_equal(
        read_dicom(make_dicom(DEEP, **header, **shared), max_pixels=4096).pixels, GRAY
    )
    expected = read_dicom(make_dicom(DEEP, WindowCenter=9000, WindowWidth=3000), max_pixels=4096).pixels
    for more in ({}, shared, header | shared):
        shown = read_dicom(make_dicom(DEEP, **more, **frame), max_pixels=4096).pixels
        np.testing.assert_array_equal(shown, expected)


@pytest.mark.parametrize("group", [dataset(), dataset(FrameVOILUTSequence=[])])
def test_empty_groups_are_ignored(make_dicom: MakeDicom, group: Dataset) -> None:
    data = make_dicom(DEEP, SharedFunctionalGroupsSequence=[group], WindowCenter=10048, WindowWidth=4096)
    np.testing.assert_array_equal(read_dicom(data, max_pixels=4096).pixels, GRAY)


def test_many_groups_of_a_file_with_several_frames_are_not_read(make_dicom: MakeDicom) -> None:
    groups = [dataset(FrameComments="x" * 10_000)] * 200
    data = make_dicom(DEEP, NumberOfFrames=3, PerFrameFunctionalGroupsSequence=groups)
    with pytest.raises(DecodeError, match="3 frames"):
        read_dicom(data, max_pixels=4096)


def test_very_long_groups_of_one_frame_are_rejected(make_dicom: MakeDicom) -> None:
    groups = [dataset(FrameComments="x" * 10_000)] * 200
    with pytest.raises(DecodeError, match="PerFrameFunctionalGroupsSequence has 20"):
        read_dicom(make_dicom(DEEP, PerFrameFunctionalGroupsSequence=groups), max_pixels=4096)
