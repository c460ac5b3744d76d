from __future__ import annotations

import csv
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st
from skimage.measure import label, regionprops

from cxr.data.decode.reader import read_mask, read_samples
from cxr.infer.features.components import ComponentRuns, find_components
from cxr.infer.features.lungs import InLungs, Lungs

Mask = npt.NDArray[np.uint8]
Rectangle = tuple[int, int, int, int]

SHAPE = (60, 80)
RIGHT: Rectangle = (10, 10, 30, 20)
LEFT: Rectangle = (20, 45, 36, 20)
"""Row, column, height and width: the patient's right lung is on the image's left."""


def draw(*rectangles: Rectangle, shape: tuple[int, int] = SHAPE) -> Mask:
    mask = np.zeros(shape, np.uint8)
    for row, column, height, width in rectangles:
        mask[row : row + height, column : column + width] = 1
    return mask


def runs(mask: Mask) -> ComponentRuns:
    return find_components(mask, eight_connected=True)


def find(mask: Mask) -> Lungs:
    return Lungs.find(runs(mask), mask.shape[1])


def areas(*rectangles: Rectangle, shape: tuple[int, int] = SHAPE) -> tuple[int, int]:
    lungs = find(draw(*rectangles, shape=shape))
    return lungs.right_area, lungs.left_area


def test_the_right_lung_is_on_the_left_of_the_image() -> None:
    assert areas(RIGHT, LEFT) == (600, 720)


def test_lungs_that_overlap_in_columns_are_told_apart_as_components() -> None:
    mask = np.zeros(SHAPE, np.uint8)
    cv2.fillConvexPoly(mask, np.array([(5, 5), (25, 5), (45, 50), (20, 50)]), 1)
    right = int(mask.sum())
    cv2.fillConvexPoly(mask, np.array([(38, 5), (60, 5), (75, 50), (60, 50)]), 1)
    lungs = find(mask)
    assert (lungs.right_area, lungs.left_area) == (right, int(mask.sum()) - right)


def test_lungs_that_touch_are_split_at_the_middle_of_their_width() -> None:
    assert areas((10, 10, 40, 30), (10, 40, 40, 20)) == (40 * 25, 40 * 25)
    assert areas((0, 0, 50, 61)) == (50 * 31, 50 * 30)


@pytest.mark.parametrize(("column", "expected"), [(5, (600, 0)), (50, (0, 600))])
def test_a_single_lung_is_on_the_side_of_its_half_of_the_image(
    column: int, expected: tuple[int, int]
) -> None:
    assert areas((5, column, 40, 15)) == expected


def test_fragments_belong_to_the_side_where_they_lie() -> None:
    assert areas(RIGHT, LEFT, (50, 12, 2, 2), (3, 60, 2, 2)) == (604, 724)


def test_two_parts_of_one_lung_are_not_two_lungs() -> None:
    assert areas((2, 10, 25, 15), (30, 11, 25, 15)) == (750, 0)
    assert areas((2, 10, 25, 15), (30, 11, 25, 15), (4, 50, 50, 15)) == (750, 750)


def test_without_lungs_nothing_is_inside() -> None:
    lungs = find(draw())
    assert lungs.area == 0
    assert lungs.measure(runs(draw((0, 0, 60, 80)))) == InLungs(0, 0, 0, 0)


def test_thirds_are_those_of_the_lung_that_a_pixel_lies_in() -> None:
    lungs = find(draw(RIGHT, LEFT))
    # The right lung has its thirds at the rows 10, 20 and 30, the left one at 20, 32 and 44.
    assert lungs.measure(runs(draw((0, 0, 21, 80)))) == InLungs(200 + 20, 20, 0, 110 + 10)
    whole = lungs.measure(runs(draw((0, 0, 60, 80))))
    assert (whole.upper, whole.middle, whole.lower) == (440, 440, 440)


def test_a_fragment_does_not_make_a_lung_taller() -> None:
    lungs = find(draw(RIGHT, LEFT, (57, 12, 2, 2)))
    whole = lungs.measure(runs(draw((0, 0, 60, 80))))
    assert (whole.upper, whole.middle, whole.lower) == (440, 440, 444)


def test_the_peripheral_zone_is_the_lateral_half_of_each_lung() -> None:
    lungs = find(draw(RIGHT, LEFT))
    for rectangle, peripheral in (
        ((12, 10, 1, 10), 10),
        ((12, 20, 1, 10), 0),
        ((30, 45, 1, 10), 0),
        ((30, 55, 1, 10), 10),
    ):
        measured = lungs.measure(runs(draw(rectangle)))
        assert (measured.pixels, measured.peripheral) == (10, peripheral)


