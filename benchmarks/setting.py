"""Print the machine and the packages with which a table was measured."""

from __future__ import annotations

import os
import platform
import shlex
import sys
from collections.abc import Sequence
from importlib import metadata

from cxr.machine.cores import usable_cores
from cxr.machine.hardware import processor


def print_setting(packages: Sequence[str]) -> None:
    """Print hardware, versions and command."""
    versions = ", ".join(f"{package} {version(package)}" for package in packages)
    print(f"{usable_cores()} cores of {processor()}, load {os.getloadavg()[0]:.1f} at the start;")
    print(f"Python {platform.python_version()}, {versions};")
    print(f"`python {shlex.join(sys.argv)}`.")


def version(package: str) -> str:
    """Return the version of a package that may be missing."""
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return "not installed"
