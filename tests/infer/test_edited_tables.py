"""Tables that someone changed between two calls: resumed rightly, or rejected with nothing touched."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from cxr.errors import OutputError
from cxr.infer.outputs.journal import JOURNAL
from cxr.infer.run import infer_folder

Fill = Callable[[Path, int], Path]
Draw = Callable[..., Path]
ReadTable = Callable[[Path], list[dict[str, str]]]
Edit = Callable[[bytes], bytes]

EDITS: dict[str, Edit] = {
    "line ends": lambda data: data.replace(b"\n", b"\r\n"),
    "zeros": lambda data: data.replace(b"0000,", b","),
    "a column more": lambda data: b"\n".join(line + b",note" if line else line for line in data.split(b"\n")),
    "separators": lambda data: data.replace(b",", b";"),
    "byte order mark": lambda data: b"\xef\xbb\xbf" + data,
    "UTF-16": lambda data: data.decode().encode("utf-16"),
    "no last line end": lambda data: data[:-1],
    "a row less": lambda data: data[: data[:-1].rindex(b"\n") + 1],
    "a row more": lambda data: data + data.splitlines(keepends=True)[-1],
    "another order": lambda data: b"".join(
        [data.splitlines(keepends=True)[n] for n in (0, 2, 1, 3, 4, 5, 6)]
    ),
    "one digit": lambda data: data[:-3] + bytes([data[-3] ^ 1]) + data[-2:],
    "only the header": lambda data: data[: data.index(b"\n") + 1],
    "empty": lambda _data: b"",
}


@pytest.fixture
def finished(model: Path, tmp_path: Path, draw_many: Fill) -> Path:
    """Return the output folder of a finished run over six images, one of which is then gone."""
    infer_folder(draw_many(tmp_path / "in", 6), model=model, out=tmp_path / "out", masks="rle")
    (tmp_path / "in" / "00" / "00000004_000.png").unlink()
    return tmp_path / "out"


def files(folder: Path) -> dict[Path, tuple[bytes, int]]:
    return {
        path: (path.read_bytes(), path.stat().st_mtime_ns) for path in folder.rglob("*") if path.is_file()
    }


@pytest.mark.parametrize("edit", EDITS)
@pytest.mark.parametrize("added", [False, True])
def test_edited_table_is_rejected_in_one_line_and_left_as_it_is(
    model: Path, tmp_path: Path, finished: Path, draw: Draw, edit: str, added: bool
) -> None:
    table = finished / "features.csv"
    table.write_bytes(EDITS[edit](table.read_bytes()))
    if added:
        draw(tmp_path / "in" / "b.png", [(8, 8, 4, 5, 250)])
    before = files(finished)
    with pytest.raises(
        OutputError, match=r"features\.csv: is no longer as the run wrote it.*--out.*--overwrite"
    ):
        infer_folder(tmp_path / "in", model=model, out=finished, masks="rle")
    assert files(finished) == before


@pytest.mark.parametrize("name", ["components.csv", "failures.csv", "masks.csv"])
def test_every_table_is_checked(model: Path, tmp_path: Path, finished: Path, name: str) -> None:
    table = finished / name
    table.write_bytes(table.read_bytes() + b"x,y\n")
    with pytest.raises(OutputError, match=rf"{name}: is no longer as the run wrote it"):
        infer_folder(tmp_path / "in", model=model, out=finished, masks="rle")


@pytest.mark.parametrize("name", ["features.csv", "components.csv"])
def test_missing_table_is_rejected_and_not_measured_anew(
    model: Path, tmp_path: Path, finished: Path, name: str
) -> None:
    (finished / name).unlink()
    before = files(finished)
    with pytest.raises(OutputError, match=rf"{name}: is missing.*--out.*--overwrite"):
        infer_folder(tmp_path / "in", model=model, out=finished, masks="rle")
    assert files(finished) == before


def test_table_that_only_got_another_time_is_resumed(model: Path, tmp_path: Path, finished: Path) -> None:
    os.utime(finished / "features.csv", (1, 1))
    assert infer_folder(tmp_path / "in", model=model, out=finished, masks="rle").processed == 0


def test_results_copied_with_their_journal_are_resumed(model: Path, tmp_path: Path, finished: Path) -> None:
    copy = shutil.copytree(finished, tmp_path / "copy")
    summary = infer_folder(tmp_path / "in", model=model, out=copy, masks="rle")
    assert (summary.rows, summary.processed) == (6, 0)


def test_results_copied_without_their_journal_are_rejected_in_one_line_and_left_as_they_are(
    model: Path, tmp_path: Path, finished: Path
) -> None:
    (finished / JOURNAL).unlink()
    before = files(finished)
    for _ in range(2):
        with pytest.raises(
            OutputError, match=rf"{JOURNAL}: is missing.*copy this hidden file.*--out.*--overwrite"
        ):
            infer_folder(tmp_path / "in", model=model, out=finished, masks="rle")
        assert files(finished) == before


@pytest.mark.parametrize("folder", ["masks", "overlays"])
def test_results_copied_without_their_folders_are_rejected(
    model: Path, tmp_path: Path, draw_many: Fill, folder: str
) -> None:
    arguments: dict[str, Any] = {"model": model, "out": tmp_path / "out", "masks": "png", "overlays": True}
    infer_folder(draw_many(tmp_path / "in", 3), **arguments)
    shutil.rmtree(tmp_path / "out" / folder)
    with pytest.raises(OutputError, match=rf"{folder}: is missing.*--out.*--overwrite"):
        infer_folder(tmp_path / "in", **arguments)


def test_table_that_is_a_link_stays_one(model: Path, tmp_path: Path, finished: Path, draw: Draw) -> None:
    table, target = finished / "features.csv", tmp_path / "elsewhere.csv"
    table.rename(target)
    table.symlink_to(target)
    draw(tmp_path / "in" / "00" / "0.png", [(8, 8, 4, 5, 250)])
    assert infer_folder(tmp_path / "in", model=model, out=finished, masks="rle").rows == 7
    assert table.is_symlink()
    assert target.read_text().count("\n") == 8


def test_edited_table_of_a_killed_run_is_rejected(model: Path, tmp_path: Path, draw_many: Fill) -> None:
    folder, out = draw_many(tmp_path / "in", 6), tmp_path / "out"

    def interrupt(done: int, _total: int) -> None:
        if done == 4:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        infer_folder(folder, model=model, out=out, progress=interrupt)
    table = out / "features.csv"
    table.write_bytes(EDITS["line ends"](table.read_bytes()))
    before = files(out)
    with pytest.raises(OutputError, match=r"features\.csv: is no longer as the run wrote it"):
        infer_folder(folder, model=model, out=out)
    assert files(out) == before


def test_table_of_a_version_with_other_columns_is_rejected(
    model: Path, tmp_path: Path, finished: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from cxr.infer import folder_run

    monkeypatch.setattr(folder_run, "FAILURE_COLUMNS", ("path", "stage", "error", "hint"))
    with pytest.raises(OutputError, match=r"failures\.csv: is no longer as the run wrote it"):
        infer_folder(tmp_path / "in", model=model, out=finished, masks="rle")


_RUN = """
import sys
from cxr.infer.run import infer_folder
from pathlib import Path
print(infer_folder(Path(sys.argv[1]), model=sys.argv[2], out=sys.argv[3], masks=sys.argv[4]).processed)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="names are no bytes there")
@pytest.mark.parametrize("masks", ["png", "rle"])
def test_names_are_the_same_in_every_locale(
    model: Path, tmp_path: Path, draw: Draw, read_table: ReadTable, masks: str
) -> None:
    draw(tmp_path / "in" / "Aufnähme.png", [(8, 8, 4, 5, 250)])
    command = [sys.executable, "-c", _RUN, str(tmp_path / "in"), str(model), str(tmp_path / "out"), masks]
    ascii_only: dict[str, Any] = {"PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0", "LC_ALL": "C"}
    processed = [
        subprocess.run(command, env=os.environ | locale, check=True, capture_output=True).stdout.strip()
        for locale in (ascii_only, {"PYTHONUTF8": "1"}, ascii_only)
    ]
    assert processed == [b"1", b"0", b"0"]
    assert [row["image"] for row in read_table(tmp_path / "out" / "features.csv")] == ["Aufnähme.png"]
    if masks == "png":
        assert (tmp_path / "out" / "masks" / "lesion" / "Aufnähme.png").exists()
