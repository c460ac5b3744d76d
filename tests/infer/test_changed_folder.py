"""A later call over a folder that has changed: afterwards the results are those of a new run over it."""

from __future__ import annotations

import json
import os
import shutil
import tempfile
import unicodedata
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from click.testing import CliRunner
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cxr.errors import InputError
from cxr.infer.command import command
from cxr.infer.outputs.summary import RunSummary
from cxr.infer.run import infer_folder

Fill = Callable[[Path, int], Path]
ReadTable = Callable[[Path], list[dict[str, str]]]
Contents = Callable[[Path], dict[str, bytes]]
Run = Callable[..., RunSummary]
CheckFresh = Callable[..., None]

KEYS = [f"00/{number:08d}_000.png" for number in range(6)]


def draw_other(path: Path, seed: int = 0) -> None:
    """Write a radiograph of another size and content."""
    pixels = np.random.default_rng(seed).integers(0, 60, (50, 70), np.uint8)
    cv2.circle(pixels, (30, 20 + seed % 7), 12, 220, -1)
    path.parent.mkdir(parents=True, exist_ok=True)
    assert cv2.imwrite(str(path), pixels)


def replace_unnoticed(path: Path, data: bytes) -> None:
    """Replace a file by one of the same size and time of modification."""
    before = path.stat()
    path.write_bytes(data[: before.st_size].ljust(before.st_size, b"\0"))
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))


@pytest.fixture
def folder(tmp_path: Path, draw_many: Fill) -> Path:
    """Six images, of which the second is broken."""
    images = draw_many(tmp_path / "in", 6)
    (images / KEYS[1]).write_bytes(b"broken")
    return images


@pytest.fixture
def out(tmp_path: Path) -> Path:
    return tmp_path / "out"


@pytest.fixture
def run(model: Path, folder: Path, out: Path) -> Run:
    """Return a function that runs over the folder, with masks and overlays."""

    def call(out: Path = out, **options: Any) -> RunSummary:
        return infer_folder(folder, model=model, out=out, **({"masks": "png", "overlays": True} | options))

    return call


@pytest.fixture
def assert_fresh(run: Run, out: Path, tmp_path: Path, contents: Contents) -> CheckFresh:
    """Return a function that compares the results with those of a new run."""

    def check(**options: Any) -> None:
        run(tmp_path / "fresh", **options)
        assert contents(out) == contents(tmp_path / "fresh")

    return check


def test_replaced_image_is_measured_again(
    run: Run, folder: Path, out: Path, assert_fresh: CheckFresh, read_table: ReadTable
) -> None:
    run()
    draw_other(folder / KEYS[0])
    summary = run()
    assert (summary.processed, summary.replaced) == (1, (KEYS[0],))
    assert read_table(out / "features.csv")[0]["width"] == "70"
    assert_fresh()


def test_image_that_was_replaced_by_a_broken_one_loses_its_rows_masks_and_overlay(
    run: Run, folder: Path, out: Path, assert_fresh: CheckFresh
) -> None:
    run()
    (folder / KEYS[0]).write_bytes(b"now broken")
    assert run().failed == 2
    assert not list(out.rglob("00000000_000.png"))
    assert_fresh()


def test_repaired_image_is_measured_without_being_asked_for(
    run: Run, folder: Path, assert_fresh: CheckFresh
) -> None:
    run()
    draw_other(folder / KEYS[1])
    assert (run().processed, run().failed) == (1, 0)
    assert_fresh()


def test_replaced_image_replaces_its_run_lengths(
    run: Run, folder: Path, out: Path, tmp_path: Path, draw_many: Fill
) -> None:
    run(masks="rle", overlays=False)
    draw_other(folder / KEYS[3])
    run(masks="rle", overlays=False)
    run(tmp_path / "fresh", masks="rle", overlays=False)
    assert (out / "masks.csv").read_bytes() == (tmp_path / "fresh" / "masks.csv").read_bytes()


