from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
import pytest

from cxr.data.datasets.segmentation import draw_segments, read_segmentation_header, read_segments
from cxr.data.datasets.shapes import Segments
from cxr.data.decode.dicom import parse
from cxr.data.decode.options import DecodeOptions
from cxr.errors import DecodeError, InputError

WriteSegmentation = Callable[..., Path]

SHAPE = (9, 13)  # the pixels of a frame do not fill whole bytes


def random_mask(shape: tuple[int, int], seed: int) -> Any:
    return np.random.default_rng(seed).integers(0, 2, shape, dtype=np.uint8)


def read(path: Path, label: str, uid: str | None = None, shape: tuple[int, int] = SHAPE) -> Any:
    mask = np.zeros(shape, np.uint8)
    draw_segments(Segments(path, label, uid), mask)
    return mask


@pytest.mark.parametrize("kind", ["BINARY", "FRACTIONAL", "LABELMAP"])
def test_segments_are_read_by_their_label(
    kind: str, tmp_path: Path, write_segmentation: WriteSegmentation
) -> None:
    lung = random_mask(SHAPE, 1)
    lesion = random_mask(SHAPE, 2) & (1 - lung)
    path = write_segmentation(tmp_path / "a.dcm", [("Left lung", lung), ("Lesion", lesion)], kind=kind)
    np.testing.assert_array_equal(read(path, "left_lung"), lung)
    np.testing.assert_array_equal(read(path, "lesion"), lesion)
    header = read_segmentation_header(path)
    assert header is not None
    assert header.labels == {1: "left_lung", 2: "lesion"}
    assert header.images == {"1.2.3.1"}


def test_the_only_label_is_read_under_any_name(tmp_path: Path, write_segmentation: WriteSegmentation) -> None:
    mask = random_mask(SHAPE, 3)
    np.testing.assert_array_equal(
        read(write_segmentation(tmp_path / "a.dcm", [("Opacity", mask)]), "lesion"), mask
    )


def test_segments_of_one_label_are_one_mask(tmp_path: Path, write_segmentation: WriteSegmentation) -> None:
    parts = [random_mask(SHAPE, seed) for seed in (4, 5)]
    path = write_segmentation(tmp_path / "a.dcm", [("Nodule", part) for part in parts])
    np.testing.assert_array_equal(read(path, "nodule"), parts[0] | parts[1])


def test_a_segment_without_a_frame_is_empty(tmp_path: Path, write_segmentation: WriteSegmentation) -> None:
    empty = np.zeros(SHAPE, np.uint8)
    path = write_segmentation(tmp_path / "a.dcm", [("Lung", random_mask(SHAPE, 6)), ("Lesion", empty)])
    assert not read(path, "lesion").any()


def test_frames_are_those_of_the_image(tmp_path: Path, write_segmentation: WriteSegmentation) -> None:
    masks = [random_mask(SHAPE, seed) for seed in (7, 8)]
    path = write_segmentation(tmp_path / "a.dcm", [("Lesion", masks)])
    for number, mask in enumerate(masks, start=1):
        np.testing.assert_array_equal(read(path, "lesion", f"1.2.3.{number}"), mask)
    with pytest.raises(InputError, match="of 2 images, whose frames cannot be told apart"):
        read(path, "lesion")


def test_labels_are_returned_as_they_are_written(
    tmp_path: Path, write_segmentation: WriteSegmentation
) -> None:
    masks = [random_mask(SHAPE, seed) for seed in (10, 11)]
    path = write_segmentation(tmp_path / "a.dcm", [("Left Lung", masks[0]), ("Lesion", masks[1])])
    found = read_segments(path, DecodeOptions())
    assert list(found) == ["Left Lung", "Lesion"]
    np.testing.assert_array_equal(list(found.values()), masks)


