"""Installed packages, by their metadata alone: nothing is imported."""

from __future__ import annotations

from collections.abc import Iterable
from importlib.metadata import PackageNotFoundError, metadata, packages_distributions, requires, version

from packaging.requirements import Requirement

PACKAGE = "cxr"
RUNTIMES = ("onnxruntime", "onnxruntime-gpu", "onnxruntime-directml", "openvino", "tensorrt")

_NOT_FOR_USERS = frozenset({"all", "test", "dev"})


def installed_version(package: str) -> str | None:
    """Return the version of a package; None if it is not installed."""
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def versions(packages: Iterable[str]) -> dict[str, str]:
    """Return the versions of those packages that are installed."""
    found = {name: installed_version(name) for name in packages}
    return {name: number for name, number in found.items() if number is not None}


def all_versions() -> dict[str, str]:
    """Return the versions of `cxr` and of every installed package that it or one of its extras requires."""
    return versions((PACKAGE, *sorted(required_packages() | {*RUNTIMES})))


def required_packages() -> frozenset[str]:
    """Return the names of the packages that `cxr` or one of its extras requires on this system."""
    return frozenset(requirement.name for extra in ("", *extras()) for requirement in _requirements(extra))


def extras() -> tuple[str, ...]:
    """Return the extras of `cxr` meant for users."""
    provided = metadata(PACKAGE).get_all("Provides-Extra") or []
    return tuple(name for name in provided if name not in _NOT_FOR_USERS)


def missing_requirements(extra: str = "") -> dict[str, str | None]:
    """Find the requirements of an extra of `cxr` (by default of `cxr` itself) that are not satisfied.

    Returns
    -------
    dict of str to str or None
        Each such requirement, such as "numpy>=2.2", with the installed version that does not satisfy it.
    """
    unsatisfied = {}
    for requirement in _requirements(extra):
        number = installed_version(requirement.name)
        if number is None or not requirement.specifier.contains(number, prereleases=True):
            unsatisfied[f"{requirement.name}{requirement.specifier}"] = number
    return unsatisfied


def extra_requirements(extra: str) -> tuple[str, ...]:
    """Return what an extra of `cxr` installs on this system, such as "onnxruntime-gpu[cuda]>=1.24"."""
    return tuple(
        one.name + (f"[{','.join(sorted(one.extras))}]" if one.extras else "") + str(one.specifier)
        for one in _requirements(extra)
    )


def distributions_of(module: str) -> tuple[str, ...]:
    """Return the packages that install a module; if there are several, they overwrite each other's files."""
    return tuple(sorted(set(packages_distributions().get(module, ()))))


def _requirements(extra: str) -> list[Requirement]:
    """Return the requirements of `cxr`, or those that an extra adds."""
    listed = [Requirement(line) for line in requires(PACKAGE) or ()]
    return [one for one in listed if _applies(one, extra) and not (extra and _applies(one, ""))]


def _applies(requirement: Requirement, extra: str) -> bool:
    return requirement.marker is None or requirement.marker.evaluate({"extra": extra})
