from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from threading import Lock
from typing import Any

import cv2
import numpy as np
import pytest

from cxr.data.decode import isolation
from cxr.data.decode.options import DecodeOptions
from cxr.data.decode.reader import read_image
from cxr.data.image import Radiograph
from cxr.errors import ModelError, OutputError
from cxr.infer import pipeline
from cxr.infer.outputs import image_rows, masks_png
from cxr.infer.outputs.image_rows import RowWriter
from cxr.infer.outputs.masks import MaskSink, NoMasks
from cxr.infer.outputs.masks_png import PngMasks
from cxr.infer.pipeline import Pipeline
from cxr.infer.records import Failure, ImageFile, ImageRows, Settings, Stage
from cxr.infer.runtime.session import Output, Session


@pytest.fixture
def files(draw_many: Callable[[Path, int], Path], tmp_path: Path) -> list[ImageFile]:
    folder = draw_many(tmp_path / "in", 40)
    return [ImageFile(path.name, path) for path in sorted(folder.rglob("*.png"))]


def open_pipeline(
    model: Path,
    out: Path,
    *,
    threads: int = 4,
    batch_size: int = 4,
    masks: MaskSink | None = None,
    overlays: bool = False,
) -> Pipeline[ImageRows]:
    session = Session.open(model, threads=threads)
    rows = RowWriter(session.card, Settings(out, overlays=overlays), masks or NoMasks())
    return Pipeline(session, rows, batch_size, keep_pixels=overlays)


def test_rows_keep_the_order_of_the_files_whichever_is_ready_first(
    model: Path, tmp_path: Path, files: list[ImageFile], monkeypatch: pytest.MonkeyPatch
) -> None:
    read = read_image

    def slow_at_first(path: Path, options: DecodeOptions) -> Radiograph:
        time.sleep(0.05 if path == files[0].path else 0.0)
        return read(path, options)

    monkeypatch.setattr(isolation, "read_image", slow_at_first)
    rows = list(open_pipeline(model, tmp_path).run(files))
    assert [row.key for row in rows] == [file.key for file in files]


@pytest.mark.parametrize(("threads", "batch_size"), [(1, 1), (1, 8), (3, 5), (8, 64)])
def test_rows_do_not_depend_on_threads_or_batch_size(
    model: Path, tmp_path: Path, files: list[ImageFile], threads: int, batch_size: int
) -> None:
    expected = list(open_pipeline(model, tmp_path, threads=2, batch_size=4).run(files))
    assert list(open_pipeline(model, tmp_path, threads=threads, batch_size=batch_size).run(files)) == expected


def test_every_batch_has_the_same_shape(
    model: Path, tmp_path: Path, files: list[ImageFile], monkeypatch: pytest.MonkeyPatch
) -> None:
    shapes = []
    predict = Session.predict

    def record_shape(self: Session, batch: Any) -> Any:
        shapes.append(batch.shape)
        return predict(self, batch)

    monkeypatch.setattr(Session, "predict", record_shape)
    files[3].path.write_bytes(b"broken")
    assert len(list(open_pipeline(model, tmp_path, batch_size=6).run(files[:20]))) == 20
    # 19 intact images: the next one takes the place of the broken one, and the last batch is padded.
    assert shapes == [(6, 1, 64, 64)] * 4


def test_failures_keep_their_place_among_the_rows(
    model: Path, tmp_path: Path, files: list[ImageFile]
) -> None:
    files[2].path.write_bytes(b"<html>")
    files[5].path.unlink()
    earlier = Failure("locked", Stage.LIST, "cannot read this folder")
    outcomes = list(open_pipeline(model, tmp_path).run([earlier, *files[:7]]))
    failed = {place: outcome for place, outcome in enumerate(outcomes) if isinstance(outcome, Failure)}
    assert list(failed) == [0, 3, 6]
    assert failed[0] is earlier
    assert [(failed[place].key, failed[place].stage) for place in (3, 6)] == [
        (files[2].key, Stage.DECODE),
        (files[5].key, Stage.DECODE),
    ]
    assert str(tmp_path) not in failed[6].error  # the path has a column of its own


