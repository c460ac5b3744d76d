from __future__ import annotations

import os
from pathlib import Path

import pytest

from cxr.errors import OutputError
from cxr.infer.outputs.journal import JOURNAL, Journal
from cxr.infer.outputs.ledger import Source

TABLES = {"a.csv": ("x", "y"), "b.csv": ("z",)}


def add(journal: Journal, *lines: str) -> None:
    """Plan images of one line of a.csv each, and commit each line on its own."""
    journal.plan([Source(line.partition(",")[0]) for line in lines])
    for line in lines:
        journal.append({"a.csv": line})
        journal.commit()


def begin(folder: Path, *lines: str) -> None:
    """Write a journal with one commit per line of a.csv."""
    with Journal(folder, TABLES) as journal:
        journal.begin()
        add(journal, *lines)


def read_resumed(folder: Path) -> str | None:
    with Journal(folder, TABLES) as journal:
        return (folder / "a.csv").read_text() if journal.resume() else None


def test_a_new_journal_writes_headers(tmp_path: Path) -> None:
    begin(tmp_path)
    assert (tmp_path / "a.csv").read_text() == "x,y\n"
    assert (tmp_path / "b.csv").read_text() == "z\n"


def test_committed_rows_are_kept(tmp_path: Path) -> None:
    begin(tmp_path, "1,2\n", "3,4\n")
    assert read_resumed(tmp_path) == "x,y\n1,2\n3,4\n"


def test_uncommitted_rows_are_truncated(tmp_path: Path) -> None:
    begin(tmp_path, "1,2\n")
    with (tmp_path / "a.csv").open("a") as file:
        file.write("3,4\n5,")
    assert read_resumed(tmp_path) == "x,y\n1,2\n"


def test_appended_rows_are_not_written_before_a_commit(tmp_path: Path) -> None:
    with Journal(tmp_path, TABLES) as journal:
        journal.begin()
        journal.plan([Source("1")])
        journal.append({"a.csv": "1,2\n"})
    assert (tmp_path / "a.csv").read_text() == "x,y\n"


@pytest.mark.parametrize("damaged", [b'{"a.csv": 12', b"\x00\x00\n", b"[]\n", b'{"a.csv": 3}\n'])
def test_damaged_journal_line_is_ignored(tmp_path: Path, damaged: bytes) -> None:
    begin(tmp_path, "1,2\n")
    with (tmp_path / JOURNAL).open("ab") as file:
        file.write(damaged)
    assert read_resumed(tmp_path) == "x,y\n1,2\n"


def test_truncated_table_resumes_from_an_earlier_commit(tmp_path: Path) -> None:
    begin(tmp_path, "1,2\n", "3,4\n")
    os.truncate(tmp_path / "a.csv", 10)
    assert read_resumed(tmp_path) == "x,y\n1,2\n"


def test_journal_with_a_damaged_line_can_be_continued(tmp_path: Path) -> None:
    begin(tmp_path, "1,2\n")
    with (tmp_path / JOURNAL).open("ab") as file:
        file.write(b'{"a.csv"')
    for expected in ("x,y\n1,2\n3,4\n", "x,y\n1,2\n3,4\n3,4\n"):
        with Journal(tmp_path, TABLES) as journal:
            assert journal.resume()
            add(journal, "3,4\n")
        assert read_resumed(tmp_path) == expected


def test_missing_table_is_an_error_that_names_it(tmp_path: Path) -> None:
    begin(tmp_path, "1,2\n")
    (tmp_path / "b.csv").unlink()
    with pytest.raises(OutputError, match=r"b\.csv: is missing.*--out.*--overwrite"):
        read_resumed(tmp_path)


def test_missing_journal_leaves_nothing_to_resume(tmp_path: Path) -> None:
    begin(tmp_path, "1,2\n")
    (tmp_path / JOURNAL).unlink()
    assert read_resumed(tmp_path) is None


def test_rewrite_removes_rows_and_sorts_the_others(tmp_path: Path) -> None:
    begin(tmp_path, "c,1\n", "a,2\na,3\n", "b,4\n")
    with Journal(tmp_path, TABLES) as journal:
        assert journal.resume()
        assert not journal.ledger.is_sorted
        journal.rewrite(["b"])
        assert list(journal.ledger.finished) == ["a", "c"]
        assert journal.ledger.is_sorted
        add(journal, "d,5\n")
    assert read_resumed(tmp_path) == "x,y\na,2\na,3\nc,1\nd,5\n"
    assert {path.name for path in tmp_path.iterdir()} == {"a.csv", "b.csv", JOURNAL}


