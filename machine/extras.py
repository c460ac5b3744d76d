"""Import packages that only an extra of `cxr` installs; errors give a command that installs the extra."""

from __future__ import annotations

import json
import shutil
import sys
import sysconfig
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any
from urllib.parse import urlsplit

from ..errors import MissingExtraError

_ROOT = Path(__file__).resolve().parents[1]


def require(module: str, *, extra: str) -> ModuleType:
    """Import a module that an extra of `cxr` installs.

    Parameters
    ----------
    module : str
        Dotted name of the module.
    extra : str
        The extra that installs it, such as "train".

    Raises
    ------
    MissingExtraError
        If the module, or one that it imports, is not installed.
    """
    try:
        return import_module(module)
    except ModuleNotFoundError as error:
        raise MissingExtraError(
            f"{error.name} is not installed; the extra [{extra}] of cxr installs it; "
            f"run: {install_command(extra)}",
            name=error.name,
        ) from error


def install_command(extra: str, *packages: str) -> str:
    """Return a command that adds an extra to this installation of `cxr`, and further packages.

    `cxr` is on no package index, so the command names what this installation came from, as pip records it
    (PEP 610): a clone (editable or not), a wheel, or a repository. If that no longer exists or is unknown,
    the command names the packages of the extra.
    """
    return f"{pip_command()} install {' '.join((_target(extra), *map(_quote, packages)))}"


def pip_command() -> str:
    """Return the shell command of this environment's pip: `pip` only if that is the first on the path."""
    found = shutil.which("pip")
    if found and Path(found).parent == Path(sysconfig.get_path("scripts")):
        return "pip"
    executable = sys.executable
    return f"{_quote(executable) if ' ' in executable else executable} -m pip"


def _target(extra: str) -> str:
    from urllib.request import url2pathname  # loads http and ssl, which only an error needs

    from .packages import PACKAGE, extra_requirements

    origin = _origin()
    url = origin.get("url", "")
    if url.startswith("file:"):
        path = Path(url2pathname(urlsplit(url).path))
        if path.exists():
            editable = origin.get("dir_info", {}).get("editable", False)
            return ("-e " if editable else "") + _quote(f"{path}[{extra}]")
    elif url:
        repository = origin.get("vcs_info")
        address = f"{repository['vcs']}+{url}@{repository['commit_id']}" if repository else url
        return _quote(f"{PACKAGE}[{extra}] @ {address}")
    return " ".join(map(_quote, extra_requirements(extra)))


def _origin() -> dict[str, Any]:
    """Return pip's record of the origin of `cxr`, or the same for a clone that pip did not install."""
    from importlib.metadata import distributions

    from .packages import PACKAGE

    # In the folder of a clone, its egg-info, which has no record, is found before the installation.
    for installed in distributions(name=PACKAGE):
        if record := installed.read_text("direct_url.json"):
            origin: dict[str, Any] = json.loads(record)
            return origin
    if (_ROOT / "setup.cfg").is_file():
        return {"url": _ROOT.as_uri(), "dir_info": {"editable": True}}
    return {}


def _quote(text: str) -> str:
    """Quote an argument as shells on every system read it: brackets, `<` and `>` have a meaning in some."""
    return f'"{text}"'
