from __future__ import annotations

from cxr.data.colors import OUTLINES, POINTS, hex_color, outline_color


def test_classes_have_different_colors_until_the_palette_repeats() -> None:
    colors = [outline_color(index) for index in range(len(OUTLINES))]
    assert len(set(colors)) == len(OUTLINES)
    assert outline_color(len(OUTLINES)) == colors[0]


def test_colors_of_points_are_from_the_same_palette() -> None:
    assert set(POINTS) < set(OUTLINES)


def test_colors_are_written_in_hexadecimal() -> None:
    assert hex_color((230, 159, 0)) == "#e69f00"
