"""Render a report: a template of a command, which extends the base template, as one self-contained page."""

from __future__ import annotations

import base64
from pathlib import Path
from typing import Any

_TEMPLATES = Path(__file__).parent


def render_page(template: Path, **values: Any) -> str:
    """Render a template as HTML.

    Every value is escaped; a name that the template uses and `values` lacks is an error.

    Parameters
    ----------
    template : Path
        A Jinja template, which may extend `base.html.j2` and import the macros of `parts.html.j2`.
    **values : object
        What the template shows.

    Returns
    -------
    str
        One page without scripts and without references to other files.
    """
    import jinja2  # here, so that a command answers `--help` without it

    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader([template.parent, _TEMPLATES]),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    return environment.get_template(template.name).render(values)


def data_uri(content: bytes, media_type: str) -> str:
    """Write the content of a file as a URI, so that a page holds it.

    Examples
    --------
    >>> data_uri(b"abc", "image/png")
    'data:image/png;base64,YWJj'
    """
    return f"data:{media_type};base64,{base64.b64encode(content).decode('ascii')}"