def test_other_threads_may_read_while_frames_are_decoded(
    tmp_path: Path, write_segmentation: WriteSegmentation, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write_segmentation(tmp_path / "a.dcm", [("Lung", random_mask(SHAPE, 1))])
    decode, locked = pydicom.Dataset.pixel_array.fget, []

    def pixel_array(dataset: pydicom.Dataset) -> Any:
        locked.append(parse._lock.locked())
        return decode(dataset)

    monkeypatch.setattr(pydicom.Dataset, "pixel_array", property(pixel_array))
    read(path, "lung")
    assert locked == [False]


@pytest.mark.parametrize(
    ("pixels", "why"),
    [(116, "13 x 9 pixels, more than the limit of 116"), (233, "234 pixels in all its frames, more than")],
)
def test_a_segmentation_of_more_pixels_than_allowed_is_an_error(
    pixels: int, why: str, tmp_path: Path, write_segmentation: WriteSegmentation
) -> None:
    mask = np.ones(SHAPE, np.uint8)
    path = write_segmentation(tmp_path / "a.dcm", [("Lung", mask), ("Heart", mask)])
    with pytest.raises(DecodeError, match=rf"a\.dcm: {why}"):
        read_segments(path, DecodeOptions(max_pixels=pixels))
    assert len(read_segments(path, DecodeOptions(max_pixels=234))) == 2


@pytest.mark.parametrize(
    ("label", "shape", "why"),
    [
        ("nodule", SHAPE, "a DICOM Segmentation of lung, lesion, without nodule"),
        ("lung", (9, 14), "this mask is 13 x 9 pixels, its image 14 x 9"),
    ],
)
def test_a_segmentation_that_does_not_fit_is_an_error(
    label: str, shape: tuple[int, int], why: str, tmp_path: Path, write_segmentation: WriteSegmentation
) -> None:
    mask = random_mask(SHAPE, 9)
    path = write_segmentation(tmp_path / "a.dcm", [("Lung", mask), ("Lesion", mask)])
    with pytest.raises(InputError, match=rf"a\.dcm: {why}"):
        read(path, label, shape=shape)


def test_fractions_are_an_error(tmp_path: Path, write_segmentation: WriteSegmentation) -> None:
    path = write_segmentation(
        tmp_path / "a.dcm", [("Lung", np.linspace(0, 1, 117).reshape(SHAPE))], kind="FRACTIONAL"
    )
    with pytest.raises(InputError, match="frame 1 holds fractions"):
        read(path, "lung")


def test_a_frame_of_an_unknown_segment_is_an_error(
    tmp_path: Path, write_segmentation: WriteSegmentation
) -> None:
    mask = random_mask(SHAPE, 1)
    path = write_segmentation(tmp_path / "a.dcm", [("Lung", mask), ("Lesion", mask)])
    written = pydicom.dcmread(path)
    for frame in written.PerFrameFunctionalGroupsSequence:
        frame.SegmentIdentificationSequence[0].ReferencedSegmentNumber = 9
    written.save_as(path)
    with pytest.raises(InputError, match="frame 1 belongs to no segment"):
        read(path, "lung")


def test_damage_is_an_error_that_quotes_nothing(
    tmp_path: Path, write_segmentation: WriteSegmentation
) -> None:
    path = write_segmentation(tmp_path / "a.dcm", [("Lung", random_mask(SHAPE, 1))])
    data = path.read_bytes()
    for length in range(140, len(data), 97):
        path.write_bytes(data[:length])
        with pytest.raises(InputError) as caught:
            read(path, "lung")
        assert str(caught.value).startswith(str(path))
        assert "Doe" not in str(caught.value)


def test_another_dicom_object_is_no_segmentation(
    tmp_path: Path, write_segmentation: WriteSegmentation
) -> None:
    write_segmentation(tmp_path / "a.dcm", [("Lung", random_mask(SHAPE, 1))])
    image = tmp_path / "sources" / "1.dcm"
    assert read_segmentation_header(image) is None
    with pytest.raises(InputError, match="no Segmentation"):
        read(image, "lung")
