"""The names of PNG files, and writing them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from cxr.infer.outputs.png_files import png_name, write_png


@pytest.mark.parametrize(
    ("key", "name"),
    [("a/b.png", "a/b.png"), ("a/b.PNG", "a/b.PNG"), ("a/b.jpg", "a/b.jpg.png"), ("a/b", "a/b.png")],
)
def test_png_files_are_named_after_their_image(key: str, name: str) -> None:
    assert png_name(key) == name


def test_array_that_is_no_image_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(Exception, match=r"PNG|imencode|channels"):
        write_png(tmp_path / "a.png", np.zeros((4, 4, 7), np.uint8))
    assert list(tmp_path.iterdir()) == []
