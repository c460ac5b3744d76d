"""Atomic writes: a file is written under a temporary name and renamed once it is complete.

Names that are not UTF-8 are written as in `paths.printable`, whatever text they are part of.
"""

from __future__ import annotations

import errno
import glob
import json
import math
import os
import re
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import get_ident
from typing import Any

from ..errors import MachineError, OutputError
from .paths import on_disk, printable

_UNDECODABLE = re.compile("[\ud800-\udfff]")

_NO_FILE = "a device, a pipe or a socket"

_MAX_STEM = 180
"""Bytes; file systems allow 255 for a name."""


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Yield a temporary path next to `path`; on success the file is synced and replaces `path`.

    The temporary name keeps the suffix of `path`, since many writers choose the format by it.

    Raises
    ------
    OutputError
        If the folder cannot be created or written.
    """
    _check_kind(path)
    make_folder(path.parent)
    temporary = _temporary_name(path)
    try:
        yield temporary
        with temporary.open("r+b") as handle:  # Windows syncs only what may be written
            os.fsync(handle.fileno())
        temporary.replace(path)
    except OSError as error:
        if error.filename not in (None, str(temporary)):  # an error of another file keeps its own message
            raise
        raise OutputError(f"{path}: cannot be written ({error.strerror or error})") from error
    finally:
        temporary.unlink(missing_ok=True)


def remove_temporary_files(path: Path) -> None:
    """Remove the temporary files that killed processes left for a file, or for all files of a folder."""
    if path.is_dir():
        found = list(path.rglob(".*.part-*"))
    else:
        found = list(path.parent.glob(f".{glob.escape(_short(path.stem))}.part-*{glob.escape(path.suffix)}"))
    for temporary in found:
        temporary.unlink(missing_ok=True)


def write_text(path: Path, text: str) -> None:
    """Write `text` to `path` as UTF-8, atomically; line ends are the same on every system."""
    with replacing(path) as temporary:
        temporary.write_text(text, encoding="utf-8", errors="backslashreplace", newline="\n")


def write_json(path: Path, value: Any) -> None:
    """Write `value` to `path` as indented JSON, atomically; numbers that JSON lacks become null."""
    write_text(path, json_text(_strict(value)) + "\n")


def json_text(value: Any) -> str:
    """Return `value` as indented JSON that any program can read."""
    text = json.dumps(value, indent=2, ensure_ascii=False)
    # A single backslash would begin an escape of JSON, for half a character that many programs reject.
    return _UNDECODABLE.sub(lambda match: f"\\{printable(match[0])}", text)


def _strict(value: Any) -> Any:
    """Make a value strict JSON: texts as keys, null for the numbers that JSON lacks."""
    if isinstance(value, dict):
        return {str(key): _strict(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_strict(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def read_file(path: Path) -> bytes:
    """Read a whole file; a pipe or a device, which may never end, is rejected.

    Raises
    ------
    OSError
        If it cannot be read; EINVAL, "not a file", for a pipe, a device or a socket.
    """
    check_is_file(path)
    return path.read_bytes()


def check_is_file(path: Path) -> None:
    """Check that a path exists and is no pipe, device or socket, on which reading may never end.

    Raises
    ------
    OSError
        With EINVAL for such a file.
    """
    mode = path.stat().st_mode
    if not (stat.S_ISREG(mode) or stat.S_ISDIR(mode)):
        raise OSError(errno.EINVAL, f"{_NO_FILE}, not a file", str(path))


def check_output_file(path: Path) -> None:
    """Check before long work that a file can be written where its result belongs.

    Raises
    ------
    OutputError
        If `path` is a folder, a device, a pipe or a socket, or lies in a folder that cannot be written or is
        a file.
    """
    _check_kind(path)
    parents = path.absolute().parents
    folder = next((one for one in parents if one.exists()), parents[-1])
    if not folder.is_dir():
        raise OutputError(f"{path}: cannot be written ({folder} is a file, not a folder)")
    if not os.access(folder, os.W_OK | os.X_OK):
        raise OutputError(f"{path}: cannot be written (no permission to write in {folder})")


def _check_kind(path: Path) -> None:
    """Check that a path is a file or nothing: a device or pipe, such as /dev/null, must never be replaced."""
    try:
        mode = path.stat().st_mode
    except (FileNotFoundError, NotADirectoryError):
        return
    except OSError as error:
        raise OutputError(f"{path}: cannot be written ({error.strerror})") from error
    if stat.S_ISDIR(mode):
        raise OutputError(f"{path}: is a folder; name a file")
    if not stat.S_ISREG(mode):
        raise OutputError(f"{path}: is {_NO_FILE}; name a file")


@contextmanager
def scratch_folder(parent: Path | None = None) -> Iterator[Path]:
    """Create a temporary folder, and remove it after the block.

    Parameters
    ----------
    parent : Path, optional
        By default the system's folder of temporary files.

    Raises
    ------
    MachineError
        If it cannot be created.
    """
    from tempfile import TemporaryDirectory  # loads modules that `--help` does not need

    try:
        folder = TemporaryDirectory(prefix="cxr-", dir=parent)
    except OSError as error:
        cause = error.strerror or str(error)
        raise MachineError(f"no temporary folder can be created ({cause}); set TMPDIR to one") from error
    with folder as path:
        yield Path(path)


def _temporary_name(path: Path) -> Path:
    return path.with_name(f".{_short(path.stem)}.part-{os.getpid()}-{get_ident():x}{path.suffix}")


def _short(stem: str) -> str:
    """Cut a name so that a temporary name is never too long where the name itself is not."""
    return on_disk(os.fsencode(stem)[:_MAX_STEM].decode("utf-8", "ignore"))


def make_folder(path: Path) -> Path:
    """Create a folder and its parents.

    Raises
    ------
    OutputError
        If it cannot be created.
    """
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        exists = isinstance(error, FileExistsError)
        cause = "a file or a broken link of this name exists" if exists else error.strerror
        raise OutputError(f"{path}: this folder cannot be created ({cause})") from error
    return path
