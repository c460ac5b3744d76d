from __future__ import annotations

import os
import pwd
from pathlib import Path

import pytest

from cxr.machine.cache import cache_folder, writable_cache_folder


@pytest.fixture
def no_home(monkeypatch: pytest.MonkeyPatch) -> None:
    def unknown(uid: int) -> None:
        raise KeyError(uid)

    for name in ("HOME", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(pwd, "getpwuid", unknown)


def test_cache_is_where_the_user_wants_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert cache_folder("best") == tmp_path / "cxr" / "best"
    assert writable_cache_folder("best") == tmp_path / "cxr" / "best"
    assert (tmp_path / "cxr" / "best").is_dir()


@pytest.mark.usefixtures("no_home")
def test_there_is_no_cache_without_a_home_directory() -> None:
    assert cache_folder("best") is None
    assert writable_cache_folder("best") is None


def test_cache_that_cannot_be_created_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", os.devnull)
    assert writable_cache_folder("best") is None