def test_a_pixel_at_equal_distance_from_both_edges_is_central() -> None:
    lungs = find(draw((10, 10, 40, 15), (10, 50, 40, 15)))
    whole = lungs.measure(runs(draw((0, 0, 60, 80))))
    assert (whole.pixels, whole.peripheral) == (1200, 40 * 7 * 2)


def reference(lungs: Mask, side_of: Mask, mask: Mask) -> InLungs:
    """Count pixel by pixel; `side_of` is 1 and 2 on the image's left and right."""
    thirds, peripheral = [0, 0, 0], 0
    for side in (1, 2):
        of_side = (side_of == side) & (lungs > 0)
        found = regionprops(label(of_side, connectivity=2))
        if not found:
            continue
        main = [one for one in found if one.area >= 0.1 * max(other.area for other in found)]
        top, bottom = min(one.bbox[0] for one in main), max(one.bbox[2] for one in main)
        for row, column in np.argwhere(of_side & (mask > 0)):
            third = min(max(int((row + 0.5 - top) / (bottom - top) * 3), 0), 2) if row >= top else 0
            thirds[third] += 1
            columns = np.flatnonzero(of_side[row])
            lateral, medial = (columns[0], columns[-1]) if side == 1 else (columns[-1], columns[0])
            peripheral += abs(column - lateral) < abs(column - medial)
    return InLungs(*thirds, peripheral)


def ellipses(seed: int, count: int) -> Mask:
    rng = np.random.default_rng(seed)
    mask = np.zeros(SHAPE, np.uint8)
    for _ in range(count):
        center, axes = rng.integers((5, 5), (75, 55)), rng.integers(1, 12, 2)
        cv2.ellipse(mask, center.tolist(), axes.tolist(), float(rng.integers(180)), 0, 360, 1, -1)
    return mask


@given(st.integers(0, 10_000), st.integers(0, 4), st.integers(0, 12))
def test_zones_equal_those_counted_pixel_by_pixel(seed: int, more: int, lesions: int) -> None:
    lungs = draw(RIGHT, LEFT) | ellipses(seed, more) * (np.indices(SHAPE)[1] < 31)
    lungs[:, 31:45] = 0
    sides = np.where(np.indices(SHAPE)[1] < 40, 1, 2).astype(np.uint8)
    mask = ellipses(seed + 1, lesions)
    found = find(lungs)
    assert found.measure(runs(mask)) == reference(lungs, sides, mask)
    assert found.right_area == lungs[:, :40].sum()


@given(st.integers(0, 10_000), st.integers(1, 6))
def test_every_lung_pixel_is_on_one_side_whatever_the_mask(seed: int, count: int) -> None:
    mask = ellipses(seed, count)
    lungs = find(mask)
    assert lungs.area == mask.sum() == lungs.measure(runs(np.ones_like(mask))).pixels


def lung_boxes(root: Path) -> Iterator[tuple[str, dict[str, Rectangle]]]:
    """Yield the images of which radiologists drew a box around either lung."""
    boxes: dict[str, dict[str, Rectangle]] = {}
    with (root / "boxes.csv").open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            if row["label"] in ("Left Lung", "Right Lung"):
                top, left, height, width = (round(float(row[name])) for name in "yxhw")
                boxes.setdefault(row["image"], {})[row["label"]] = (top, left, height, width)
    for image, found in boxes.items():
        if len(found) == 2:
            yield image, found


@pytest.mark.real
def test_sides_agree_with_the_boxes_that_radiologists_drew(cxr_dev: Path) -> None:
    with (cxr_dev / "index.csv").open(encoding="utf-8", newline="") as file:
        masks = {row["image"]: row["mask_lung"] for row in csv.DictReader(file)}
    agreed, total = 0, 0
    for image, boxes in lung_boxes(cxr_dev):
        path = cxr_dev / masks[image]
        mask = read_mask(path, read_samples(path).shape[:2])
        lungs = find(mask)
        inside = {name: int((mask & draw(box, shape=mask.shape)).sum()) for name, box in boxes.items()}
        total += 1
        # The boxes leave out what the masks have behind the heart.
        agreed += all(
            abs(area - inside[name]) <= 0.35 * area
            for name, area in (("Right Lung", lungs.right_area), ("Left Lung", lungs.left_area))
        )
    assert (agreed, total) == (119, 119)


@pytest.mark.real
def test_both_lungs_are_found_in_real_masks(cxr_dev: Path) -> None:
    paths = sorted((cxr_dev / "masks_lung").glob("*.png"))
    smaller = []
    for path in paths:
        lungs = find(read_mask(path, read_samples(path).shape[:2]))
        smaller.append(min(lungs.right_area, lungs.left_area) / lungs.area)
    assert len(smaller) == 541
    assert np.mean(np.array(smaller) > 0.2) > 0.99
