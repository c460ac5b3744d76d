"""The errors that `cxr` raises on purpose, all derived from `CxrError`, and its exit codes."""

from __future__ import annotations

from collections.abc import Iterable
from enum import IntEnum


class ExitCode(IntEnum):
    """The exit codes of every command."""

    DONE = 0
    ERROR = 1
    USAGE = 2
    SOME_FAILED = 3
    INTERRUPTED = 130


class CxrError(Exception):
    """Base of all errors whose message is written for users: the file, what was wrong, and what to do."""


class InputError(CxrError, ValueError):
    """A file, folder, table or argument that was given cannot be used."""


class DecodeError(InputError):
    """A file cannot be read as a radiograph; a run over a folder records it in failures.csv and continues."""


class ModelError(CxrError):
    """A model file, its card or its weights cannot be used."""


class ProviderError(CxrError):
    """A requested execution provider cannot be used on this machine."""


class EngineError(CxrError):
    """A runtime cannot load a model, or not with the provider asked for; the text is the cause."""


class OutputError(CxrError):
    """A result cannot be written, or would be mixed with that of another run."""


class MachineError(CxrError):
    """The machine is out of memory, file handles or processes; this is not the failure of an image."""


class MissingExtraError(CxrError, ImportError):
    """A package that an optional part of `cxr` needs is not installed."""


def suggestion(name: str, known: Iterable[str], what: str = "") -> str:
    """Return how the message about an unknown name goes on: with the nearest known name, "" if none is near.

    Examples
    --------
    >>> suggestion("leson", ["lung", "lesion"])
    "; did you mean 'lesion'?"
    """
    from difflib import get_close_matches

    close = get_close_matches(name, list(known), n=1)
    return f"; did you mean {what}{close[0]!r}?" if close else ""
