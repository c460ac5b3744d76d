"""The output folder: results are written to a temporary folder inside it, then moved to their place.

An analysis replaces the files of an earlier one, which `analysis.json` lists. Files of these names that no
analysis wrote, and the tables that are analyzed, are never replaced.
"""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import msgspec

from ...errors import OutputError
from ...machine.files import make_folder

RECORD = "analysis.json"
"""The file that lists what an analysis wrote."""

_PREFIX = ".part-"


class _Record(msgspec.Struct):
    """What every record of an analysis holds; another program's analysis.json does not."""

    target: str
    scores: list[object]
    versions: dict[str, str]
    files: list[str]


@contextmanager
def staged_outputs(out: Path, names: Sequence[str], *, inputs: Iterable[Path] = ()) -> Iterator[Path]:
    """Yield an empty folder; on success its files move to `out`, and other files of an earlier analysis go.

    Parameters
    ----------
    out : Path
        The output folder; it is made where it is missing.
    names : sequence of str
        The names of the files that will be written.
    inputs : iterable of Path
        Files that must not be replaced even if an earlier analysis wrote them.

    Raises
    ------
    OutputError
        On entry, so before any work, if `out` cannot be made or written, or holds a file of one of the names
        that no analysis wrote or that is an input.
    """
    make_folder(out)
    _reject_foreign_files(out, names, inputs)
    try:
        stage = Path(tempfile.mkdtemp(prefix=_PREFIX, dir=out))
    except OSError as error:
        raise OutputError(f"{out}: cannot be written ({error.strerror or error})") from error
    try:
        yield stage
        _move(stage, out)
    except OSError as error:
        raise OutputError(
            f"{error.filename or out}: cannot be written ({error.strerror or error})"
        ) from error
    finally:
        shutil.rmtree(stage, ignore_errors=True)


def _move(stage: Path, out: Path) -> None:
    interrupted = _interrupted(out, stage)
    earlier = {name for record in (out, *interrupted) for name in _files_of(record)}
    written = sorted(path.name for path in stage.iterdir())
    # The record moves last: while files are missing from `out`, the stage's record lists them.
    for name in sorted(written, key=lambda name: name == RECORD):
        (stage / name).replace(out / name)
    for name in earlier - set(written):
        if (out / name).is_file():
            (out / name).unlink()
    for folder in interrupted:
        shutil.rmtree(folder, ignore_errors=True)


def _reject_foreign_files(out: Path, names: Sequence[str], inputs: Iterable[Path]) -> None:
    own = {name for folder in (out, *_interrupted(out)) for name in _files_of(folder)}
    protected = [path for path in inputs if path.exists()]
    for name in names:
        path = out / name
        if not os.path.lexists(path):
            continue
        if name not in own or path.is_dir():
            raise OutputError(
                f"{path}: exists and was not written by cxr-analyze; move it, or choose another --out"
            )
        if any(path.exists() and path.samefile(table) for table in protected):
            raise OutputError(f"{path}: is a table of this analysis; choose another --out")


def _interrupted(out: Path, stage: Path | None = None) -> list[Path]:
    """Find the folders of analyses that were killed while their files moved: they still hold the record."""
    return [folder for folder in out.glob(f"{_PREFIX}*") if folder != stage and (folder / RECORD).is_file()]


def _files_of(folder: Path) -> list[str]:
    """List the files that the record in a folder names; none where it is missing or another program's."""
    try:
        record = msgspec.convert(json.loads((folder / RECORD).read_bytes()), _Record)
    except (OSError, ValueError):  # msgspec.ValidationError derives from ValueError
        return []
    return [name for name in record.files if Path(name).name == name]
