"""`report.html`: one page about a run that can be mailed: no script, no other file, every name escaped."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from html import escape
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from ...report.page import _table

_BINS = 20
_THUMBNAILS, _THUMBNAIL_SIZE = 12, 256
_FAILURES = 20

_HEAD = (
    '<!doctype html><html lang="en"><meta charset="utf-8"><title>cxr-infer</title><style>'
    "body{font:15px/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem;color:#222}"
    "table{border-collapse:collapse}td,th{text-align:left;padding:.2rem .8rem .2rem 0;vertical-align:top}"
    "td{overflow-wrap:anywhere}figure{display:inline-block;margin:.3rem;max-width:256px}"
    "figcaption{font-size:12px;overflow-wrap:anywhere}svg{max-width:100%}</style>"
)


def render(
    manifest: dict[str, Any],
    ratios: Sequence[float],
    failures: Sequence[dict[str, str]],
    causes: Sequence[tuple[str, int]],
    overlays: Sequence[tuple[str, Path]],
) -> str:
    """Write the page.

    Parameters
    ----------
    manifest : dict
        As `run.json` holds it.
    ratios : sequence of float
        The images' `lesion_ratio`.
    failures : sequence of dict
        Rows of `failures.csv`.
    causes : sequence of (str, int)
        The commonest causes of failure and how often they came.
    overlays : sequence of (str, Path)
        Images to show, by key; those beyond the first dozen are left out.
    """
    model = manifest["model"]
    parts = [
        f"<h1>{escape(model['name'])}: {len(ratios)} images measured</h1>",
        f"<p>{escape(model['intended_use'])}</p>",
        _table(_facts(manifest)),
        f"<h2>Area of {escape(model['target'])} in the image</h2>",
        _histogram(ratios),
        _failures(failures, causes),
        _thumbnails(overlays),
    ]
    return _HEAD + "\n".join(part for part in parts if part) + "\n</html>\n"


def _facts(manifest: dict[str, Any]) -> list[tuple[str, str]]:
    counts, seconds = manifest["counts"], manifest["seconds"]
    stages = ", ".join(f"{name} {value:.1f}" for name, value in seconds.items() if name != "total")
    return [
        ("Folder", manifest["folder"]),
        ("Model", f"{manifest['model']['path']} (sha256 {manifest['model']['sha256'][:16]}…)"),
        ("Provider", manifest["provider"]),
        ("Rows", str(counts["rows"])),
        ("Failures", str(counts["failures"])),
        ("Images a second", f"{counts['treated'] / max(seconds['total'], 1e-9):.1f}"),
        ("Seconds by stage, over all threads", stages),
        ("Finished", manifest["finished"]),
    ]


def _histogram(ratios: Sequence[float]) -> str:
    """Draw the distribution; images without any are told beside it, since they would hide the rest."""
    present = np.array([ratio for ratio in ratios if ratio > 0])
    words = f"<p>{len(ratios) - len(present)} of {len(ratios)} images have none.</p>"
    if not len(present):
        return words
    counts, edges = np.histogram(present, bins=_BINS, range=(0, float(present.max())))
    width, height = 600 // _BINS, 160
    bars = "".join(
        f'<rect x="{index * width}" y="{height - size:.1f}" width="{width - 2}" height="{size:.1f}" '
        f'fill="#3a76a8"><title>{low:.4f} to {high:.4f}: {count}</title></rect>'
        for index, (count, low, high, size) in enumerate(
            zip(counts, edges, edges[1:], counts / counts.max() * height, strict=False)
        )
    )
    label = f"lesion_ratio from 0 to {present.max():.4f}; tallest bar {counts.max()} images"
    axis = f'<text x="0" y="{height + 18}" font-size="13">{label}</text>'
    return f'{words}<svg viewBox="0 0 600 {height + 24}" width="600" role="img">{bars}{axis}</svg>'


def _failures(failures: Sequence[dict[str, str]], causes: Sequence[tuple[str, int]]) -> str:
    if not failures:
        return ""
    common = _table([(str(count), cause) for cause, count in causes])
    first = "".join(
        f"<tr><td>{escape(row['path'])}</td><td>{escape(row['stage'])}</td><td>{escape(row['error'])}</td></tr>"
        for row in failures[:_FAILURES]
    )
    more = len(failures) - _FAILURES
    rest = f"<p>and {more} more in failures.csv</p>" if more > 0 else ""
    return f"<h2>Failures: {len(failures)}</h2>{common}<h3>The first</h3><table>{first}</table>{rest}"


def _thumbnails(overlays: Sequence[tuple[str, Path]]) -> str:
    figures = "".join(_figure(key, path) for key, path in overlays[:_THUMBNAILS] if path.exists())
    return f"<h2>Overlays</h2>{figures}" if figures else ""


def _figure(key: str, path: Path) -> str:
    image = cv2.imread(str(path), cv2.IMREAD_COLOR)
    if image is None:
        return ""
    scale = _THUMBNAIL_SIZE / max(image.shape)
    small = cv2.resize(image, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    data = base64.b64encode(cv2.imencode(".jpg", small)[1].tobytes()).decode()
    caption = f"<figcaption>{escape(key)}</figcaption>"
    return f'<figure><img alt="" src="data:image/jpeg;base64,{data}">{caption}</figure>'
