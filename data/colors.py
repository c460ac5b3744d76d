"""The colors of classes and groups: Okabe and Ito's palette, which color-blind readers can tell apart.

Okabe M, Ito K. Color Universal Design. https://jfly.uni-koeln.de/color/
"""

from __future__ import annotations

Color = tuple[int, int, int]
"""Red, green, blue, each 0 to 255."""

ORANGE: Color = (230, 159, 0)
SKY_BLUE: Color = (86, 180, 233)
GREEN: Color = (0, 158, 115)
YELLOW: Color = (240, 228, 66)
BLUE: Color = (0, 114, 178)
PURPLE: Color = (204, 121, 167)

OUTLINES = (ORANGE, SKY_BLUE, GREEN, YELLOW, PURPLE, BLUE)
"""On radiographs: the light colors first."""

POINTS = (BLUE, ORANGE, GREEN, PURPLE, SKY_BLUE)
"""On white paper: no yellow."""


def outline_color(index: int) -> Color:
    """Return the color of the class with this index; the colors repeat after the sixth."""
    return OUTLINES[index % len(OUTLINES)]


def hex_color(color: Color) -> str:
    """Write a color as HTML and Matplotlib read it.

    Examples
    --------
    >>> hex_color(BLUE)
    '#0072b2'
    """
    return "#{:02x}{:02x}{:02x}".format(*color)
