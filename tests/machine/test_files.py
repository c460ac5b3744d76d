"""Files stand in their final place whole or not at all."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from cxr.errors import MissingExtraError, OutputError
from cxr.machine.extras import require
from cxr.machine.files import make_folder, replacing, write_json


def test_replaced_only_when_all_went_well(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_text("old")

    def half() -> None:
        with replacing(path) as beside:
            beside.write_text("half")
            raise ValueError("in the middle")

    with pytest.raises(ValueError, match="in the middle"):
        half()
    assert path.read_text() == "old"
    assert [entry.name for entry in tmp_path.iterdir()] == ["a.txt"]


def test_replacing_keeps_the_suffix_for_writers_that_choose_by_it(tmp_path: Path) -> None:
    with replacing(tmp_path / "plot.png") as beside:
        assert beside.suffix == ".png"
        beside.write_bytes(b"x")
    assert (tmp_path / "plot.png").read_bytes() == b"x"


def test_json_is_readable_by_people(tmp_path: Path) -> None:
    write_json(tmp_path / "a.json", {"name": "röntgen"})
    assert "röntgen" in (tmp_path / "a.json").read_text(encoding="utf-8")
    assert json.loads((tmp_path / "a.json").read_text(encoding="utf-8")) == {"name": "röntgen"}


def test_folder_that_cannot_be_made_is_one_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match="cannot make this folder"):
        make_folder(tmp_path / "file" / "folder")


def test_file_that_cannot_be_written_names_it(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match="deep"):
        write_json(tmp_path / "file" / "deep" / "a.json", {})


def test_missing_package_names_the_pip_line() -> None:
    with pytest.raises(MissingExtraError, match=r'pip install "cxr\[train\]"'):
        require("no_such_package_at_all", extra="train")
