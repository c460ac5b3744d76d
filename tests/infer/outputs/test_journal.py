from __future__ import annotations

import os
from pathlib import Path

import pytest

from cxr.errors import OutputError
from cxr.infer.outputs.journal import JOURNAL, Journal

TABLES = {"a.csv": ("x", "y"), "b.csv": ("z",)}


def begin(folder: Path, *lines: str) -> None:
    """Write a journal with one commit for each line of a.csv."""
    with Journal(folder, TABLES) as journal:
        journal.begin()
        for line in lines:
            journal.append("a.csv", line)
            journal.commit()


def resumed(folder: Path) -> str | None:
    with Journal(folder, TABLES) as journal:
        return (folder / "a.csv").read_text() if journal.resume() else None


def test_a_new_journal_writes_headers(tmp_path: Path) -> None:
    begin(tmp_path)
    assert (tmp_path / "a.csv").read_text() == "x,y\n"
    assert (tmp_path / "b.csv").read_text() == "z\n"


def test_what_is_committed_is_there_again(tmp_path: Path) -> None:
    begin(tmp_path, "1,2\n", "3,4\n")
    assert resumed(tmp_path) == "x,y\n1,2\n3,4\n"


def test_what_is_not_committed_is_cut_off(tmp_path: Path) -> None:
    begin(tmp_path, "1,2\n")
    with (tmp_path / "a.csv").open("a") as file:
        file.write("3,4\n5,")
    assert resumed(tmp_path) == "x,y\n1,2\n"


def test_rows_that_were_only_appended_are_not_written(tmp_path: Path) -> None:
    with Journal(tmp_path, TABLES) as journal:
        journal.begin()
        journal.append("a.csv", "1,2\n")
    assert (tmp_path / "a.csv").read_text() == "x,y\n"


@pytest.mark.parametrize("torn", [b'{"a.csv": 12', b"\x00\x00\n", b"[]\n", b'{"a.csv": 3}\n'])
def test_a_torn_line_of_the_journal_does_not_count(tmp_path: Path, torn: bytes) -> None:
    begin(tmp_path, "1,2\n")
    with (tmp_path / JOURNAL).open("ab") as file:
        file.write(torn)
    assert resumed(tmp_path) == "x,y\n1,2\n"


def test_a_table_shorter_than_the_last_line_goes_back_to_an_earlier_one(tmp_path: Path) -> None:
    begin(tmp_path, "1,2\n", "3,4\n")
    os.truncate(tmp_path / "a.csv", 10)
    assert resumed(tmp_path) == "x,y\n1,2\n"


def test_a_torn_journal_can_be_written_on(tmp_path: Path) -> None:
    begin(tmp_path, "1,2\n")
    with (tmp_path / JOURNAL).open("ab") as file:
        file.write(b'{"a.csv"')
    for expected in ("x,y\n1,2\n3,4\n", "x,y\n1,2\n3,4\n3,4\n"):
        with Journal(tmp_path, TABLES) as journal:
            assert journal.resume()
            journal.append("a.csv", "3,4\n")
            journal.commit()
        assert resumed(tmp_path) == expected


@pytest.mark.parametrize("lost", ["a.csv", JOURNAL])
def test_without_a_table_or_the_journal_there_is_nothing_to_resume(tmp_path: Path, lost: str) -> None:
    begin(tmp_path, "1,2\n")
    (tmp_path / lost).unlink()
    assert resumed(tmp_path) is None


def test_a_cleared_journal_has_nothing_to_resume(tmp_path: Path) -> None:
    begin(tmp_path, "1,2\n")
    with Journal(tmp_path, TABLES) as journal:
        journal.clear()
    assert resumed(tmp_path) is None


def test_the_second_run_on_a_folder_is_refused(tmp_path: Path) -> None:
    with Journal(tmp_path, TABLES), pytest.raises(OutputError, match="another run is writing here"):
        Journal(tmp_path, TABLES)
    Journal(tmp_path, TABLES).__exit__(None, None, None)


def test_a_table_that_is_removed_meanwhile_is_noticed(tmp_path: Path) -> None:
    with Journal(tmp_path, TABLES) as journal:
        journal.begin()
        (tmp_path / "a.csv").unlink()
        journal.append("a.csv", "1,2\n")
        with pytest.raises(OutputError, match="was removed"):
            journal.commit()


def test_a_disk_that_is_full_is_said_in_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_handle: int) -> None:
        raise OSError(28, "No space left on device")

    with Journal(tmp_path, TABLES) as journal:
        journal.begin()
        journal.append("a.csv", "1,2\n")
        monkeypatch.setattr(os, "fsync", full)
        with pytest.raises(OutputError, match=r"No space left on device.*the same command goes on"):
            journal.commit()
    assert resumed(tmp_path) == "x,y\n"


def test_a_folder_that_is_a_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "out").touch()
    with pytest.raises(OutputError, match="this folder cannot be created"):
        Journal(tmp_path / "out", TABLES)
