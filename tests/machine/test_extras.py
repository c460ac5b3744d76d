"""Errors about missing packages give a command that installs them, whatever `cxr` was installed from."""

from __future__ import annotations

import json
import os
import shlex
import sys
import sysconfig
from collections.abc import Callable
from functools import partial
from importlib import metadata
from pathlib import Path
from typing import Any

import pytest
from packaging.requirements import Requirement

from cxr.errors import CxrError, MissingExtraError
from cxr.machine import extras
from cxr.machine.extras import install_command, pip_command, require

Install = Callable[..., None]
Record = Callable[[dict[str, Any] | None], None]


@pytest.fixture(autouse=True)
def pip_is_on_the_path(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "pip").write_text("#!/bin/sh\n")
    (tmp_path / "pip").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setattr(sysconfig, "get_path", lambda _name: str(tmp_path))


@pytest.fixture
def record_origin(install: Install, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Record:
    """Return a function that installs only the metadata of `cxr`, with its origin as pip records it."""

    def write(origin: dict[str, Any] | None) -> None:
        requires = ['some[fast]<3,>=2; extra == "dicom"', 'other; extra == "dicom"']
        install("cxr", "9", extras=["dicom"], requires=requires)
        if origin is not None:
            (tmp_path / "site" / "cxr-9.dist-info" / "direct_url.json").write_text(json.dumps(origin))
        there_only = partial(metadata.distributions, path=[str(tmp_path / "site")])
        monkeypatch.setattr(metadata, "distributions", there_only)
        monkeypatch.setattr(extras, "_ROOT", tmp_path / "site" / "cxr")

    return write


def test_a_clone_is_installed_again_from_its_folder(record_origin: Record, tmp_path: Path) -> None:
    clone = tmp_path / "a clone"
    clone.mkdir()
    record_origin({"url": clone.as_uri(), "dir_info": {}})
    assert install_command("dicom") == f'pip install "{clone}[dicom]"'


def test_an_editable_installation_stays_editable(record_origin: Record, tmp_path: Path) -> None:
    record_origin({"url": tmp_path.as_uri(), "dir_info": {"editable": True}})
    assert install_command("dicom") == f'pip install -e "{tmp_path}[dicom]"'
    assert install_command("gpu", "tensorrt") == f'pip install -e "{tmp_path}[gpu]" "tensorrt"'


def test_a_wheel_is_installed_again_from_its_file(record_origin: Record, tmp_path: Path) -> None:
    wheel = tmp_path / "cxr-9-py3-none-any.whl"
    wheel.touch()
    record_origin({"url": wheel.as_uri(), "archive_info": {}})
    assert install_command("dicom") == f'pip install "{wheel}[dicom]"'


@pytest.mark.parametrize(
    ("origin", "address"),
    [
        (
            {"url": "https://example.org/cxr.git", "vcs_info": {"vcs": "git", "commit_id": "ab12"}},
            "git+https://example.org/cxr.git@ab12",
        ),
        ({"url": "https://example.org/cxr.whl", "archive_info": {}}, "https://example.org/cxr.whl"),
    ],
)
def test_a_repository_or_address_is_named(
    record_origin: Record, origin: dict[str, Any], address: str
) -> None:
    record_origin(origin)
    command = install_command("dicom")
    assert command == f'pip install "cxr[dicom] @ {address}"'
    assert Requirement(shlex.split(command)[-1]).extras == {"dicom"}


@pytest.mark.parametrize("origin", [None, {"url": "file:///no/such/cxr.whl", "archive_info": {}}])
def test_an_unknown_or_deleted_origin_names_the_packages_of_the_extra(
    record_origin: Record, origin: dict[str, Any] | None
) -> None:
    record_origin(origin)
    assert install_command("dicom") == 'pip install "some[fast]<3,>=2" "other"'


def test_a_clone_without_installation_is_installed_from_its_folder(
    record_origin: Record, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    record_origin(None)
    (tmp_path / "setup.cfg").touch()
    monkeypatch.setattr(extras, "_ROOT", tmp_path)
    assert install_command("dicom") == f'pip install -e "{tmp_path}[dicom]"'


def test_pip_of_another_environment_is_not_used(
    record_origin: Record, monkeypatch: pytest.MonkeyPatch
) -> None:
    record_origin(None)
    monkeypatch.setattr(sysconfig, "get_path", lambda _name: "/elsewhere")
    assert install_command("dicom").startswith(f"{sys.executable} -m pip install ")
    monkeypatch.setattr(sys, "executable", "/a folder/python")
    assert pip_command() == '"/a folder/python" -m pip'


def test_a_missing_package_is_an_error_that_names_the_extra_and_the_command() -> None:
    with pytest.raises(MissingExtraError) as caught:
        require("no_such_package_at_all.module", extra="train")
    assert str(caught.value) == (
        "no_such_package_at_all is not installed; the extra [train] of cxr installs it; "
        f"run: {install_command('train')}"
    )
    assert isinstance(caught.value, ImportError)
    assert isinstance(caught.value, CxrError)
    assert caught.value.name == "no_such_package_at_all"


def test_this_installation_has_an_origin_that_exists() -> None:
    target = shlex.split(install_command("dicom"))[-1]
    assert Path(target.removesuffix("[dicom]")).samefile(extras._ROOT)
