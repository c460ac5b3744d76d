"""The checks of `cxr doctor`.

Whatever could crash runs in its own process: a broken library is reported and does not end the command.
"""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from dataclasses import dataclass
from tempfile import TemporaryFile

from ...errors import OutputError
from ...machine.cache import NO_HOME, cache_folder
from ...machine.extras import install_command, pip_command
from ...machine.files import make_folder
from ...machine.packages import distributions_of, installed_version, missing_requirements
from ...machine.paths import printable
from ...machine.telemetry import SWITCHES, telemetry_cause
from ..runtime.providers import PROVIDERS
from .machine import cuda_libraries

MODULES = {"numpy": "numpy", "cv2": "opencv-python-headless", "numba": "numba", "pyarrow": "pyarrow"}
"""The compiled modules that every run imports, and the packages that install them."""

DECODERS = ("isal", "simplejpeg", "opencv-python-headless", "pydicom", "imagecodecs")
"""Packages that decode images: PNG data, JPEG, other formats, and DICOM headers and pixels."""

TIMEOUT_S = 300
"""Maximum duration of a check in seconds: TensorRT takes long to build an engine."""

_KERNELS, _CACHE = "compiled code", "benchmarks and engines"
_PRINT_KERNEL_CACHE = (
    "import os, sys; from cxr.infer.features.runs import pack_rows; "
    "sys.stdout.buffer.write(os.fsencode(pack_rows.stats.cache_path or ''))"
)


@dataclass(frozen=True)
class CheckResult:
    """The result of one check.

    Attributes
    ----------
    name : str
    works : bool
        Whether the checked thing works; for packages and libraries, whether it is installed.
    detail : str
        If it does not work, the cause and what to do; otherwise empty or a note.
    """

    name: str
    works: bool
    detail: str = ""


def check_provider(name: str) -> CheckResult:
    """Run a small model with a provider."""
    _, cause = _run_python("-m", f"{__package__}.probe", name)
    if cause is None:
        return CheckResult(name, True)
    detail = cause.removeprefix(f"{name}: ")
    packages = distributions_of("onnxruntime" if PROVIDERS[name].ort_name else "openvino")
    # A `ProviderError` says what to run, a `MachineError` what to set; any other means a broken runtime.
    if not re.search("; (run:|set|unset) ", detail) and len(packages) == 1:
        detail += _reinstall(packages[0])
    return CheckResult(name, False, detail)


def check_module(name: str) -> CheckResult:
    """Import one of `MODULES`."""
    _, cause = _run_python("-c", f"import {name}")
    if cause is None:
        return CheckResult(name, True)
    return CheckResult(name, False, cause + _reinstall(MODULES[name]))


def check_kernels() -> CheckResult:
    """Find the folder in which numba caches the compiled kernels."""
    folder, cause = _run_python("-c", _PRINT_KERNEL_CACHE)
    if folder:
        return CheckResult(_KERNELS, True, folder)
    advice = (
        "no cache folder is writable, so each run compiles again; set NUMBA_CACHE_DIR to a writable folder"
    )
    return CheckResult(_KERNELS, False, cause or advice)


def check_cache() -> CheckResult:
    """Write to the cache folder."""
    best = cache_folder("best")
    if best is None:
        return CheckResult(_CACHE, False, f"{NO_HOME}; set HOME or XDG_CACHE_HOME to a writable folder")
    folder = best.parent
    try:
        make_folder(folder)
        TemporaryFile(dir=folder).close()
    except (OutputError, OSError) as error:
        return CheckResult(_CACHE, False, f"{error}; set XDG_CACHE_HOME to a writable folder")
    return CheckResult(_CACHE, True, str(folder))


def check_telemetry() -> tuple[CheckResult, ...]:
    """Report for each package with telemetry whether it is off."""
    causes = {package: telemetry_cause(package) for package in SWITCHES}
    causes["openvino"] = None  # always off, see `openvino_without_telemetry`
    return tuple(
        CheckResult(package, cause is None, f"on, because {cause} is set" if cause else "off")
        for package, cause in causes.items()
    )


def check_extra(name: str) -> CheckResult:
    """Compare the requirements of an extra of `cxr` with the installed packages."""
    needed = missing_requirements(name)
    if not needed:
        return CheckResult(name, True)
    # A second wheel of onnxruntime would break both.
    needs_wheel = any(requirement.startswith("onnxruntime") for requirement in needed)
    installed = distributions_of("onnxruntime") if needs_wheel else ()
    uninstall = f"{pip_command()} uninstall -y {' '.join(installed)} && " if installed else ""
    cause = f"needs {format_requirements(needed)}"
    return CheckResult(name, False, f"{cause}; run: {uninstall}{install_command(name)}")


def check_decoder(name: str) -> CheckResult:
    """Look for one of `DECODERS`."""
    version = installed_version(name)
    return CheckResult(name, version is not None, version or "not installed")


def check_libraries() -> tuple[CheckResult, ...]:
    """Look for the CUDA libraries."""
    return tuple(
        CheckResult(name, bool(locations), ", ".join(locations) or "not found")
        for name, locations in cuda_libraries().items()
    )


def format_requirements(needed: dict[str, str | None]) -> str:
    """Join requirements, each with the installed version that does not satisfy it."""
    return ", ".join(
        f"{requirement} (not {version})" if version else requirement
        for requirement, version in needed.items()
    )


def _reinstall(package: str) -> str:
    return f"; run: {pip_command()} install --force-reinstall --no-deps {package}"


def _run_python(*arguments: str) -> tuple[str, str | None]:
    """Run Python in a new process; return its output, and the cause of a failure or None."""
    try:
        process = subprocess.run(
            # -P: modules in the working directory do not shadow installed ones.
            [sys.executable, "-P", *arguments],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            check=False,
            timeout=TIMEOUT_S,
        )
    except subprocess.TimeoutExpired:
        return "", f"it did not finish within {TIMEOUT_S} s"
    if process.returncode == 0:
        return printable(os.fsdecode(process.stdout)), None
    if process.returncode < 0:
        return "", f"it crashes ({signal.Signals(-process.returncode).name})"
    errors = process.stderr.decode(errors="replace").strip().splitlines()
    return "", errors[-1] if errors else f"it ends with exit status {process.returncode}"
