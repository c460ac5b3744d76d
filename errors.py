"""One root for every error that `cxr` raises on purpose, and the exit codes of its commands."""

from __future__ import annotations

from enum import IntEnum


class ExitCode(IntEnum):
    """What every command's exit status means."""

    DONE = 0
    ERROR = 1
    USAGE = 2
    SOME_FAILED = 3


class CxrError(Exception):
    """Root of the errors whose message is written for a user: what was wrong, where, and what to do."""


class InputError(CxrError, ValueError):
    """A file, folder, table or argument that was given cannot be used."""


class DecodeError(InputError):
    """A file is not an image that can be read as a radiograph; in a run over a folder it is set aside."""


class ModelError(CxrError):
    """A model file, its card or its weights cannot be used."""


class ProviderError(CxrError):
    """An execution provider was asked for that cannot run here."""


class EngineError(CxrError):
    """A runtime cannot load a model, or not with the provider asked for; the text is the cause."""


class OutputError(CxrError):
    """A result cannot be written, or would mix with that of another run."""


class MachineError(CxrError):
    """The machine cannot go on, for want of memory or files or processes; no image is to blame for it."""


class MissingExtraError(CxrError, ImportError):
    """A package that an optional part of `cxr` needs is not installed."""
