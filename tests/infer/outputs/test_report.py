"""`report.html` of a run: what was measured, what failed, and the overlays."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from cxr.infer.outputs.report import render

MANIFEST: dict[str, Any] = {
    "folder": "/images & more",
    "model": {
        "name": "bright spots",
        "path": "model.onnx",
        "sha256": "0123456789abcdef" * 4,
        "target": "lesion",
        "intended_use": "research use only",
    },
    "provider": "cpu",
    "provider_chosen_by": "stored bench",
    "hardware": {"processor": "A <CPU>", "architecture": "x86_64", "cores": 2, "gpus": ["A GPU"]},
    "threads": 3,
    "thresholds": {"lesion": 0.25, "lung": 0.5},
    "inputs": {"images": 5, "bytes": 1000, "sha256": "fedcba9876543210" * 4},
    "skipped": {},
    "earlier_outputs": 0,
    "training_overlap": None,
    "counts": {"rows": 4, "failures": 0, "processed": 4},
    "seconds": {"decode": 1.0, "model": 2.0, "total": 2.0},
    "missing": [],
    "finished": "2026-01-01T00:00:00+00:00",
    "versions": {"cxr": "0.1.0"},
}


def failures(count: int) -> list[dict[str, str]]:
    return [{"path": f"<b>{n}.png", "stage": "decode", "error": "cut off"} for n in range(count)]


def test_report_names_model_folder_and_rate() -> None:
    page = render(MANIFEST, [0.1, 0.2], [], [], [])
    for text in (
        "bright spots: 2 images measured",
        "/images &amp; more",
        "0123456789abcdef…",
        "2.0",
        "cxr 0.1.0",
    ):
        assert text in page


@pytest.mark.parametrize(
    ("ratios", "bars", "text"),
    [([], 0, "0 of 0 images have none"), ([0.0, 0.0], 0, "2 of 2"), ([0.0, 0.1, 0.2], 20, "1 of 3")],
)
def test_images_without_the_class_are_counted_apart_from_the_distribution(
    ratios: list[float], bars: int, text: str
) -> None:
    page = render(MANIFEST, ratios, [], [], [])
    assert page.count("<rect") == bars
    assert text in page


def test_first_failures_and_their_causes_are_listed() -> None:
    page = render(MANIFEST, [0.1], failures(23), [("decode: cut off", 23)], [])
    assert "Failures: 23" in page
    assert '<td>decode: cut off</td><td class="number">23</td>' in page
    assert page.count("<td>&lt;b&gt;") == 20
    assert "and 3 more in failures.csv" in page


def test_report_without_failures_has_no_section_for_them() -> None:
    assert "Failures:" not in render(MANIFEST, [0.1], [], [], [])


def test_report_shows_at_most_twelve_overlays_and_skips_missing_ones(tmp_path: Path, draw: Any) -> None:
    overlays = [(f"{n}.png", draw(tmp_path / f"{n}.png")) for n in range(14)]
    (tmp_path / "0.png").unlink()
    page = render(MANIFEST, [0.1], [], [], overlays)
    assert page.count("data:image/jpeg;base64,") == 12
    assert ">0.png<" not in page
    assert ">12.png<" in page


def test_images_that_are_gone_are_named() -> None:
    names = [f"<b>{number}.png" for number in range(21)]
    page = render(MANIFEST | {"missing": names}, [0.1], [], [], [])
    assert "Images that are gone: 21" in page
    assert "<li>&lt;b&gt;0.png</li>" in page
    assert "and 1 more in run.json" in page
    assert "--forget-missing" in page
    assert "are gone" not in render(MANIFEST, [0.1], [], [], [])


def test_report_names_hardware_threads_thresholds_and_inputs() -> None:
    page = render(MANIFEST, [0.1], [], [], [])
    for text in (
        "A &lt;CPU&gt;, 2 cores, A GPU",
        "<dt>Threads</dt><dd>3</dd>",
        "lesion 0.25, lung 0.5",
        "cpu (stored bench)",
        "5 images (sha256 of names and sizes fedcba9876543210…)",
    ):
        assert text in page


def test_report_counts_what_was_left_out() -> None:
    page = render(MANIFEST | {"skipped": {".txt": 3, ".gif": 1}, "earlier_outputs": 7}, [0.1], [], [], [])
    assert "<dt>Not images</dt><dd>3 .txt, 1 .gif</dd>" in page
    assert "<dt>Outputs of earlier runs, left out</dt><dd>7</dd>" in page
    assert "left out" not in render(MANIFEST, [0.1], [], [], [])


@pytest.mark.parametrize(("overlap", "warns"), [(None, False), (0, False), (2, True)])
def test_report_warns_of_images_that_the_model_was_trained_on(overlap: int | None, warns: bool) -> None:
    page = render(MANIFEST | {"training_overlap": overlap}, [0.1] * 4, [], [], [])
    assert ("2 of 4 images were among those that the model was trained on" in page) is warns
