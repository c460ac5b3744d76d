"""Images that fail, and errors that are no image's fault."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from cxr.data.decode import isolation
from cxr.data.decode.options import DecodeOptions
from cxr.data.image import Radiograph
from cxr.errors import InputError, MachineError
from cxr.infer.run import infer_folder

Draw = Callable[..., Path]
Fill = Callable[[Path, int], Path]
ReadTable = Callable[[Path], list[dict[str, str]]]


def test_broken_images_are_recorded_with_stage_and_cause(
    model: Path, tmp_path: Path, draw_many: Fill, read_table: ReadTable
) -> None:
    folder, out = draw_many(tmp_path / "in", 20), tmp_path / "out"
    (folder / "00" / "00000003_000.png").write_bytes(b"")
    (folder / "page.dcm").write_text("<html>")
    summary = infer_folder(folder, model=model, out=out)
    failures = read_table(out / "failures.csv")
    assert [(row["path"], row["stage"]) for row in failures] == [
        ("00/00000003_000.png", "decode"),
        ("page.dcm", "decode"),
    ]
    assert all(row["error"] for row in failures)
    assert (summary.rows, summary.failed) == (19, 2)
    assert sum(count for _, count in summary.causes) == 2


def test_image_too_small_for_a_radiograph_is_a_failure(
    model: Path, tmp_path: Path, draw: Draw, read_table: ReadTable
) -> None:
    draw(tmp_path / "in" / "icon.png", size=(20, 40))
    draw(tmp_path / "in" / "image.png")
    summary = infer_folder(tmp_path / "in", model=model, out=tmp_path / "out")
    assert (summary.rows, summary.failed) == (1, 1)
    (failure,) = read_table(tmp_path / "out" / "failures.csv")
    assert (failure["path"], failure["stage"]) == ("icon.png", "prepare")
    assert failure["error"].startswith("40 x 20 pixels, fewer than 32 on a side")


def test_causes_that_differ_only_in_numbers_are_counted_together(
    model: Path, tmp_path: Path, draw_many: Fill, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls = []

    def fail(*_: Any, **__: Any) -> None:
        calls.append(1)
        raise ValueError(f"cut at byte {len(calls)}")

    monkeypatch.setattr(isolation, "read_image", fail)
    summary = infer_folder(draw_many(tmp_path / "in", 5), model=model, out=tmp_path / "out", threads=1)
    assert summary.causes == (("decode: ValueError: cut at byte 1", 5),)


def test_strict_run_stops_at_the_first_failure_and_resumes_after_the_repair(
    model: Path, tmp_path: Path, draw: Draw, read_table: ReadTable
) -> None:
    draw(tmp_path / "in" / "a.png")
    (tmp_path / "in" / "b.png").write_bytes(b"")
    draw(tmp_path / "in" / "c.png")
    out = tmp_path / "out"
    with pytest.raises(InputError, match=r"b\.png: decode: the file is empty"):
        infer_folder(tmp_path / "in", model=model, out=out, strict=True)
    assert [row["image"] for row in read_table(out / "features.csv")] == ["a.png"]
    assert read_table(out / "failures.csv") == []
    draw(tmp_path / "in" / "b.png")
    assert infer_folder(tmp_path / "in", model=model, out=out, strict=True).processed == 2
    assert [row["image"] for row in read_table(out / "features.csv")] == ["a.png", "b.png", "c.png"]


def test_images_above_the_pixel_limit_fail(
    model: Path, tmp_path: Path, draw: Draw, read_table: ReadTable
) -> None:
    draw(tmp_path / "in" / "small.png", size=(40, 40))
    draw(tmp_path / "in" / "large.png", size=(41, 41))
    infer_folder(tmp_path / "in", model=model, out=tmp_path / "out", max_pixels=1600)
    (failure,) = read_table(tmp_path / "out" / "failures.csv")
    assert failure["path"] == "large.png"
    assert "41 x 41 pixels, more than the limit of 1,600" in failure["error"]


def test_out_of_memory_ends_the_run_and_is_not_recorded_as_a_failure(
    model: Path, tmp_path: Path, draw_many: Fill, read_table: ReadTable, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, out = draw_many(tmp_path / "in", 6), tmp_path / "out"
    original = isolation.read_image

    def run_out_of_memory(path: Path, options: DecodeOptions) -> Radiograph:
        if path.name.startswith("00000003"):
            raise MemoryError
        return original(path, options)

    with monkeypatch.context() as patch:
        patch.setattr(isolation, "read_image", run_out_of_memory)
        with pytest.raises(MachineError, match=r"00000003_000\.png: out of memory; finished images are kept"):
            infer_folder(folder, model=model, out=out)
    assert read_table(out / "failures.csv") == []
    infer_folder(folder, model=model, out=out)
    assert len(read_table(out / "features.csv")) == 6
