"""`cxr doctor`: what works on this machine, what does not, and why."""

from __future__ import annotations

import platform
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from ...errors import ProviderError
from ...machine.cores import usable_cores
from ...machine.packages import all_versions, distributions_of, extras, installed_version, missing
from ..runtime.providers import CPU, PROVIDERS
from .checks import (
    DECODERS,
    MODULES,
    CheckResult,
    check_cache,
    check_decoder,
    check_extra,
    check_kernels,
    check_libraries,
    check_module,
    check_provider,
    listed,
)
from .survey import Machine, examine_machine


@dataclass(frozen=True)
class Report:
    """All that was found.

    Attributes
    ----------
    python, platform : str
    versions : dict of str to str
        `cxr` and the packages that it and its extras name, where they are installed.
    machine : Machine
    providers : tuple of CheckResult
        Each row of the providers' table: whether it ran a small model.
    modules : tuple of CheckResult
        What every run imports.
    extras, decoders, libraries : tuple of CheckResult
        Extras of `cxr`, packages that decode images, and CUDA's libraries.
    folders : tuple of CheckResult
        Where results are kept between runs.
    faults : tuple of str
        What keeps `cxr-infer`, or a provider that was asked for, from working; each with what to do.
    warnings : tuple of str
        What makes it slower, or may break.
    """

    python: str
    platform: str
    versions: dict[str, str]
    machine: Machine
    providers: tuple[CheckResult, ...]
    modules: tuple[CheckResult, ...]
    extras: tuple[CheckResult, ...]
    decoders: tuple[CheckResult, ...]
    libraries: tuple[CheckResult, ...]
    folders: tuple[CheckResult, ...]
    faults: tuple[str, ...]
    warnings: tuple[str, ...]


def examine(providers: Sequence[str] = ()) -> Report:
    """Look at everything that decides whether `cxr-infer` works here.

    Parameters
    ----------
    providers : sequence of str
        Those of the table that have to work: where one does not, it is a fault.

    Returns
    -------
    Report

    Raises
    ------
    ProviderError
        If the table has none of a name.
    """
    for name in providers:
        if name not in PROVIDERS:
            raise ProviderError(f"provider {name!r} is not known; choose from {', '.join(PROVIDERS)}")
    machine = examine_machine()
    with ThreadPoolExecutor(usable_cores()) as pool:
        rows = pool.map(check_provider, PROVIDERS)
        imports = pool.map(check_module, MODULES)
        kernels = pool.submit(check_kernels)
        ran, modules, folders = tuple(rows), tuple(imports), (kernels.result(), check_cache())
    return Report(
        platform.python_version(),
        platform.platform(),
        all_versions(),
        machine,
        ran,
        modules,
        tuple(map(check_extra, extras())),
        tuple(map(check_decoder, DECODERS)),
        check_libraries(),
        folders,
        tuple(_faults(ran, modules, providers)),
        tuple(_warnings(ran, folders, machine, providers)),
    )


def _faults(
    rows: Sequence[CheckResult], modules: Sequence[CheckResult], asked: Sequence[str]
) -> Iterator[str]:
    if len(wheels := distributions_of("onnxruntime")) > 1:
        yield _mixed(wheels) + ', then pip install "cxr[cpu]" or "cxr[gpu]"'
    if needed := missing():
        quoted = " ".join(f'"{one}"' for one in needed)
        yield f"cxr needs {listed(needed)}; run: pip install {quoted}"
    for module in modules:
        if not module.works and installed_version(MODULES[module.name]):  # else it was just named as needed
            yield f"{module.name} cannot be imported: {module.detail}"
    for row in rows:
        # Nothing measures without the CPU: `auto` ends there, and other providers are compared with it.
        if not row.works and row.name in {CPU, *asked}:
            yield f"{row.name}: {row.detail}"


def _warnings(
    rows: Sequence[CheckResult], folders: Sequence[CheckResult], machine: Machine, asked: Sequence[str]
) -> Iterator[str]:
    if len(wheels := distributions_of("cv2")) > 1:
        yield _mixed(wheels) + ", then pip install opencv-python-headless"
    for row in rows:
        if row.name == "cuda" and not row.works and machine.cards and row.name not in asked:
            yield f"{machine.cards[0]} is not used: {row.name}: {row.detail}"
    for folder in folders:
        if not folder.works:
            yield f"{folder.name}: {folder.detail}"


def _mixed(wheels: Sequence[str]) -> str:
    return (
        f"{' and '.join(wheels)} are installed together, and one has written over the other's files; "
        f"run: pip uninstall -y {' '.join(wheels)}"
    )
