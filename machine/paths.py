"""Paths as text: names on disk are bytes, and those of old archives are often not UTF-8."""

from __future__ import annotations

import os
import re
from pathlib import Path

_ESCAPED_BYTE = re.compile(r"\\udc([89a-f][0-9a-f])")


def printable(text: Path | str) -> str:
    r"""Write the bytes of a name that are not UTF-8 as `\udcXX`, so that every file and terminal can hold it.

    Examples
    --------
    >>> print(printable("Aufn\udce4hme"))
    Aufn\udce4hme
    """
    return str(text).encode("utf-8", "backslashreplace").decode("utf-8")


def in_utf_8(path: Path | str) -> str:
    """Return a path or a name as text that is the same in every locale: the bytes on disk, read as UTF-8.

    The system's own text of a path depends on the locale of the process.
    """
    return printable(os.fsencode(path).decode("utf-8", "surrogateescape"))


def on_disk(name: str) -> str:
    """Return the system's text of the file whose name on disk is `name` in UTF-8; see `in_utf_8`."""
    return os.fsdecode(name.encode("utf-8"))


def path_of(text: str) -> Path:
    r"""Return the path whose name `printable` wrote."""
    path = Path(text)
    if "\\udc" not in text or path.exists():
        return path
    return Path(_ESCAPED_BYTE.sub(lambda match: chr(0xDC00 + int(match[1], 16)), text))
