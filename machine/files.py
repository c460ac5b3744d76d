"""Write beside, then rename: a file stands in its final place whole or not at all."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from ..errors import OutputError


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Give a temporary path beside `path`; on success it is synced and takes the place of `path`.

    The temporary name keeps the suffix of `path`, since many writers choose the format by it.

    Raises
    ------
    OutputError
        If the folder cannot be made or written.
    """
    make_folder(path.parent)
    beside = path.with_name(f".{path.stem}.part-{os.getpid()}{path.suffix}")
    try:
        yield beside
        with beside.open("r+b") as handle:  # Windows syncs only what may be written
            os.fsync(handle.fileno())
        beside.replace(path)
    except OSError as error:
        if error.filename not in (None, str(beside)):  # another file's trouble is not ours to rename
            raise
        raise OutputError(f"{path}: cannot be written ({error.strerror or error})") from error
    finally:
        beside.unlink(missing_ok=True)


def write_text(path: Path, text: str) -> None:
    """Write `text` to `path` as UTF-8, whole or not at all."""
    with replacing(path) as beside:
        beside.write_text(text, encoding="utf-8")


def write_json(path: Path, value: Any) -> None:
    """Write `value` to `path` as indented JSON, whole or not at all."""
    write_text(path, json.dumps(value, indent=2, ensure_ascii=False) + "\n")


def make_folder(path: Path) -> Path:
    """Make a folder and its parents, or say in one line why not."""
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(f"{path}: cannot make this folder ({error.strerror})") from error
    return path
