"""Run all checks, and derive what keeps `cxr-infer` from working here."""

from __future__ import annotations

import platform
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from ...machine.cores import usable_cores
from ...machine.environment import environment_faults
from ...machine.extras import pip_command
from ...machine.packages import all_versions, extras, installed_version, missing_requirements
from ..runtime.providers import CPU, PROVIDERS, unknown_provider_error
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
    check_telemetry,
    format_requirements,
)
from .machine import Machine, describe_machine
from .overlaps import describe_overlap


@dataclass(frozen=True)
class Diagnosis:
    """The results of all checks.

    Attributes
    ----------
    python, platform : str
    versions : dict of str to str
        Installed versions of `cxr` and the packages that it and its extras require.
    machine : Machine
    providers : tuple of CheckResult
        For each provider whether it ran a small model.
    modules : tuple of CheckResult
        The compiled modules that every run imports.
    extras, decoders, libraries : tuple of CheckResult
        Extras of `cxr`, packages that decode images, and CUDA libraries.
    folders : tuple of CheckResult
        The cache folders.
    telemetry : tuple of CheckResult
        For each package with telemetry whether it is off.
    faults : tuple of str
        What keeps `cxr-infer`, or a provider that was asked for, from working; each with what to do.
    warnings : tuple of str
        What makes it slower or may break.
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
    telemetry: tuple[CheckResult, ...]
    faults: tuple[str, ...]
    warnings: tuple[str, ...]


def diagnose(required: Sequence[str] = ()) -> Diagnosis:
    """Check everything that decides whether `cxr-infer` works here.

    Parameters
    ----------
    required : sequence of str
        Providers that must work: one that does not is a fault.

    Returns
    -------
    Diagnosis

    Raises
    ------
    ProviderError
        If there is no provider of a name.
    """
    for name in required:
        if name not in PROVIDERS:
            raise unknown_provider_error(name, tuple(PROVIDERS))
    machine = describe_machine()
    with ThreadPoolExecutor(usable_cores()) as pool:
        providers_checked = pool.map(check_provider, PROVIDERS)
        modules_checked = pool.map(check_module, MODULES)
        kernels = pool.submit(check_kernels)
        providers, modules = tuple(providers_checked), tuple(modules_checked)
        folders = (kernels.result(), check_cache())
    return Diagnosis(
        python=platform.python_version(),
        platform=platform.platform(),
        versions=all_versions(),
        machine=machine,
        providers=providers,
        modules=modules,
        extras=tuple(map(check_extra, extras())),
        decoders=tuple(map(check_decoder, DECODERS)),
        libraries=check_libraries(),
        folders=folders,
        telemetry=check_telemetry(),
        faults=tuple(_faults(providers, modules, machine, required)),
        warnings=tuple(_warnings(providers, folders, machine, required)),
    )


def _faults(
    providers: Sequence[CheckResult],
    modules: Sequence[CheckResult],
    machine: Machine,
    required: Sequence[str],
) -> Iterator[str]:
    yield from environment_faults()
    if overlap := describe_overlap("onnxruntime", has_gpu=bool(machine.cards)):
        yield overlap
    if needed := missing_requirements():
        quoted = " ".join(f'"{requirement}"' for requirement in needed)
        yield f"cxr needs {format_requirements(needed)}; run: {pip_command()} install {quoted}"
    for module in modules:
        # A module whose package is not installed was already reported above.
        if not module.works and installed_version(MODULES[module.name]):
            yield f"{module.name} cannot be imported: {module.detail}"
    for provider in providers:
        # The CPU is always required: `auto` falls back to it, and other providers are compared with it.
        if not provider.works and provider.name in {CPU, *required}:
            yield f"{provider.name}: {provider.detail}"


def _warnings(
    providers: Sequence[CheckResult],
    folders: Sequence[CheckResult],
    machine: Machine,
    required: Sequence[str],
) -> Iterator[str]:
    for module in ("cv2", "xgboost"):
        if overlap := describe_overlap(module, has_gpu=bool(machine.cards)):
            yield overlap
    for provider in providers:
        if provider.name == "cuda" and not provider.works and machine.cards and "cuda" not in required:
            yield f"{machine.cards[0]} is not used: cuda: {provider.detail}"
    for folder in folders:
        if not folder.works:
            yield f"{folder.name}: {folder.detail}"
