from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from threading import Lock
from typing import Any

import cv2
import numpy as np
import pytest

from cxr.data.decode import isolation, read_image
from cxr.data.decode.options import DecodeOptions
from cxr.data.image import Radiograph
from cxr.errors import ModelError, OutputError
from cxr.infer import pipeline
from cxr.infer.items import Failure, Item, Row, Stage
from cxr.infer.pipeline import Pipeline
from cxr.infer.runtime.session import Session
from cxr.infer.settings import MaskFormat, Settings


@pytest.fixture
def items(draw_many: Callable[[Path, int], Path], tmp_path: Path) -> list[Item]:
    folder = draw_many(tmp_path / "in", 40)
    return [Item(path.name, path) for path in sorted(folder.rglob("*.png"))]


def make(model: Path, out: Path, *, threads: int = 4, batch_size: int = 4, **settings: Any) -> Pipeline:
    return Pipeline(Session.open(model, threads=threads), Settings(out, **settings), batch_size)


def test_rows_come_in_the_order_of_the_items_whatever_is_ready_first(
    model: Path, tmp_path: Path, items: list[Item], monkeypatch: pytest.MonkeyPatch
) -> None:
    read = read_image

    def slow_at_first(path: Path, reading: DecodeOptions) -> Radiograph:
        time.sleep(0.05 if path == items[0].path else 0.0)
        return read(path, reading)

    monkeypatch.setattr(isolation, "read_image", slow_at_first)
    rows = list(make(model, tmp_path).run(items))
    assert [row.key for row in rows] == [item.key for item in items]


@pytest.mark.parametrize(("threads", "batch_size"), [(1, 1), (1, 8), (3, 5), (8, 64)])
def test_rows_do_not_depend_on_threads_or_batch_size(
    model: Path, tmp_path: Path, items: list[Item], threads: int, batch_size: int
) -> None:
    expected = list(make(model, tmp_path, threads=2, batch_size=4).run(items))
    assert list(make(model, tmp_path, threads=threads, batch_size=batch_size).run(items)) == expected


def test_every_batch_has_the_same_shape(
    model: Path, tmp_path: Path, items: list[Item], monkeypatch: pytest.MonkeyPatch
) -> None:
    shapes = []
    run = Session.run

    def watch(self: Session, batch: Any) -> Any:
        shapes.append(batch.shape)
        return run(self, batch)

    monkeypatch.setattr(Session, "run", watch)
    items[3].path.write_bytes(b"broken")
    assert len(list(make(model, tmp_path, batch_size=6).run(items[:20]))) == 20
    # 19 good images: the broken one's place is taken by the next, and the last batch is padded.
    assert shapes == [(6, 1, 64, 64)] * 4


def test_a_image_that_fails_is_a_failure_in_its_place(model: Path, tmp_path: Path, items: list[Item]) -> None:
    items[2].path.write_bytes(b"<html>")
    items[5].path.unlink()
    earlier = Failure("locked", Stage.LIST, "cannot read this folder")
    outcomes = list(make(model, tmp_path).run([earlier, *items[:7]]))
    failed = {place: outcome for place, outcome in enumerate(outcomes) if isinstance(outcome, Failure)}
    assert list(failed) == [0, 3, 6]
    assert failed[0] is earlier
    assert [(failed[place].key, failed[place].stage) for place in (3, 6)] == [
        (items[2].key, Stage.DECODE),
        (items[5].key, Stage.DECODE),
    ]
    assert str(tmp_path) not in failed[6].error  # the path has a column of its own


@pytest.mark.parametrize(
    ("stage", "name", "settings"),
    [
        ("decode", "read_image", {}),
        ("prepare", "prepare", {}),
        ("measure", "measure_image", {}),
        ("write", "write_mask", {"masks": MaskFormat.PNG}),
        ("write", "write_overlay", {"overlays": True}),
    ],
)
def test_whatever_one_image_does_at_any_stage_the_others_are_measured(
    model: Path,
    tmp_path: Path,
    items: list[Item],
    monkeypatch: pytest.MonkeyPatch,
    stage: str,
    name: str,
    settings: dict[str, Any],
) -> None:
    once = Lock()
    room = isolation if stage == "decode" else pipeline
    whole = getattr(room, name)

    def fail_once(*args: Any, **kwargs: Any) -> Any:
        if once.acquire(blocking=False):
            raise RuntimeError("out of luck")
        return whole(*args, **kwargs)

    monkeypatch.setattr(room, name, fail_once)
    outcomes = list(make(model, tmp_path / "out", **settings).run(items[:9]))
    failures = [outcome for outcome in outcomes if isinstance(outcome, Failure)]
    assert [(failure.stage, failure.error) for failure in failures] == [(stage, "RuntimeError: out of luck")]
    assert sum(isinstance(outcome, Row) for outcome in outcomes) == 8


def test_an_output_that_is_no_probability_blames_the_model(
    model: Path, tmp_path: Path, items: list[Item], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Session, "run", lambda _, batch: np.full((len(batch), 2, 64, 64), np.nan, np.float32))
    (failure,) = make(model, tmp_path).run(items[:1])
    assert isinstance(failure, Failure)
    assert failure.stage is Stage.MODEL


def test_a_model_that_cannot_run_ends_the_run(
    model: Path, tmp_path: Path, items: list[Item], monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: Any) -> None:
        raise ModelError("out of memory")

    monkeypatch.setattr(Session, "run", fail)
    with pytest.raises(ModelError, match="out of memory"):
        list(make(model, tmp_path).run(items))


def test_a_disk_that_cannot_be_written_ends_the_run(model: Path, tmp_path: Path, items: list[Item]) -> None:
    (tmp_path / "masks").write_text("in the way")
    with pytest.raises(OutputError, match="masks"):
        list(make(model, tmp_path, masks=MaskFormat.PNG).run(items))


def test_a_name_too_long_for_a_mask_fails_that_image_alone(
    model: Path, tmp_path: Path, draw: Callable[..., Path], items: list[Item]
) -> None:
    long = draw(tmp_path / "in" / ("x" * 250 + ".png"))
    first, second = make(model, tmp_path / "out", masks=MaskFormat.PNG).run([Item(long.name, long), items[0]])
    assert isinstance(first, Failure)
    assert first.stage is Stage.WRITE
    assert isinstance(second, Row)


def test_only_a_bounded_number_of_images_is_under_way(model: Path, tmp_path: Path, items: list[Item]) -> None:
    taken = 0

    def watch() -> Iterator[Item]:
        nonlocal taken
        for item in items * 20:
            taken += 1
            yield item

    work = make(model, tmp_path, threads=2, batch_size=2)
    outcomes = work.run(watch())
    for given in range(1, 100):
        next(outcomes)
        assert taken - given < 30
    outcomes.close()


def test_leaving_early_ends_the_threads_and_puts_opencv_back(
    model: Path, tmp_path: Path, items: list[Item]
) -> None:
    before = cv2.getNumThreads()
    outcomes = make(model, tmp_path).run(items)
    next(outcomes)
    assert cv2.getNumThreads() == 1
    outcomes.close()
    assert cv2.getNumThreads() == before


def test_the_time_of_each_stage_is_kept(model: Path, tmp_path: Path, items: list[Item]) -> None:
    work = make(model, tmp_path, masks=MaskFormat.PNG)
    list(work.run(items))
    spent = {stage for stage, seconds in work.clock.seconds.items() if seconds > 0}
    assert spent == set(Stage) - {Stage.LIST}
