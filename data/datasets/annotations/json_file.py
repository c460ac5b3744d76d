"""Read a JSON file into records of a known form; `.gz` too."""

from __future__ import annotations

import gzip
import zlib
from pathlib import Path
from typing import TypeVar

import msgspec

from ....errors import InputError
from ....machine.files import read_file

T = TypeVar("T")

_GZIP = b"\x1f\x8b"


def read_json(path: Path, kind: type[T], what: str) -> T:
    """Read a JSON file of a given form.

    Parameters
    ----------
    path : Path
    kind : type
        What msgspec is to decode it as.
    what : str
        What the file should be, for the error.

    Raises
    ------
    InputError
        If it cannot be read or has another form; it names the file and the place.
    """
    try:
        data = read_file(path)
        if data.startswith(_GZIP):
            data = gzip.decompress(data)
        return msgspec.json.decode(data, type=kind)
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise InputError(f"{path}: this compressed file is damaged ({error})") from error
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror or error})") from error
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise InputError(f"{path}: not {what} ({error})") from error
