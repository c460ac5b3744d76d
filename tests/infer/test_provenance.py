"""What `run.json` and the last lines of a run record beside its results."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

import cxr
from cxr.infer.command import command
from cxr.infer.runtime.selection import BestSetting, ChosenBy, store_best_setting
from cxr.models.fingerprint import Fingerprint, hash_pixels

Draw = Callable[..., Path]


@pytest.fixture
def images(tmp_path: Path, draw: Draw) -> Path:
    for number in range(3):
        draw(tmp_path / "images" / f"{number}.png", [(number, 8, 4, 5, 250)])
    return tmp_path / "images"


def record(out: Path) -> dict[str, Any]:
    value: dict[str, Any] = json.loads((out / "run.json").read_text())
    return value


def last_lines(images: Path, model: Path, out: Path) -> list[str]:
    arguments = [str(images), "--model", str(model), "--out", str(out), "--provider", "cpu"]
    done = CliRunner().invoke(command, arguments)
    assert done.exit_code == 0, done.output
    return done.output.splitlines()


def test_machine_and_settings_in_force_are_recorded(images: Path, model: Path) -> None:
    cxr.infer_folder(images, model=model, out=images / "out", provider="cpu", threads=2)
    run = record(images / "out")
    assert run["hardware"]["cores"] >= 1
    assert run["hardware"]["gpus"] == []
    assert (run["threads"], run["thresholds"]) == (2, {"lesion": 0.5, "lung": 0.5})
    assert run["provider_chosen_by"] == "request"
    assert {"opencv-python-headless", "isal", "simplejpeg", "pydicom", "imagecodecs"} <= run[
        "versions"
    ].keys()


def test_threshold_of_the_run_takes_the_place_of_the_cards(images: Path, model: Path) -> None:
    cxr.infer_folder(images, model=model, out=images / "out", threshold=0.25)
    assert record(images / "out")["thresholds"] == {"lesion": 0.25, "lung": 0.25}


def test_hash_of_the_inputs_changes_with_a_name_and_with_a_size(images: Path, model: Path) -> None:
    hashes = []
    for name, change in (
        ("a", lambda: None),
        ("b", lambda: None),
        ("c", lambda: (images / "0.png").rename(images / "9.png")),
        ("d", lambda: (images / "9.png").write_bytes((images / "9.png").read_bytes() + b"\n")),
    ):
        change()
        cxr.infer_folder(images, model=model, out=images.parent / name)
        hashes.append(record(images.parent / name)["inputs"]["sha256"])
    assert hashes[0] == hashes[1]
    assert len(set(hashes)) == 3


def test_what_was_left_out_is_recorded_and_in_the_last_lines(images: Path, model: Path) -> None:
    (images / "notes.txt").touch()
    (images / "more.TXT").touch()
    cxr.infer_folder(images, model=model, out=images / "run1", masks="png")
    lines = last_lines(images, model, images / "run2")
    assert "left out, not images: 2 (2 .txt)" in lines
    assert "left out, outputs of earlier runs: 11" in lines
    run = record(images / "run2")
    assert (run["skipped"], run["earlier_outputs"]) == ({".txt": 2}, 11)


def test_complete_run_reports_what_is_left_out_again(images: Path, model: Path) -> None:
    (images / "notes.txt").touch()
    first, second = (last_lines(images, model, images / "out") for _ in range(2))
    assert "left out, not images: 1 (1 .txt)" in first
    assert "left out, not images: 1 (1 .txt)" in second


def test_images_that_the_model_was_trained_on_are_counted(
    images: Path, make_model: Callable[..., Path], card_of: Callable[..., Any]
) -> None:
    hashes = [hash_pixels(cxr.read_image(images / name).pixels) for name in ("0.png", "2.png")]
    trained = make_model(card=card_of(fingerprint=Fingerprint.of(hashes)))
    for _ in range(2):  # a run that is complete counts them too
        lines = last_lines(images, trained, images / "out")
        assert any(
            line.startswith("2 of 3 images were among those that the model was trained on") for line in lines
        )
    assert record(images / "out")["training_overlap"] == 2
    assert "2 of 3 images were among those" in (images / "out" / "report.html").read_text()


def test_overlap_of_a_model_without_a_fingerprint_is_unknown(images: Path, model: Path) -> None:
    lines = last_lines(images, model, images / "out")
    assert record(images / "out")["training_overlap"] is None
    assert not any("trained on" in line for line in lines)


def test_run_records_that_a_stored_bench_chose_the_provider_and_keeps_it_when_resumed(
    images: Path, make_model: Callable[..., Path]
) -> None:
    model = make_model(("lung",))
    cxr.infer_folder(images, model=model, out=images / "default")
    assert record(images / "default")["provider_chosen_by"] == "default of auto"
    store_best_setting(record(images / "default")["model"]["sha256"], BestSetting("cpu", 2, 10.0))
    cxr.infer_folder(images, model=model, out=images / "stored")
    assert record(images / "stored")["provider_chosen_by"] == "stored bench"
    (images / "new.png").write_bytes((images / "0.png").read_bytes())
    cxr.infer_folder(images, model=model, out=images / "default")
    assert record(images / "default")["counts"]["rows"] == 4
    assert record(images / "default")["provider_chosen_by"] == "default of auto"


@pytest.mark.parametrize(
    ("requested", "used", "best", "expected"),
    [
        ("cpu", "cpu", None, ChosenBy.REQUEST),
        ("cuda", "cpu", None, ChosenBy.FALLBACK),
        ("auto", "openvino", "openvino", ChosenBy.STORED_BENCH),
        ("auto", "cpu", "openvino", ChosenBy.DEFAULT),
        ("auto", "cpu", None, ChosenBy.DEFAULT),
    ],
)
def test_choice_of_the_provider_is_named(
    requested: str, used: str, best: str | None, expected: ChosenBy
) -> None:
    assert ChosenBy.of(requested, used, best) is expected
