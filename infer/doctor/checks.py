"""The things that `cxr doctor` looks at, one by one.

Whatever could crash is tried in a process of its own: a broken library is told and does not end this one.
"""

from __future__ import annotations

import signal
import subprocess
import sys
from dataclasses import dataclass
from tempfile import TemporaryFile

from ...errors import OutputError
from ...machine.cache import cache_folder
from ...machine.files import make_folder
from ...machine.packages import distributions_of, installed_version, missing_requirements
from ..runtime.providers import PROVIDERS
from .survey import cuda_libraries

MODULES = {"numpy": "numpy", "cv2": "opencv-python-headless", "numba": "numba", "pyarrow": "pyarrow"}
"""What every run imports of compiled code, with the package that brings it."""

DECODERS = (
    "isal",
    "pydicom",
    "pylibjpeg",
    "pylibjpeg-libjpeg",
    "pylibjpeg-openjpeg",
    "pylibjpeg-rle",
    "pyjpegls",
    "python-gdcm",
    "pillow",
)
"""Packages that decode images: PNG's data, and DICOM with what pydicom can call upon."""

PATIENCE = 300
"""Seconds that one trial may take: TensorRT builds its engines slowly."""

_KERNELS, _CACHE = "compiled code", "benchmarks and engines"
_WHERE_KERNELS_ARE = (
    "import sys; from cxr.infer.features.runs import pack_rows as pack; sys.stdout.write(pack.stats.cache_path or '')"
)


@dataclass(frozen=True)
class CheckResult:
    """One thing that was looked at.

    Attributes
    ----------
    name : str
    works : bool
        It does what it is for; of a package or a library: it is there.
    detail : str
        Where it does not work: the cause and what to do. Else what is worth telling, or nothing.
    """

    name: str
    works: bool
    detail: str = ""


def check_provider(name: str) -> CheckResult:
    """Run a small model by a provider of the table."""
    _, cause = _run("-P", "-m", f"{__package__}.probe", name)
    if cause is None:
        return CheckResult(name, True)
    detail = cause.removeprefix(f"{name}: ")
    packages = distributions_of("onnxruntime" if PROVIDERS[name].ort_name else "openvino")
    if "; run: " not in detail and len(packages) == 1:  # no refusal with its advice: the runtime is broken
        detail += _reinstall(packages[0])
    return CheckResult(name, False, detail)


def check_module(name: str) -> CheckResult:
    """Import one of `MODULES`."""
    _, cause = _run("-c", f"import {name}")
    if cause is None:
        return CheckResult(name, True)
    return CheckResult(name, False, cause + _reinstall(MODULES[name]))


def check_kernels() -> CheckResult:
    """Ask a compiled function where its machine code is kept: numba looks for a folder that it can write."""
    folder, cause = _run("-c", _WHERE_KERNELS_ARE)
    if folder:
        return CheckResult(_KERNELS, True, folder)
    advice = "no folder for it can be written, so each run compiles anew; set NUMBA_CACHE_DIR to one that can"
    return CheckResult(_KERNELS, False, cause or advice)


def check_cache() -> CheckResult:
    """Write to the folder of what is remembered between runs."""
    folder = cache_folder("best").parent
    try:
        make_folder(folder)
        TemporaryFile(dir=folder).close()
    except (OutputError, OSError) as error:
        return CheckResult(_CACHE, False, f"{error}; set XDG_CACHE_HOME to a folder that can be written")
    return CheckResult(_CACHE, True, str(folder))


def check_extra(name: str) -> CheckResult:
    """Compare what an extra of `cxr` needs with what is installed."""
    needed = missing_requirements(name)
    if not needed:
        return CheckResult(name, True)
    # A second wheel of onnxruntime beside the first would break both.
    rivals = distributions_of("onnxruntime") if any(one.startswith("onnxruntime") for one in needed) else ()
    first = f"pip uninstall -y {' '.join(rivals)} && " if rivals else ""
    return CheckResult(name, False, f'needs {listed(needed)}; run: {first}pip install "cxr[{name}]"')


def check_decoder(name: str) -> CheckResult:
    """Look for one of `DECODERS`."""
    number = installed_version(name)
    return CheckResult(name, number is not None, number or "not installed")


def check_libraries() -> tuple[CheckResult, ...]:
    """Look for the CUDA libraries."""
    return tuple(
        CheckResult(name, bool(places), ", ".join(places) or "not found")
        for name, places in cuda_libraries().items()
    )


def listed(needed: dict[str, str | None]) -> str:
    """Write requirements as one text, each with the version that it is not content with."""
    return ", ".join(f"{one} (not {number})" if number else one for one, number in needed.items())


def _reinstall(package: str) -> str:
    return f"; run: pip install --force-reinstall --no-deps {package}"


def _run(*arguments: str) -> tuple[str, str | None]:
    """Run Python in a process of its own; give what it printed, and why it failed or None."""
    # -P: a file of the working folder is not taken for a module.
    line = [sys.executable, "-P", *arguments]
    try:
        ran = subprocess.run(
            line, stdin=subprocess.DEVNULL, capture_output=True, check=False, timeout=PATIENCE
        )
    except subprocess.TimeoutExpired:
        return "", f"it gave no answer in {PATIENCE} s"
    if ran.returncode == 0:
        return ran.stdout.decode(errors="replace"), None
    if ran.returncode < 0:
        return "", f"it crashes ({signal.Signals(-ran.returncode).name})"
    said = ran.stderr.decode(errors="replace").strip().splitlines()
    return "", said[-1] if said else f"it ends with exit status {ran.returncode}"