@pytest.mark.parametrize("replaced", [0, 1])
def test_rewrite_that_was_killed_after_its_journal_line_is_completed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, replaced: int
) -> None:
    begin(tmp_path, "b,1\n", "a,2\n")
    calls: list[Path] = []
    original = Path.replace

    def kill(path: Path, target: Path) -> Path:
        if len(calls) == replaced:
            raise KeyboardInterrupt
        calls.append(path)
        return original(path, target)

    with Journal(tmp_path, TABLES) as journal, monkeypatch.context() as patch:
        assert journal.resume()
        patch.setattr(Path, "replace", kill)
        with pytest.raises(KeyboardInterrupt):
            journal.rewrite()
    assert read_resumed(tmp_path) == "x,y\na,2\nb,1\n"
    assert {path.name for path in tmp_path.iterdir()} == {"a.csv", "b.csv", JOURNAL}


def test_rewrite_that_was_killed_before_its_journal_line_leaves_the_tables(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    begin(tmp_path, "b,1\n", "a,2\n")

    def kill(*_: object) -> None:
        os._exit(9)

    process = os.fork()
    if process == 0:
        with Journal(tmp_path, TABLES) as journal:
            journal.resume()
            monkeypatch.setattr(Journal, "_write", kill)
            journal.rewrite()
    assert os.waitstatus_to_exitcode(os.waitpid(process, 0)[1]) == 9
    assert (tmp_path / ".a.csv.new").exists()
    assert read_resumed(tmp_path) == "x,y\nb,1\na,2\n"
    assert not (tmp_path / ".a.csv.new").exists()


def test_finished_journal_accepts_no_further_rows_of_others(tmp_path: Path) -> None:
    with Journal(tmp_path, TABLES) as journal:
        journal.begin()
        add(journal, "1,2\n")
        journal.finish()
    with (tmp_path / "a.csv").open("a") as file:
        file.write("3,4\n")
    with pytest.raises(OutputError, match=r"a\.csv: is no longer as the run wrote it"):
        read_resumed(tmp_path)


def test_discarded_journal_leaves_nothing_to_resume_but_knows_its_images(tmp_path: Path) -> None:
    begin(tmp_path, "1,2\n")
    with Journal(tmp_path, TABLES) as journal:
        journal.read()
        journal.discard()
    with Journal(tmp_path, TABLES) as journal:
        assert not journal.resume()
        assert journal.ledger.known == {"1"}


def test_journal_of_another_version_is_an_error(tmp_path: Path) -> None:
    (tmp_path / JOURNAL).write_text('{"a.csv": 4, "b.csv": 2}\n')
    with pytest.raises(OutputError, match=r"another version of cxr.*--out.*--overwrite"):
        read_resumed(tmp_path)


def test_images_of_a_rolled_back_commit_are_pending_again(tmp_path: Path) -> None:
    begin(tmp_path, "1,2\n", "3,4\n")
    os.truncate(tmp_path / "a.csv", 10)
    with Journal(tmp_path, TABLES) as journal:
        assert journal.resume()
        assert (set(journal.ledger.finished), set(journal.ledger.pending)) == ({"1"}, {"3"})


def test_cleared_journal_leaves_nothing_to_resume(tmp_path: Path) -> None:
    begin(tmp_path, "1,2\n")
    with Journal(tmp_path, TABLES) as journal:
        journal.clear()
    assert read_resumed(tmp_path) is None


def test_second_run_in_the_same_folder_is_rejected(tmp_path: Path) -> None:
    with Journal(tmp_path, TABLES), pytest.raises(OutputError, match="another run is writing here"):
        Journal(tmp_path, TABLES)
    Journal(tmp_path, TABLES).__exit__(None, None, None)


def test_table_removed_during_the_run_is_reported(tmp_path: Path) -> None:
    with Journal(tmp_path, TABLES) as journal:
        journal.begin()
        (tmp_path / "a.csv").unlink()
        journal.plan([Source("1")])
        journal.append({"a.csv": "1,2\n"})
        with pytest.raises(OutputError, match="was removed"):
            journal.commit()


def test_full_disk_is_reported_in_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_handle: int) -> None:
        raise OSError(28, "No space left on device")

    with Journal(tmp_path, TABLES) as journal:
        journal.begin()
        journal.plan([Source("1")])
        journal.append({"a.csv": "1,2\n"})
        monkeypatch.setattr(os, "fsync", full)
        with pytest.raises(OutputError, match=r"No space left on device.*run the same command again"):
            journal.commit()
    assert read_resumed(tmp_path) == "x,y\n"


def test_file_in_place_of_the_output_folder_is_rejected(tmp_path: Path) -> None:
    (tmp_path / "out").touch()
    with pytest.raises(OutputError, match="this folder cannot be created"):
        Journal(tmp_path / "out", TABLES)
