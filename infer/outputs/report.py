"""`report.html` of a run: one self-contained page that can be mailed."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from ...report.page import data_uri, render_page

_TEMPLATE = Path(__file__).with_name("report.html.j2")
_BINS = 20
_THUMBNAILS, _THUMBNAIL_SIZE = 12, 256
_FAILURES_SHOWN = 20
_IMPLAUSIBLE_SHOWN = 50


def render(
    manifest: dict[str, Any],
    ratios: Sequence[float],
    failures: Sequence[dict[str, str]],
    causes: Sequence[tuple[str, int]],
    overlays: Sequence[tuple[str, Path]],
    implausible: Sequence[tuple[str, str, str]] = (),
    warnings: Sequence[str] = (),
) -> str:
    """Render the page as HTML.

    Parameters
    ----------
    manifest : dict
        The content of `run.json`.
    ratios : sequence of float
        The images' ratio of the model's target class.
    failures : sequence of dict
        The rows of `failures.csv`.
    causes : sequence of (str, int)
        The most common causes of failure and their counts.
    overlays : sequence of (str, Path)
        The images' keys and overlays; the first twelve are shown.
    implausible : sequence of (str, str, str)
        Key, `plausible` and `plausible_why` of the images that are doubtful or cannot be chest radiographs.
    warnings : sequence of str
        What the reader must know about the model.
    """
    model = manifest["model"]
    present = np.array([ratio for ratio in ratios if ratio > 0])
    bars, bars_label = _histogram(present, f"{model['target']}_ratio") if len(present) else ([], "")
    return render_page(
        _TEMPLATE,
        model=model["name"],
        intended_use=model["intended_use"],
        target=model["target"],
        images=len(ratios),
        facts=_facts(manifest),
        in_training=manifest["training_overlap"],
        implausible=implausible[:_IMPLAUSIBLE_SHOWN],
        implausible_count=len(implausible),
        warnings=list(warnings),
        without=len(ratios) - len(present),
        bars=bars,
        bars_label=bars_label,
        causes=causes,
        failures=[(row["path"], row["stage"], row["error"]) for row in failures[:_FAILURES_SHOWN]],
        failure_count=len(failures),
        missing=manifest["missing"][:_FAILURES_SHOWN],
        missing_count=len(manifest["missing"]),
        overlays=list(islice(_thumbnails(overlays), _THUMBNAILS)),
        versions=", ".join(f"{name} {number}" for name, number in manifest["versions"].items()),
    )


def _facts(manifest: dict[str, Any]) -> list[tuple[str, str]]:
    counts, seconds, inputs = manifest["counts"], manifest["seconds"], manifest["inputs"]
    stages = ", ".join(f"{name} {value:.1f}" for name, value in seconds.items() if name != "total")
    return [
        ("Folder", manifest["folder"]),
        ("Model", f"{manifest['model']['path']} (sha256 {manifest['model']['sha256'][:16]}…)"),
        ("Thresholds", ", ".join(f"{name} {value:g}" for name, value in manifest["thresholds"].items())),
        ("Provider", f"{manifest['provider']} ({manifest['provider_chosen_by']})"),
        ("Hardware", _hardware(manifest["hardware"])),
        ("Threads", str(manifest["threads"])),
        ("Inputs", f"{inputs['images']} images (sha256 of names and sizes {inputs['sha256'][:16]}…)"),
        *_left_out(manifest),
        ("Rows", str(counts["rows"])),
        ("Failures", str(counts["failures"])),
        ("Images per second", f"{counts['processed'] / max(seconds['total'], 1e-9):.1f}"),
        ("Seconds per stage, summed over threads", stages),
        ("Finished", manifest["finished"]),
    ]


def _hardware(hardware: dict[str, Any]) -> str:
    names = [
        hardware["processor"] or hardware["architecture"],
        f"{hardware['cores']} cores",
        *hardware["gpus"],
    ]
    return ", ".join(names)


def _left_out(manifest: dict[str, Any]) -> Iterator[tuple[str, str]]:
    if skipped := manifest["skipped"]:
        yield "Not images", ", ".join(f"{count} {suffix}" for suffix, count in skipped.items())
    if manifest["earlier_outputs"]:
        yield "Outputs of earlier runs, left out", str(manifest["earlier_outputs"])


def _histogram(
    present: np.ndarray[Any, np.dtype[np.float64]], column: str
) -> tuple[list[tuple[float, str]], str]:
    """Return the bars of the ratios above 0, each with its relative height and a text, and their label."""
    counts, edges = np.histogram(present, bins=_BINS, range=(0, float(present.max())))
    bars = [
        (float(count / counts.max()), f"{low:.4f} to {high:.4f}: {count}")
        for count, low, high in zip(counts, edges, edges[1:], strict=False)
    ]
    return bars, f"{column} from 0 to {present.max():.4f}; tallest bar {counts.max()} images"


def _thumbnails(overlays: Sequence[tuple[str, Path]]) -> Iterator[tuple[str, str]]:
    """Yield the key and the reduced image of each overlay that can be read."""
    for key, path in overlays:
        try:
            image = cv2.imdecode(np.frombuffer(path.read_bytes(), np.uint8), cv2.IMREAD_COLOR)
        except (OSError, cv2.error):
            continue
        if image is None:
            continue
        scale = _THUMBNAIL_SIZE / max(image.shape)
        small = cv2.resize(image, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
        yield key, data_uri(cv2.imencode(".jpg", small)[1].tobytes(), "image/jpeg")
