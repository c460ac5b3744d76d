"""Files are written atomically; errors name the file."""

from __future__ import annotations

import json
import os
import socket
from pathlib import Path

import pytest

from cxr.errors import MachineError, OutputError
from cxr.machine.files import (
    check_output_file,
    make_folder,
    read_file,
    remove_temporary_files,
    replacing,
    scratch_folder,
    write_json,
    write_text,
)


def test_a_file_is_replaced_only_on_success(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_text("old")

    def half() -> None:
        with replacing(path) as temporary:
            temporary.write_text("half")
            raise ValueError("in the middle")

    with pytest.raises(ValueError, match="in the middle"):
        half()
    assert path.read_text() == "old"
    assert [entry.name for entry in tmp_path.iterdir()] == ["a.txt"]


def test_the_temporary_name_keeps_the_suffix(tmp_path: Path) -> None:
    with replacing(tmp_path / "plot.png") as temporary:
        assert temporary.suffix == ".png"
        temporary.write_bytes(b"x")
    assert (tmp_path / "plot.png").read_bytes() == b"x"


def test_json_is_written_as_readable_utf_8(tmp_path: Path) -> None:
    write_json(tmp_path / "a.json", {"name": "röntgen"})
    assert "röntgen" in (tmp_path / "a.json").read_text(encoding="utf-8")
    assert json.loads((tmp_path / "a.json").read_text(encoding="utf-8")) == {"name": "röntgen"}


def test_numbers_that_json_lacks_become_null(tmp_path: Path) -> None:
    write_json(tmp_path / "a.json", {"low": float("nan"), "curve": [(1.5, float("inf"))], "by fold": {0: 2}})
    text = (tmp_path / "a.json").read_text(encoding="utf-8")
    assert json.loads(text) == {"low": None, "curve": [[1.5, None]], "by fold": {"0": 2}}


def test_a_folder_that_cannot_be_created_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match="this folder cannot be created"):
        make_folder(tmp_path / "file" / "folder")


def test_a_file_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match="deep"):
        write_json(tmp_path / "file" / "deep" / "a.json", {})


def test_line_ends_of_text_are_not_translated(tmp_path: Path) -> None:
    write_text(tmp_path / "a.csv", "a\nb\r\nc\rd")
    assert (tmp_path / "a.csv").read_bytes() == b"a\nb\r\nc\rd"


def test_only_temporary_files_of_killed_processes_are_removed(tmp_path: Path) -> None:
    kept = [tmp_path / name for name in ("run.json", ".other.part-7.json", "masks/a.png")]
    left = [tmp_path / name for name in (".run.part-12345.json", "masks/lung/.a.part-12345.png")]
    for path in (*kept, *left):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    remove_temporary_files(tmp_path / "run.json")
    remove_temporary_files(tmp_path / "masks")
    remove_temporary_files(tmp_path / "never written.html")
    assert sorted(path for path in tmp_path.rglob("*") if path.is_file()) == sorted(kept)


def test_json_holds_names_that_are_not_utf_8_with_escaped_backslashes(tmp_path: Path) -> None:
    write_json(tmp_path / "a.json", {"folder": os.fsdecode(b"Aufn\xe4hme")})
    text = (tmp_path / "a.json").read_text(encoding="utf-8")
    assert json.loads(text) == {"folder": "Aufn\\udce4hme"}


def test_text_with_a_name_that_is_not_utf_8_is_written(tmp_path: Path) -> None:
    write_text(tmp_path / "a.html", "<p>Aufn\udce4hme</p>")
    assert (tmp_path / "a.html").read_bytes() == b"<p>Aufn\\udce4hme</p>"


def test_name_as_long_as_a_file_system_allows_can_be_written(tmp_path: Path) -> None:
    path = tmp_path / ("ä" * 125 + ".json")
    write_text(path, "{}")
    remove_temporary_files(path)
    assert [entry.name for entry in tmp_path.iterdir()] == [path.name]


@pytest.mark.skipif(os.name == "nt", reason="Windows has none of these in folders")
@pytest.mark.parametrize("kind", ["device", "pipe", "socket"])
def test_device_pipe_or_socket_is_never_replaced(kind: str, tmp_path: Path) -> None:
    path = tmp_path / kind
    if kind == "device":
        path.symlink_to("/dev/full")
    elif kind == "pipe":
        os.mkfifo(path)
    else:
        with socket.socket(socket.AF_UNIX) as server:
            server.bind(str(path))
    with pytest.raises(OutputError, match=f"{kind}: is a device, a pipe or a socket"):
        write_text(path, "text")
    assert [entry.name for entry in tmp_path.iterdir()] == [kind]


def test_folder_in_the_place_of_a_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match="is a folder; name a file"):
        write_text(tmp_path, "text")


def test_file_in_the_place_of_the_folder_is_named_before_the_work(tmp_path: Path) -> None:
    (tmp_path / "f.txt").write_text("text")
    with pytest.raises(OutputError, match=r"m\.onnx: cannot be written \(.*f\.txt is a file, not a folder\)"):
        check_output_file(tmp_path / "f.txt" / "new" / "m.onnx")


def test_missing_folder_of_temporary_files_names_the_variable(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "missing"))
    with pytest.raises(MachineError, match="set TMPDIR"), scratch_folder():
        pass


@pytest.mark.skipif(os.name == "nt", reason="Windows has no such files in folders")
@pytest.mark.parametrize("kind", ["pipe", "device"])
def test_pipe_or_device_is_never_read(kind: str, tmp_path: Path) -> None:
    path = tmp_path / kind
    if kind == "pipe":
        os.mkfifo(path)
    else:
        path.symlink_to("/dev/zero")
    with pytest.raises(OSError, match="not a file"):
        read_file(path)


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may write anywhere")
def test_folder_that_cannot_be_written_is_named_before_the_work(tmp_path: Path) -> None:
    tmp_path.chmod(0o555)
    with pytest.raises(OutputError, match="no permission to write"):
        check_output_file(tmp_path / "new" / "bench.json")


def test_file_that_can_be_written_passes_the_check(tmp_path: Path) -> None:
    check_output_file(tmp_path / "new" / "bench.json")
    assert list(tmp_path.iterdir()) == []
