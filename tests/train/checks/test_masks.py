from __future__ import annotations

from collections.abc import Sequence

import pytest

from cxr.train.checks.inspection import InspectedImage
from cxr.train.checks.masks import mask_warnings

LUNGS = [0.21, 0.22, 0.225, 0.23, 0.235, 0.24, 0.25, 0.26, 0.27]
LESIONS = [0.001, 0.004, 0.01, 0.02, 0.05, 0.08, 0.15, 0.2, 0.3]


def images(coverage: Sequence[float | None]) -> list[InspectedImage]:
    return [
        InspectedImage(f"{number}.png", f"p{number}", bytes([number]), (value,), (True,))
        for number, value in enumerate(coverage)
    ]


def warnings(coverage: Sequence[float | None]) -> tuple[str, ...]:
    return mask_warnings(images(coverage), ("lung",))


@pytest.mark.parametrize("coverage", [LUNGS, LESIONS, [*LESIONS, 0, 0, 0, 0], [*LUNGS, None], [0.3], []])
def test_plausible_masks_give_no_warning(coverage: list[float | None]) -> None:
    assert warnings(coverage) == ()


def test_masks_that_cover_everything_are_reported_with_counts() -> None:
    (line,) = warnings([1.0] * 10)
    assert "lung covers every pixel of 10 of 10 images" in line


def test_inverted_masks_are_reported_with_counts() -> None:
    (line,) = warnings([1 - value for value in LUNGS])
    assert "lung covers more than half of 9 of 9 images; are its masks inverted?" in line


@pytest.mark.parametrize(("usual", "other"), [(LUNGS, 0.77), (LUNGS, 1.0), ([0.3] * 9, 0.7), (LESIONS, 0.98)])
def test_single_inverted_mask_is_named(usual: list[float], other: float) -> None:
    (line,) = warnings([*usual, other])
    assert "1 of 10 images" in line
    assert f"9.png ({other:.0%})" in line


@pytest.mark.parametrize("other", [0.0, 0.01])
def test_single_nearly_empty_mask_of_a_class_of_constant_size_is_named(other: float) -> None:
    (line,) = warnings([*LUNGS, other])
    assert "9.png" in line


def test_only_the_first_of_many_unusual_images_are_named() -> None:
    (line,) = warnings([*LUNGS, *LUNGS, *[0.8] * 8])
    assert "8 of 26 images" in line
    assert line.count(".png") == 5
    assert "and 3 more" in line


def test_unknown_masks_are_not_counted() -> None:
    (line,) = warnings([1.0, None, 1.0])
    assert "2 of 2 images" in line
