"""The output folder: results are written to a temporary folder inside it, then moved to their place."""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ..errors import OutputError
from ..machine.files import make_folder

RECORD = "analysis.json"
"""The file that lists what an analysis wrote."""


@contextmanager
def staged_outputs(out: Path) -> Iterator[Path]:
    """Yield an empty folder; on success its files move to `out` and an earlier analysis' files are removed.

    Raises
    ------
    OutputError
        On entry if `out` cannot be made or written, so before any work.
    """
    make_folder(out)
    try:
        stage = Path(tempfile.mkdtemp(prefix=".part-", dir=out))
    except OSError as error:
        raise OutputError(f"{out}: cannot be written ({error.strerror or error})") from error
    try:
        yield stage
        earlier = _files_of(out / RECORD)
        written = sorted(path.name for path in stage.iterdir())
        # The record moves last: it marks the files as those of one analysis.
        for name in sorted(written, key=lambda name: name == RECORD):
            (stage / name).replace(out / name)
        for name in set(earlier) - set(written):
            (out / name).unlink(missing_ok=True)
    except OSError as error:
        raise OutputError(
            f"{error.filename or out}: cannot be written ({error.strerror or error})"
        ) from error
    finally:
        shutil.rmtree(stage, ignore_errors=True)


def _files_of(record: Path) -> list[str]:
    if not record.is_file():
        return []
    try:
        names = json.loads(record.read_text(encoding="utf-8"))["files"]
        return [name for name in names if Path(name).name == name]
    except (ValueError, KeyError, TypeError) as error:
        raise OutputError(
            f"{record}: is not the record of an analysis ({error}); choose another --out"
        ) from error
