from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from cxr.data.decode.reader import read_mask
from cxr.errors import InputError
from cxr.infer.outputs.images import check_distinct_names, png_name, write_mask, write_overlay


def test_mask_is_written_losslessly_with_one_bit_per_pixel(tmp_path: Path) -> None:
    mask = (np.random.default_rng(0).random((37, 53)) > 0.5).astype(np.uint8)
    write_mask(tmp_path / "a" / "m.png", mask)
    data = (tmp_path / "a" / "m.png").read_bytes()
    bits, color = data[24], data[25]
    assert (bits, color) == (1, 0)
    np.testing.assert_array_equal(read_mask(tmp_path / "a" / "m.png", mask.shape), mask)


def test_overlay_is_the_image_with_outlines_and_a_legend(tmp_path: Path) -> None:
    pixels = np.full((200, 300), 90, np.uint8)
    mask = np.zeros_like(pixels)
    mask[100:150, 100:200] = 1
    write_overlay(tmp_path / "o.png", pixels, {"lesion": mask, "lung": np.zeros_like(mask)})
    overlay = cv2.imread(str(tmp_path / "o.png"))
    assert overlay is not None
    colored = (overlay != 90).any(axis=2)
    assert colored[100, 100:200].all()
    assert not colored[105:145, 105:195].any()
    assert colored[:60, :100].any()  # the legend
    assert not colored[160:, :].any()


@pytest.mark.parametrize(
    ("key", "name"),
    [("a/b.png", "a/b.png"), ("a/b.PNG", "a/b.PNG"), ("a/b.jpg", "a/b.jpg.png"), ("a/b", "a/b.png")],
)
def test_images_are_named_after_their_source(key: str, name: str) -> None:
    assert png_name(key) == name


def test_images_with_different_suffixes_get_different_names() -> None:
    check_distinct_names(["a/b.jpg", "a/b.png", "a/b.tif", "b.png"])


@pytest.mark.parametrize("keys", [["a", "a.png"], ["a.jpg", "a.jpg.png"]])
def test_two_images_with_the_same_output_file_are_rejected(keys: list[str]) -> None:
    with pytest.raises(InputError, match="would both write"):
        check_distinct_names(keys)
