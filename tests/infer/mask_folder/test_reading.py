"""What a mask file may hold."""

from __future__ import annotations

from collections.abc import Callable
from copy import deepcopy
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pydicom
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from cxr.data.decode.options import DecodeOptions
from cxr.errors import DecodeError, InputError
from cxr.infer.mask_folder.reading import masks_of, read_content
from cxr.infer.mask_folder.records import NotAMaskError

WriteSegmentation = Callable[..., Path]
LABELS = {1: "lung", 2: "lesion", 7: "lung"}


@given(arrays(np.uint8, (5, 7), elements=st.sampled_from([0, 1, 2, 7])))
def test_label_image_is_one_mask_per_class_and_values_of_one_class_count_together(labels: np.ndarray) -> None:
    masks = masks_of(labels, None, LABELS)
    assert list(masks) == ["lung", "lesion"]
    np.testing.assert_array_equal(masks["lung"], (labels == 1) | (labels == 7))
    np.testing.assert_array_equal(masks["lesion"], labels == 2)


def test_value_without_a_class_is_rejected() -> None:
    labels = np.arange(12, dtype=np.uint16).reshape(3, 4)
    with pytest.raises(NotAMaskError, match=r"8 values without a class \(3, 4, 5, \.\.\.\); name every"):
        masks_of(labels, None, LABELS)


@pytest.mark.parametrize("suffix", ["png", "tif"])
def test_label_image_of_16_bits_keeps_its_values(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"a.{suffix}"
    cv2.imwrite(str(path), np.array([[0, 1000], [300, 0]], np.uint16))
    masks = masks_of(read_content(path, DecodeOptions()), None, {300: "lung", 1000: "lesion"})
    assert masks["lung"].tolist() == [[0, 0], [1, 0]]
    assert masks["lesion"].tolist() == [[0, 1], [0, 0]]


def test_label_image_in_color_is_rejected() -> None:
    with pytest.raises(NotAMaskError, match="in color or with a palette"):
        masks_of(np.zeros((3, 4, 3), np.uint8), None, LABELS)


@pytest.mark.parametrize("value", [1, 17, 255])
def test_mask_may_have_any_value_inside(value: int) -> None:
    mask = masks_of(np.array([[0, value]], np.uint8), "lung", None)["lung"]
    assert (mask.dtype, mask.tolist()) == (np.uint8, [[0, 1]])


def test_mask_of_more_values_is_rejected() -> None:
    with pytest.raises(NotAMaskError, match="more than two values"):
        masks_of(np.array([[0, 1, 2]], np.uint8), "lung", None)


def test_segments_of_the_same_label_count_together_and_empty_ones_stay(
    tmp_path: Path, write_segmentation: WriteSegmentation
) -> None:
    first, second = np.zeros((6, 9)), np.zeros((6, 9))
    first[1:3, 1:4], second[4, 5] = 1, 1
    segments = [("lung", first), ("lesion", np.zeros((6, 9))), ("lung", second)]
    path = write_segmentation(tmp_path / "a.dcm", segments)
    masks = masks_of(read_content(path, DecodeOptions()), None, None)
    assert list(masks) == ["lung", "lesion"]
    np.testing.assert_array_equal(masks["lung"], first + second)
    assert not masks["lesion"].any()


@pytest.mark.parametrize("kind", ["BINARY", "LABELMAP", "FRACTIONAL"])
def test_kinds_of_segmentations_give_the_same_mask(
    tmp_path: Path, write_segmentation: WriteSegmentation, kind: str
) -> None:
    mask = np.zeros((6, 9))
    mask[1:3, 1:4] = 1
    path = write_segmentation(tmp_path / "a.dcm", [("Left Lung", mask)], kind=kind)
    np.testing.assert_array_equal(
        masks_of(read_content(path, DecodeOptions()), "left_lung", None)["left_lung"], mask
    )


def test_segmentation_of_fractions_is_rejected(tmp_path: Path, write_segmentation: WriteSegmentation) -> None:
    mask = np.linspace(0, 1, 54).reshape(6, 9)
    path = write_segmentation(tmp_path / "a.dcm", [("lung", mask)], kind="FRACTIONAL")
    with pytest.raises(DecodeError, match=r"a\.dcm: frame 1 holds fractions"):
        read_content(path, DecodeOptions())


def test_segmentation_of_two_images_is_rejected(
    tmp_path: Path, write_segmentation: WriteSegmentation
) -> None:
    path = write_segmentation(tmp_path / "a.dcm", [("lung", np.ones((6, 9)))])
    written = pydicom.dcmread(path)
    instances = written.ReferencedSeriesSequence[0].ReferencedInstanceSequence
    instances.append(deepcopy(instances[0]))
    instances[1].ReferencedSOPInstanceUID = "1.2.3.99"
    written.save_as(path)
    with pytest.raises(DecodeError, match=r"of 2 images, .*; export one for each image"):
        read_content(path, DecodeOptions())


def test_segmentation_that_refers_to_no_image_is_read(
    tmp_path: Path, write_segmentation: WriteSegmentation
) -> None:
    path = write_segmentation(tmp_path / "a.dcm", [("lung", np.ones((6, 9)))], refers=False)
    assert masks_of(read_content(path, DecodeOptions()), None, None)["lung"].all()


def test_larger_segmentation_than_allowed_is_rejected(
    tmp_path: Path, write_segmentation: WriteSegmentation
) -> None:
    path = write_segmentation(tmp_path / "a.dcm", [("lung", np.ones((6, 9)))])
    with pytest.raises(DecodeError, match="9 x 6 pixels, more than the limit of 53"):
        read_content(path, DecodeOptions(max_pixels=53))


def test_dicom_image_is_no_mask(tmp_path: Path, write_dicom: Callable[..., Path]) -> None:
    path = write_dicom(tmp_path / "a.dcm", np.zeros((4, 4), np.uint8))
    with pytest.raises(NotAMaskError, match=r"a\.dcm: a DICOM file that is no Segmentation"):
        read_content(path, DecodeOptions())


def test_damaged_segmentation_is_an_error_that_quotes_nothing_of_its_header(
    tmp_path: Path, write_segmentation: WriteSegmentation
) -> None:
    path = write_segmentation(tmp_path / "a.dcm", [("lung", np.ones((6, 9)))])
    data = path.read_bytes()
    for size in range(140, len(data), 97):
        path.write_bytes(data[:size])
        with pytest.raises(InputError, match=r"a\.dcm: ") as caught:
            read_content(path, DecodeOptions())
        assert "Doe" not in str(caught.value)
        assert "4711" not in str(caught.value)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"class_name": None, "values": LABELS}, "leave out --values"),
        ({"class_name": "lung", "values": None}, "holds the classes lung, heart, not only lung"),
    ],
)
def test_arguments_that_contradict_a_segmentation_are_rejected(
    settings: dict[str, Any], message: str
) -> None:
    mask = np.zeros((2, 2), np.uint8)
    with pytest.raises(InputError, match=message):
        masks_of({"lung": mask, "heart": mask}, **settings)


def test_segment_whose_label_is_no_class_name_is_rejected() -> None:
    with pytest.raises(InputError, match="cannot be the name of a class"):
        masks_of({"": np.zeros((2, 2), np.uint8)}, None, None)