@pytest.mark.parametrize("name", ["00/000.png", "00/00000002_5.png", "zz.png"])
def test_added_image_takes_its_place_in_the_order_of_names(
    run: Run, folder: Path, assert_fresh: CheckFresh, name: str
) -> None:
    run()
    draw_other(folder / name)
    assert run().processed == 1
    assert_fresh()


def test_image_that_is_gone_is_named_and_its_row_is_unchanged(
    run: Run, folder: Path, out: Path, contents: Contents
) -> None:
    run()
    before = contents(out)
    (folder / KEYS[2]).unlink()
    summary = run()
    assert (summary.processed, summary.missing) == (0, (KEYS[2],))
    assert contents(out) == before
    assert json.loads((out / "run.json").read_text())["missing"] == [KEYS[2]]
    assert f"<li>{KEYS[2]}</li>" in (out / "report.html").read_text()


def test_last_lines_name_what_is_gone_and_what_was_replaced(
    run: Run, folder: Path, out: Path, model: Path
) -> None:
    run()
    (folder / KEYS[2]).unlink()
    draw_other(folder / KEYS[4])
    arguments = [folder, "--model", model, "--out", out, "--masks", "--overlays"]
    lines = CliRunner().invoke(command, [str(argument) for argument in arguments]).stdout.splitlines()
    assert f"1 measured again, since their files changed: {KEYS[4]}" in lines
    assert f"1 no longer there, their rows are unchanged; --forget-missing removes them: {KEYS[2]}" in lines


def test_image_that_comes_back_is_no_longer_missing(run: Run, folder: Path, out: Path) -> None:
    run()
    aside = (folder / KEYS[2]).rename(folder.parent / "aside.png")
    run()
    aside.rename(folder / KEYS[2])
    summary = run()
    assert (summary.processed, summary.missing) == (0, ())
    assert json.loads((out / "run.json").read_text())["missing"] == []
    assert "are gone" not in (out / "report.html").read_text()


def test_forget_missing_removes_rows_masks_and_overlays(
    run: Run, folder: Path, assert_fresh: CheckFresh
) -> None:
    run()
    (folder / KEYS[1]).unlink()
    (folder / KEYS[2]).unlink()
    summary = run(forget_missing=True)
    assert (summary.processed, summary.forgotten, summary.missing) == (0, (KEYS[1], KEYS[2]), ())
    assert_fresh()


def test_forgotten_image_that_comes_back_is_measured(
    run: Run, folder: Path, assert_fresh: CheckFresh
) -> None:
    run()
    aside = (folder / KEYS[2]).rename(folder.parent / "aside.png")
    run(forget_missing=True)
    aside.rename(folder / KEYS[2])
    assert run().processed == 1
    assert_fresh()


def test_retry_failed_processes_only_the_failures(run: Run, folder: Path, assert_fresh: CheckFresh) -> None:
    run()
    assert run(retry_failed=True).processed == 1
    assert_fresh()


def test_retry_failed_finds_a_repair_that_neither_size_nor_time_shows(
    run: Run, folder: Path, assert_fresh: CheckFresh
) -> None:
    intact = (folder / KEYS[0]).read_bytes()
    (folder / KEYS[1]).write_bytes(bytes(len(intact)))
    run()
    replace_unnoticed(folder / KEYS[1], intact)
    assert run().failed == 1
    assert run(retry_failed=True).failed == 0
    assert_fresh()


def test_verify_finds_an_image_that_neither_size_nor_time_shows_to_be_another(
    run: Run, folder: Path, assert_fresh: CheckFresh, draw_many: Fill
) -> None:
    run(verify=True)
    assert run(verify=True).processed == 0
    replace_unnoticed(folder / KEYS[0], (folder / KEYS[5]).read_bytes())
    assert run().processed == 0
    assert run(verify=True).replaced == (KEYS[0],)
    assert_fresh()


def test_verify_measures_images_again_whose_content_was_not_recorded(run: Run) -> None:
    run()
    summary = run(verify=True)
    assert (summary.processed, summary.replaced) == (6, ())
    assert run(verify=True).processed == 0


