"""Charts of lines and points as SVG, placed by `parts.html.j2`: a page needs no plotting package."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

_WIDTH, _HEIGHT = 560, 300
_LEFT, _RIGHT, _TOP, _BOTTOM = 74, 12, 10, 46
_TICKS = 5
_STEPS = (1, 2, 2.5, 5, 10)
_SAME = 1e-9
"""Values that differ by less than this part of their size have no range of their own."""

Point = tuple[float, float]


@dataclass(frozen=True)
class Axis:
    """An axis: its label, its range, and the values that are marked."""

    label: str
    low: float
    high: float
    ticks: tuple[float, ...]

    @classmethod
    def around(cls, label: str, values: Iterable[float]) -> Axis:
        """Choose a range with round ends that holds all finite values."""
        finite = [value for value in values if math.isfinite(value)] or [0.0]
        low, high = min(finite), max(finite)
        size = max(abs(low), abs(high))
        if high - low <= _SAME * size:
            low, high = low - (size or 1) / 2, high + (size or 1) / 2
        raw = (high - low) / _TICKS
        power = 10.0 ** math.floor(math.log10(raw))
        step = next(factor * power for factor in _STEPS if factor * power >= raw * (1 - 1e-9))
        first, last = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
        ticks = tuple(float(f"{number * step:.12g}") for number in range(first, last + 1))
        return cls(label, ticks[0], ticks[-1], ticks)


@dataclass(frozen=True)
class Series:
    """Values to draw: as a line, or as points. `color` names a variable of the base template's style."""

    label: str
    points: Sequence[Point]
    color: str = "accent"
    dashed: bool = False


@dataclass(frozen=True)
class Chart:
    """A chart.

    Attributes
    ----------
    description : str
        Read aloud in place of the chart.
    x, y : Axis
    lines, points : sequence of Series
    width, height : int
        In pixels.
    """

    description: str
    x: Axis
    y: Axis
    lines: Sequence[Series] = ()
    points: Sequence[Series] = ()
    width: int = _WIDTH
    height: int = _HEIGHT

    def across(self, value: float) -> str:
        """Return the horizontal position of a value, in pixels."""
        share = (value - self.x.low) / (self.x.high - self.x.low)
        return f"{_LEFT + share * (self.width - _LEFT - _RIGHT):.1f}"

    def down(self, value: float) -> str:
        """Return the vertical position of a value, in pixels."""
        share = (value - self.y.low) / (self.y.high - self.y.low)
        return f"{self.height - _BOTTOM - share * (self.height - _TOP - _BOTTOM):.1f}"

    def path(self, series: Series) -> str:
        """Return the points of a line as SVG reads them."""
        return " ".join(f"{self.across(x)},{self.down(y)}" for x, y in series.points)

    @staticmethod
    def text(value: float) -> str:
        """Write the value of a tick.

        Examples
        --------
        >>> Chart.text(0.25), Chart.text(-0.0), Chart.text(1000.0)
        ('0.25', '0', '1000')
        """
        return f"{value + 0.0:.10g}"

    @property
    def legend(self) -> list[tuple[str, str]]:
        """The label and color of each named series."""
        return [(one.label, one.color) for one in (*self.lines, *self.points) if one.label]


def level(x: Axis, value: float, *, color: str = "muted") -> Series:
    """Return a horizontal dashed line at a value."""
    return Series("", ((x.low, value), (x.high, value)), color, dashed=True)


def mark(y: Axis, value: float, *, color: str = "muted") -> Series:
    """Return a vertical dashed line at a value."""
    return Series("", ((value, y.low), (value, y.high)), color, dashed=True)
