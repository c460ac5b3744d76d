"""Find packages that install the same module and so overwrite each other's files."""

from __future__ import annotations

from collections.abc import Sequence

from ...machine.extras import pip_command
from ...machine.packages import distributions_of, required_packages

GPU_WHEEL = "onnxruntime-gpu"


def describe_overlap(module: str, *, has_gpu: bool) -> str | None:
    """Describe an overlapping installation of a module, with the command that repairs it.

    Parameters
    ----------
    module : str
        Such as `xgboost`, which the packages `xgboost` and `xgboost-cpu` both install.
    has_gpu : bool
        Whether an NVIDIA GPU was found: it decides which wheel of ONNX Runtime stays.

    Returns
    -------
    str or None
        None if at most one installed package contains the module.
    """
    packages = distributions_of(module)
    if len(packages) < 2:
        return None
    names = ", ".join(packages[:-1]) + f" and {packages[-1]}"
    pip = pip_command()
    return (
        f"{names} are installed together and have overwritten each other's files; "
        f"run: {pip} uninstall -y {' '.join(packages)} && {pip} install {_package_to_keep(packages, has_gpu)}"
    )


def _package_to_keep(packages: Sequence[str], has_gpu: bool) -> str:
    if GPU_WHEEL in packages and has_gpu:
        return f'"{GPU_WHEEL}[cuda,cudnn]"'
    required = required_packages()
    used = [package for package in packages if package in required and package != GPU_WHEEL]
    return next(iter(used), packages[0])