def test_image_of_recorded_content_is_not_measured_again_for_its_time_alone(run: Run, folder: Path) -> None:
    run(verify=True)
    for key in KEYS:
        os.utime(folder / key, (1, 1))
    assert run().processed == 0
    draw_other(folder / KEYS[0])
    assert run().processed == 1


def test_time_alone_is_enough_where_the_content_was_not_recorded(run: Run, folder: Path) -> None:
    run()
    os.utime(folder / KEYS[0], (1, 1))
    assert run().processed == 1


def test_parquet_tables_follow_the_tables_also_if_only_the_first_call_asked_for_them(
    run: Run, folder: Path, out: Path, tmp_path: Path
) -> None:
    run(parquet=True)
    draw_other(folder / "00" / "000.png")
    assert "features.parquet" in run().files
    run(tmp_path / "fresh", parquet=True)
    for name in ("features.parquet", "components.parquet", "failures.parquet"):
        assert (out / name).read_bytes() == (tmp_path / "fresh" / name).read_bytes()


def test_parquet_tables_of_a_killed_call_are_not_older_than_the_tables(
    run: Run, folder: Path, out: Path
) -> None:
    run(parquet=True)
    draw_other(folder / KEYS[0])

    def interrupt(*_: Any) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run(progress=interrupt)
    assert not list(out.glob("*.parquet"))


def test_leftovers_of_a_killed_call_vanish_with_their_image(
    run: Run, folder: Path, out: Path, assert_fresh: CheckFresh
) -> None:
    def interrupt(done: int, _total: int) -> None:
        if done == 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run(progress=interrupt, batch_size=1, threads=1)
    shutil.copy(
        out / "masks" / "lesion" / KEYS[0], out / "masks" / "lesion" / KEYS[5]
    )  # written, not committed
    (folder / KEYS[5]).unlink()
    run()
    assert_fresh()


def test_name_in_another_unicode_spelling_never_gives_a_second_row(
    run: Run, folder: Path, out: Path, contents: Contents, assert_fresh: CheckFresh
) -> None:
    """As when a folder is copied from macOS to Linux."""
    decomposed = unicodedata.normalize("NFD", "Aufnähme.png")
    draw_other(folder / decomposed)
    run()
    before = contents(out)
    (folder / decomposed).rename(folder / unicodedata.normalize("NFC", decomposed))
    with pytest.raises(InputError, match=r"spelled 'Aufn\\xe4hme\.png'.*--forget-missing"):
        run()
    assert contents(out) == before
    run(forget_missing=True)
    assert_fresh()


OPERATIONS = st.lists(
    st.tuples(
        st.sampled_from(["add", "replace", "break", "delete", "call"]),
        st.integers(0, 4),
        st.booleans(),
        st.integers(0, 3),
    ),
    max_size=12,
)


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(operations=OPERATIONS)
def test_after_any_changes_and_interruptions_the_results_are_those_of_a_new_run(
    model: Path, contents: Contents, operations: list[tuple[str, int, bool, int]]
) -> None:
    with tempfile.TemporaryDirectory() as place:
        root, folder = Path(place), Path(place) / "in"
        draw_other(folder / "first.png")
        arguments: dict[str, Any] = {"model": model, "masks": "png", "threads": 1, "batch_size": 1}
        for seed, (operation, number, retry, stop) in enumerate(operations):
            path = folder / f"{number}.png"
            if operation in ("add", "replace"):
                draw_other(path, seed)
            elif operation == "break":
                path.write_bytes(b"broken" * (seed + 1))
            elif operation == "delete":
                path.unlink(missing_ok=True)
            else:
                call_and_stop(folder, root / "out", stop, retry_failed=retry, **arguments)
        infer_folder(folder, out=root / "out", forget_missing=True, **arguments)
        infer_folder(folder, out=root / "fresh", **arguments)
        assert contents(root / "out") == contents(root / "fresh")


def call_and_stop(folder: Path, out: Path, stop: int, **arguments: Any) -> None:
    def interrupt(done: int, _total: int) -> None:
        if done == stop:
            raise KeyboardInterrupt

    try:
        infer_folder(folder, out=out, progress=interrupt, **arguments)
    except KeyboardInterrupt:
        return
