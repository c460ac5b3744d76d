"""What is installed, by the metadata of packages alone: nothing is imported."""

from __future__ import annotations

from collections.abc import Iterable
from importlib.metadata import PackageNotFoundError, metadata, packages_distributions, requires, version

from packaging.requirements import Requirement

PACKAGE = "cxr"
RUNTIMES = ("onnxruntime", "onnxruntime-gpu", "onnxruntime-directml", "openvino", "tensorrt")

_NOT_FOR_USERS = frozenset({"all", "test", "dev"})


def installed_version(package: str) -> str | None:
    """Give the version of a package; None where it is not installed."""
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def versions(packages: Iterable[str]) -> dict[str, str]:
    """Give the versions of those of some packages that are installed."""
    found = {name: installed_version(name) for name in packages}
    return {name: number for name, number in found.items() if number is not None}


def all_versions() -> dict[str, str]:
    """Give the versions of `cxr` and of every package that it or an extra requires, where installed."""
    names = {requirement.name for extra in ("", *extras()) for requirement in _requirements(extra)}
    return versions((PACKAGE, *sorted(names | {*RUNTIMES})))


def extras() -> tuple[str, ...]:
    """Name the extras of `cxr` that are for its users."""
    named = metadata(PACKAGE).get_all("Provides-Extra") or []
    return tuple(name for name in named if name not in _NOT_FOR_USERS)


def missing(extra: str = "") -> dict[str, str | None]:
    """Find what an extra of `cxr` (by default `cxr` itself) needs and does not have.

    Returns
    -------
    dict of str to str or None
        Each such requirement, as in "numpy>=2.2", with the version that is installed in its place.
    """
    found = {}
    for requirement in _requirements(extra):
        number = installed_version(requirement.name)
        if number is None or not requirement.specifier.contains(number, prereleases=True):
            found[f"{requirement.name}{requirement.specifier}"] = number
    return found


def distributions_of(module: str) -> tuple[str, ...]:
    """Name the packages that bring a module: of several, the last has written over the others' files."""
    return tuple(sorted(set(packages_distributions().get(module, ()))))


def _requirements(extra: str) -> list[Requirement]:
    """List what an extra needs beyond `cxr` itself, or what that needs."""
    listed = [Requirement(line) for line in requires(PACKAGE) or ()]
    return [one for one in listed if _asked(one, extra) and not (extra and _asked(one, ""))]


def _asked(requirement: Requirement, extra: str) -> bool:
    return requirement.marker is None or requirement.marker.evaluate({"extra": extra})
