"""A run in an output folder that holds an earlier run."""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from cxr.errors import OutputError
from cxr.infer.outputs import ownership
from cxr.infer.outputs.journal import JOURNAL, Journal
from cxr.infer.run import infer_folder

Draw = Callable[..., Path]
Fill = Callable[[Path, int], Path]
ReadTable = Callable[[Path], list[dict[str, str]]]
Contents = Callable[[Path], dict[str, bytes]]
Rectangles = list[tuple[int, int, int, int, int]]


@pytest.fixture
def finished(model: Path, tmp_path: Path, draw_many: Fill) -> Path:
    """Return the output folder of a finished run over six images."""
    infer_folder(draw_many(tmp_path / "in", 6), model=model, out=tmp_path / "out", masks="png")
    return tmp_path / "out"


def test_complete_run_is_left_unchanged(
    model: Path, tmp_path: Path, finished: Path, caplog: pytest.LogCaptureFixture
) -> None:
    before = {path: path.stat().st_mtime_ns for path in finished.rglob("*") if path.is_file()}
    with caplog.at_level(logging.INFO):
        summary = infer_folder(tmp_path / "in", model=model, out=finished, masks="png", batch_size=3)
    assert (summary.rows, summary.processed) == (6, 0)
    assert "nothing to do" in caplog.text
    assert {path: path.stat().st_mtime_ns for path in finished.rglob("*") if path.is_file()} == before


def test_images_added_later_are_appended(model: Path, tmp_path: Path, finished: Path, draw: Draw) -> None:
    before = (finished / "features.csv").read_bytes()
    draw(tmp_path / "in" / "00" / "later.png")
    summary = infer_folder(tmp_path / "in", model=model, out=finished, masks="png")
    assert (summary.rows, summary.processed) == (7, 1)
    assert (finished / "features.csv").read_bytes().startswith(before)


@pytest.mark.parametrize(
    ("change", "name"),
    [
        ({"threshold": 0.3}, "threshold"),
        ({"min_area": 9}, "min_area"),
        ({"masks": None}, "masks"),
        ({"overlays": True}, "overlays"),
    ],
)
def test_run_with_other_settings_is_rejected(
    model: Path, tmp_path: Path, finished: Path, contents: Contents, change: dict[str, Any], name: str
) -> None:
    before = contents(finished)
    arguments: dict[str, Any] = {"model": model, "out": finished, "masks": "png"}
    with pytest.raises(OutputError, match=f"another {name}; choose another --out, or give --overwrite"):
        infer_folder(tmp_path / "in", **(arguments | change))
    assert contents(finished) == before


def test_run_with_another_model_or_folder_is_rejected(
    model: Path, tmp_path: Path, finished: Path, make_model: Callable[..., Path], draw_many: Fill
) -> None:
    with pytest.raises(OutputError, match="another model, card"):
        infer_folder(tmp_path / "in", model=make_model(("lesion",)), out=finished, masks="png")
    with pytest.raises(OutputError, match="another folder"):
        infer_folder(draw_many(tmp_path / "other", 2), model=model, out=finished, masks="png")


def test_overwrite_replaces_the_results_of_the_earlier_run(
    model: Path,
    tmp_path: Path,
    finished: Path,
    draw: Draw,
    make_model: Callable[..., Path],
    read_table: ReadTable,
) -> None:
    unrelated = finished / "masks" / "lesion" / "unrelated.png"
    unrelated.write_bytes(b"mine")
    draw(tmp_path / "other" / "x.png", [(8, 8, 4, 5, 250)])
    infer_folder(tmp_path / "other", model=make_model(("lesion",)), out=finished, masks="png", overwrite=True)
    assert [row["image"] for row in read_table(finished / "features.csv")] == ["x.png"]
    assert set(finished.rglob("*.png")) == {unrelated, finished / "masks" / "lesion" / "x.png"}


def test_overwrite_leaves_nothing_of_the_earlier_run(
    model: Path, tmp_path: Path, draw: Draw, rectangles: Rectangles
) -> None:
    draw(tmp_path / "in" / "a.png", rectangles)
    out = tmp_path / "out"
    infer_folder(tmp_path / "in", model=model, out=out, masks="rle", parquet=True, overlays=True)
    infer_folder(tmp_path / "in", model=model, out=out, overwrite=True)
    left = {path.name for path in out.rglob("*") if path.is_file() and not path.name.startswith(".")}
    assert left == {"features.csv", "components.csv", "failures.csv", "run.json", "report.html"}


@pytest.mark.parametrize("damage", ["incomplete row", "no table", "no journal"])
def test_damaged_output_folder_can_be_overwritten(
    model: Path, tmp_path: Path, draw: Draw, rectangles: Rectangles, damage: str
) -> None:
    draw(tmp_path / "in" / "a.png", rectangles)
    draw(tmp_path / "in" / "b.png", rectangles)
    out = tmp_path / "out"
    infer_folder(tmp_path / "in", model=model, out=out)
    expected = (out / "features.csv").read_bytes()
    if damage == "incomplete row":
        (out / "features.csv").write_bytes(expected[:-60])
    elif damage == "no table":
        (out / "features.csv").unlink()
    else:
        (out / JOURNAL).unlink()
    infer_folder(tmp_path / "in", model=model, out=out, overwrite=True)
    assert (out / "features.csv").read_bytes() == expected


@pytest.mark.parametrize("step", ["clear", "begin", "remove_file"])
def test_interrupted_overwrite_never_mixes_two_runs(
    model: Path,
    tmp_path: Path,
    finished: Path,
    draw_many: Fill,
    read_table: ReadTable,
    monkeypatch: pytest.MonkeyPatch,
    step: str,
) -> None:
    """Stop at one step of the replacement; the next run must not take over rows of the first."""

    def interrupt(*_: Any, **__: Any) -> None:
        raise KeyboardInterrupt

    other = draw_many(tmp_path / "other", 3)
    arguments: dict[str, Any] = {"model": model, "out": finished, "masks": "png"}
    with monkeypatch.context() as patch:
        patch.setattr(ownership if step == "remove_file" else Journal, step, interrupt)
        with pytest.raises(KeyboardInterrupt):
            infer_folder(other, overwrite=True, **arguments)
    infer_folder(other, overwrite=step != "begin", **arguments)
    assert [row["image"] for row in read_table(finished / "features.csv")] == [
        f"00/{number:08d}_000.png" for number in range(3)
    ]
