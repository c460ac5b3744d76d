"""A lock that one process at a time can hold."""

from __future__ import annotations

import errno
import logging
import os
import sys
from pathlib import Path

import pytest

from cxr.machine.file_lock import lock

fcntl = pytest.importorskip("fcntl", reason="this system locks files in another way")


def test_second_lock_of_a_file_fails_until_the_first_is_closed(tmp_path: Path) -> None:
    path = tmp_path / "file"
    with path.open("a+b", buffering=0) as first, path.open("a+b", buffering=0) as second:
        assert lock(first)
        assert not lock(second)
        first.close()
        assert lock(second)


@pytest.mark.skipif(sys.platform != "linux", reason="the number of ENOTSUPP is Linux's")
@pytest.mark.parametrize(
    "code", [524, errno.EINVAL, errno.EIO, errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP, errno.EPERM, 9999]
)
def test_file_system_without_locks_counts_as_locked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, code: int
) -> None:
    def fail(*_: object) -> None:
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(fcntl, "flock", fail)
    with (tmp_path / "file").open("a+b", buffering=0) as file, caplog.at_level(logging.DEBUG, logger="cxr"):
        assert lock(file)
    assert [record.levelno for record in caplog.records] == [logging.DEBUG]
    assert "continuing without a lock" in caplog.text


@pytest.mark.parametrize("code", [errno.EWOULDBLOCK, errno.EAGAIN, errno.EACCES])
def test_only_the_answers_of_a_held_lock_mean_another_process(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: int
) -> None:
    def fail(*_: object) -> None:
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(fcntl, "flock", fail)
    with (tmp_path / "file").open("a+b", buffering=0) as file:
        assert not lock(file)
