"""Every report is one self-contained page: values escaped, no scripts, nothing loaded from elsewhere."""

from __future__ import annotations

import re
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path

import pytest
from jinja2 import UndefinedError

from cxr.report.page import data_uri, render_page

PAGE = """{% extends "base.html.j2" %}
{% import "parts.html.j2" as parts %}
{% block title %}{{ title }}{% endblock %}
{% block content %}
{{ parts.warnings(warnings) }}
{{ parts.facts(facts) }}
{{ parts.table(("name", "value"), rows, numbers=1) }}
{{ parts.figure(image, "a plot", caption="caption") }}
{{ parts.correlations(("a", "b"), (("a", (1.0, None)), ("b", (None, -0.5)))) }}
{{ parts.histogram(((0.5, "five"), (1.0, "ten")), "label", "distribution") }}
{% endblock %}
"""
MARKUP = "<script>alert('1')</script>"
VOID = {"meta", "img", "line"}


class _Tags(HTMLParser):
    """Collect tags and attributes; fail where an end tag does not match its start tag."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.seen: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if tag not in VOID:
            assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data


@pytest.fixture
def template(tmp_path: Path) -> Path:
    path = tmp_path / "page.html.j2"
    path.write_text(PAGE)
    return path


def render(template: Path, text: str) -> str:
    return render_page(
        template,
        title=text,
        warnings=[text],
        facts=[(text, text)],
        rows=[(text, "1")],
        image=data_uri(b"\x89PNG", "image/png"),
    )


def parse(page: str) -> _Tags:
    tags = _Tags()
    tags.feed(page)
    assert tags.open == []
    return tags


def test_page_is_well_formed_and_shows_every_value_escaped(template: Path) -> None:
    page = render(template, MARKUP)
    tags = parse(page)
    assert "<script" not in page
    assert tags.text.count(MARKUP) == 6  # title, heading, warning, name and value, cell


def test_page_loads_nothing(template: Path) -> None:
    page = render(template, "text")
    tags = parse(page)
    for tag, attributes in tags.seen:
        assert tag not in {"script", "link", "iframe", "object"}
        assert "href" not in attributes
        assert (attributes.get("src") or "data:").startswith("data:")
    assert "url(" not in page
    assert not re.search(r"https?:", page)
    assert "default-src 'none'" in page


@pytest.mark.parametrize("rule", ["prefers-color-scheme: dark", "print", "max-width: 40rem"])
def test_page_has_styles_for_dark_mode_print_and_small_screens(template: Path, rule: str) -> None:
    assert f"@media ({rule})" in (page := render(template, "text")) or f"@media {rule}" in page


def test_numbers_are_aligned_to_the_right_and_an_undefined_correlation_is_empty(template: Path) -> None:
    page = render(template, "text")
    assert '<td>text</td><td class="number">1</td>' in page
    assert "<td></td>" in page
    assert ">-0.50</td>" in page


def test_value_that_the_template_lacks_is_an_error(template: Path) -> None:
    with pytest.raises(UndefinedError, match="title"):
        render_page(template)


def test_templates_are_imported_only_when_a_page_is_rendered() -> None:
    code = "import sys, cxr.report.page; assert 'jinja2' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)