@pytest.mark.parametrize(
    ("stage", "name", "settings"),
    [
        ("decode", "read_image", {}),
        ("prepare", "prepare", {}),
        ("measure", "measure_image", {}),
        ("write", "write_mask", {"masks": PngMasks()}),
        ("write", "write_overlay", {"overlays": True}),
    ],
)
def test_error_in_any_stage_of_one_image_leaves_the_others_measured(
    model: Path,
    tmp_path: Path,
    files: list[ImageFile],
    monkeypatch: pytest.MonkeyPatch,
    stage: str,
    name: str,
    settings: dict[str, Any],
) -> None:
    once = Lock()
    modules = {"read_image": isolation, "prepare": pipeline, "write_mask": masks_png}
    module = modules.get(name, image_rows)
    original = getattr(module, name)

    def fail_once(*args: Any, **kwargs: Any) -> Any:
        if once.acquire(blocking=False):
            raise RuntimeError("out of luck")
        return original(*args, **kwargs)

    monkeypatch.setattr(module, name, fail_once)
    outcomes = list(open_pipeline(model, tmp_path / "out", **settings).run(files[:9]))
    failures = [outcome for outcome in outcomes if isinstance(outcome, Failure)]
    assert [(failure.stage, failure.error) for failure in failures] == [(stage, "RuntimeError: out of luck")]
    assert sum(isinstance(outcome, ImageRows) for outcome in outcomes) == 8


def test_output_that_is_not_a_probability_fails_at_the_model_stage(
    model: Path, tmp_path: Path, files: list[ImageFile], monkeypatch: pytest.MonkeyPatch
) -> None:
    unknown = np.full((1, 2, 64, 64), np.nan, np.float32)
    monkeypatch.setattr(Session, "predict", lambda _, batch: Output(unknown.repeat(len(batch), 0), None))
    (failure,) = open_pipeline(model, tmp_path).run(files[:1])
    assert isinstance(failure, Failure)
    assert failure.stage is Stage.MODEL


def test_model_that_cannot_run_ends_the_run(
    model: Path, tmp_path: Path, files: list[ImageFile], monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: Any) -> None:
        raise ModelError("out of memory")

    monkeypatch.setattr(Session, "predict", fail)
    with pytest.raises(ModelError, match="out of memory"):
        list(open_pipeline(model, tmp_path).run(files))


def test_disk_that_cannot_be_written_ends_the_run(
    model: Path, tmp_path: Path, files: list[ImageFile]
) -> None:
    (tmp_path / "masks").write_text("in the way")
    with pytest.raises(OutputError, match="masks"):
        list(open_pipeline(model, tmp_path, masks=PngMasks()).run(files))


def test_name_too_long_for_a_mask_fails_that_image_only(
    model: Path, tmp_path: Path, draw: Callable[..., Path], files: list[ImageFile]
) -> None:
    long = draw(tmp_path / "in" / ("x" * 250 + ".bmp"))  # its mask adds ".png"
    first, second = open_pipeline(model, tmp_path / "out", masks=PngMasks()).run(
        [ImageFile(long.name, long), files[0]]
    )
    assert isinstance(first, Failure)
    assert first.stage is Stage.WRITE
    assert isinstance(second, ImageRows)


def test_number_of_images_in_flight_is_bounded(model: Path, tmp_path: Path, files: list[ImageFile]) -> None:
    taken = 0

    def count_files() -> Iterator[ImageFile]:
        nonlocal taken
        for file in files * 20:
            taken += 1
            yield file

    opened = open_pipeline(model, tmp_path, threads=2, batch_size=2)
    outcomes = opened.run(count_files())
    for finished in range(1, 100):
        next(outcomes)
        assert taken - finished < 30
    outcomes.close()


def test_closing_early_ends_the_threads_and_restores_opencv(
    model: Path, tmp_path: Path, files: list[ImageFile]
) -> None:
    before = cv2.getNumThreads()
    outcomes = open_pipeline(model, tmp_path).run(files)
    next(outcomes)
    assert cv2.getNumThreads() == 1
    outcomes.close()
    assert cv2.getNumThreads() == before


def test_time_of_each_stage_is_measured(model: Path, tmp_path: Path, files: list[ImageFile]) -> None:
    opened = open_pipeline(model, tmp_path, masks=PngMasks())
    list(opened.run(files))
    spent = {stage for stage, seconds in opened.stages.seconds.items() if seconds > 0}
    assert spent == set(Stage) - {Stage.LIST}
