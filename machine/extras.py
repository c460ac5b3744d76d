"""Import packages that only an extra of `cxr` installs; one-line errors if they are missing."""

from __future__ import annotations

from importlib import import_module
from types import ModuleType

from ..errors import MissingExtraError


def require(module: str, *, extra: str) -> ModuleType:
    """Import a module that an extra of `cxr` installs.

    Parameters
    ----------
    module : str
        Dotted name of the module.
    extra : str
        The extra of `cxr` that installs it, as in ``pip install "cxr[train]"``.

    Raises
    ------
    MissingExtraError
        If the module, or one that it needs, is not installed.
    """
    try:
        return import_module(module)
    except ModuleNotFoundError as error:
        raise MissingExtraError(f'{error.name} is not installed; run: pip install "cxr[{extra}]"') from error
