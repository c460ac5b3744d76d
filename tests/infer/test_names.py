"""Names of any characters: one row per image, in every table, however often the run is called."""

from __future__ import annotations

import csv
import shutil
import sys
from collections.abc import Callable
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from cxr.infer.run import infer_folder

Draw = Callable[..., Path]
ReadTable = Callable[[Path], list[dict[str, str]]]
Rectangles = list[tuple[int, int, int, int, int]]

CONTROLS = [chr(code) for code in (*range(1, 32), 127, 0x85, 0xA0, 0x2028, 0x2029, 0xFEFF)]
NAMES = [f"a{character}b.png" for character in CONTROLS] + [
    "\r.png",
    "\r\n.png",
    '"\r".png',
    "'\r.png",
    ",\r,.png",
    "\n\n.png",
    '""",\n"".png',
    "=\r1.png",
    " .png",
]
FOLDERS = ["ward\rA", "ward\r\nB", 'ward",C', "ward\u2028D"]

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="file names hold no control characters there")


@pytest.fixture
def folder(tmp_path: Path, draw: Draw, rectangles: Rectangles) -> Path:
    image = draw(tmp_path / "image.png", rectangles)
    for name in (*NAMES, *(f"{folder}/x.png" for folder in FOLDERS)):
        path = tmp_path / "in" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(image, path)
        path.with_name(f"z{path.name}").write_bytes(b"broken")
    return tmp_path / "in"


def keys(folder: Path, *, broken: bool) -> list[str]:
    found = (path for path in folder.rglob("*.png") if (path.read_bytes() == b"broken") is broken)
    return sorted(path.relative_to(folder).as_posix() for path in found)


def column(table: Path, name: str) -> list[str]:
    """Read a column as any program does, and without the guard against formulas."""
    with table.open(newline="", encoding="utf-8") as file:
        rows = list(csv.reader(file))
    assert {len(row) for row in rows} == {len(rows[0])}
    index = rows[0].index(name)
    guarded = [row[index] for row in rows[1:]]
    return [cell[1:] if cell.startswith(("'\r", "'=", "''")) else cell for cell in guarded]


def test_every_table_has_each_name_as_it_is_after_every_call(
    model: Path, tmp_path: Path, folder: Path, draw: Draw, rectangles: Rectangles
) -> None:
    out = tmp_path / "out"
    for call in range(3):
        summary = infer_folder(
            folder, model=model, out=out, masks="rle", parquet=True, retry_failed=call == 1
        )
        good, bad = keys(folder, broken=False), keys(folder, broken=True)
        assert (summary.rows, summary.failed) == (len(good), len(bad))
        assert column(out / "features.csv", "image") == good
        assert column(out / "failures.csv", "path") == bad
        assert list(dict.fromkeys(column(out / "components.csv", "image"))) == good
        assert list(dict.fromkeys(column(out / "masks.csv", "image"))) == good
        for name, cells in (("features", good), ("failures", bad)):
            parquet = pq.read_table(out / f"{name}.parquet")
            assert parquet["path" if name == "failures" else "image"].to_pylist() == cells
        draw(folder / f"added{call}.png", rectangles)


def test_failure_of_any_text_is_one_row_of_one_line(
    model: Path, tmp_path: Path, read_table: ReadTable, draw: Draw
) -> None:
    draw(tmp_path / "in" / "a.png", [(8, 8, 4, 5, 250)])
    for number, code in enumerate((0, 7, 13, 27, 0x85)):
        (tmp_path / "in" / f"b{number}.dcm").write_bytes(bytes(128) + b"DICM" + bytes([code]) * 40)
    infer_folder(tmp_path / "in", model=model, out=tmp_path / "out")
    text = (tmp_path / "out" / "failures.csv").read_text(encoding="utf-8")
    assert len(text.splitlines()) == 6
    assert all(character.isprintable() for character in text.replace("\n", ""))
