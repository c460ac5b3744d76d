"""Charts are SVG whose coordinates a reader can check."""

from __future__ import annotations

import re
from pathlib import Path
from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cxr.report.chart import Axis, Chart, Series, level, mark
from cxr.report.page import render_page

PAGE = """{% extends "base.html.j2" %}
{% import "parts.html.j2" as parts %}
{% block title %}chart{% endblock %}
{% block content %}{{ parts.chart(chart) }}{% endblock %}
"""
UNIT = Axis("across <b>", 0.0, 1.0, (0.0, 0.5, 1.0))


def svg_of(chart: Chart, folder: Path) -> ElementTree.Element:
    template = folder / "page.html.j2"
    template.write_text(PAGE, encoding="utf-8")
    (svg,) = re.findall(r"<svg.*?</svg>", render_page(template, chart=chart), re.S)
    return ElementTree.fromstring(svg)


@given(st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=9))
def test_an_axis_has_round_ends_around_all_values(values: list[float]) -> None:
    axis = Axis.around("x", values)
    assert axis.low < axis.high
    slack = 1e-6 * (axis.high - axis.low)
    assert axis.low - slack <= min(values)
    assert max(values) <= axis.high + slack
    assert (axis.ticks[0], axis.ticks[-1]) == (axis.low, axis.high)
    assert 2 <= len(axis.ticks) <= 8


def test_values_that_are_not_finite_do_not_count() -> None:
    assert Axis.around("x", [1.0, float("nan"), 2.0, float("inf")]) == Axis.around("x", [1.0, 2.0])
    assert Axis.around("x", []).low < Axis.around("x", []).high


def test_points_lines_and_legend_are_drawn_at_their_values(tmp_path: Path) -> None:
    lines = [mark(UNIT, 0.5), level(UNIT, 1.0), Series("Dice", [(0.0, 0.0), (1.0, 1.0)], "second")]
    svg = svg_of(Chart("a chart", UNIT, UNIT, lines, [Series("", [(0.25, 0.75)])]), tmp_path)
    vertical, horizontal, diagonal = (
        [tuple(map(float, pair.split(","))) for pair in line.attrib["points"].split()]
        for line in svg.iter("polyline")
    )
    (left, bottom), (right, top) = diagonal
    assert left < right
    assert top < bottom
    assert vertical == [((left + right) / 2, bottom), ((left + right) / 2, top)]
    assert horizontal == [(left, top), (right, top)]
    (point,) = svg.iter("circle")
    assert float(point.attrib["cx"]) == pytest.approx(left + 0.25 * (right - left), abs=0.1)
    assert float(point.attrib["cy"]) == pytest.approx(bottom - 0.75 * (bottom - top), abs=0.1)
    assert [text.text for text in svg.iter("text")][:3] == ["0", "0.5", "1"]


def test_labels_are_escaped_and_the_legend_names_the_series(tmp_path: Path) -> None:
    template = tmp_path / "page.html.j2"
    template.write_text(PAGE, encoding="utf-8")
    chart = Chart("a chart", UNIT, UNIT, [Series("Dice & more", [(0.0, 0.0), (1.0, 1.0)])])
    page = render_page(template, chart=chart)
    assert "across &lt;b&gt;" in page
    assert re.search(r"<figcaption>.*Dice &amp; more</figcaption>", page)
