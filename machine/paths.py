"""Paths as text: names on disk are bytes, and those of old archives are often not UTF-8."""

from __future__ import annotations

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


def path_of(text: str) -> Path:
    r"""Return the path whose name `printable` wrote."""
    path = Path(text)
    if "\\udc" not in text or path.exists():
        return path
    return Path(_ESCAPED_BYTE.sub(lambda match: chr(0xDC00 + int(match[1], 16)), text))
