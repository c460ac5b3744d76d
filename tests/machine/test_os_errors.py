"""Errors of the system that are no file's fault."""

from __future__ import annotations

import errno
from pathlib import Path

import pytest

from cxr.errors import MachineError
from cxr.machine.os_errors import check_drive, has_disappeared, is_disconnected, is_exhausted


@pytest.mark.parametrize(
    "name", ["EIO", "ENOTCONN", "ETIMEDOUT", "EHOSTDOWN", "EHOSTUNREACH", "ESTALE", "ENODEV", "ENETUNREACH"]
)
def test_error_of_a_drive_or_share_is_recognized(name: str) -> None:
    error = OSError(getattr(errno, name), "gone")
    assert is_disconnected(error)
    with pytest.raises(MachineError, match=r"a\.png: gone; is its drive or share still connected"):
        check_drive(Path("a.png"), error)


@pytest.mark.parametrize("code", [errno.ENOENT, errno.EACCES, errno.EISDIR, errno.ENAMETOOLONG])
def test_error_of_a_file_is_not_one_of_its_drive(code: int) -> None:
    error = OSError(code, "no")
    assert not is_disconnected(error)
    assert not is_exhausted(error)
    check_drive(Path("a.png"), error)


@pytest.mark.parametrize(
    "error", [MemoryError(), OSError(errno.EMFILE, "full"), OSError(errno.ENOMEM, "full")]
)
def test_exhausted_machine_is_recognized(error: Exception) -> None:
    assert is_exhausted(error)


def test_deleted_file_has_not_disappeared_with_its_drive(tmp_path: Path) -> None:
    (tmp_path / "other.png").touch()
    assert not has_disappeared(tmp_path / "other.png")
    assert not has_disappeared(tmp_path / "a.png")


def test_file_of_a_folder_that_is_gone_or_empty_has_disappeared(tmp_path: Path) -> None:
    assert has_disappeared(tmp_path / "a.png")
    assert has_disappeared(tmp_path / "gone" / "a.png")


def test_link_disappears_with_the_folder_of_its_target(tmp_path: Path) -> None:
    (tmp_path / "link.png").symlink_to(tmp_path / "drive" / "a.png")
    (tmp_path / "other.png").touch()
    assert has_disappeared(tmp_path / "link.png")
    (tmp_path / "drive").mkdir()
    (tmp_path / "drive" / "b.png").touch()
    assert not has_disappeared(tmp_path / "link.png")
