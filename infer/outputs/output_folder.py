"""Take over an output folder: resume the run that is there, or begin a new one in place of it."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from ...errors import OutputError
from ...machine.files import remove_temporary_files, write_json
from .journal import Journal
from .manifest import MANIFEST
from .masks import MASKS
from .overlays import OVERLAYS
from .ownership import RunFiles, listed_keys, remove_file
from .parquet import digest_of_parquet, parquet_path
from .tables import FEATURES, read_rows


def resume_or_begin(
    journal: Journal,
    files: RunFiles,
    manifest: Mapping[str, Any],
    earlier: Mapping[str, Any] | None,
    keys: Collection[str],
    *,
    overwrite: bool,
) -> None:
    """Open the tables of the earlier run, or create new ones.

    Parameters
    ----------
    journal : Journal
    files : RunFiles
        What this run writes.
    manifest : mapping
        The description of this run.
    earlier : mapping or None
        That of the earlier run.
    keys : collection of str
        The images in the folder.
    overwrite : bool
        Replace the earlier run instead of resuming it.

    Raises
    ------
    OutputError
        If this run would overwrite a file that no run wrote, or the earlier run cannot be resumed.
    """
    for name in files.names - journal.tables:
        remove_temporary_files(files.out / name)
    if earlier is None:
        files.check_free(keys)
        _begin(journal, files, manifest)
        return
    for folder in (MASKS, OVERLAYS):
        remove_temporary_files(files.out / folder)
    before = RunFiles.of(files.out, earlier)
    if not overwrite and journal.resume():
        files.check_free(set(keys) - journal.ledger.known, before)
        _check_parquet(files, journal)
        _check_folders(files)
        files.remove(journal.ledger.dropped)
    else:
        _replace(journal, files, manifest, before, keys)


def _replace(
    journal: Journal, files: RunFiles, manifest: Mapping[str, Any], before: RunFiles, keys: Collection[str]
) -> None:
    """Remove what the earlier run wrote, and begin.

    The order matters: no kill in between leaves this run's manifest with the earlier run's journal, or rows
    whose masks are gone.
    """
    owned = journal.read().known or listed_keys(files.out)
    files.check_free(keys, before, owned)
    journal.discard()
    before.remove(owned)
    for name in before.names - journal.tables - {MANIFEST}:
        remove_file(files.out / name)
    journal.clear()
    _begin(journal, files, manifest)


def _begin(journal: Journal, files: RunFiles, manifest: Mapping[str, Any]) -> None:
    write_json(files.out / MANIFEST, manifest)
    journal.begin()


def _check_parquet(files: RunFiles, journal: Journal) -> None:
    for name in journal.tables:
        path = parquet_path(files.out / name)
        if path.name in files.names and digest_of_parquet(files.out / name) == "":
            raise OutputError(
                f"{path}: was written by another program since; move it away, or choose another --out"
            )


def _check_folders(files: RunFiles) -> None:
    """Check that masks and overlays were not left behind when the tables were copied."""
    has_rows = next(read_rows(files.out / FEATURES), None) is not None
    for folder in files.folders:
        if has_rows and not (files.out / folder).is_dir():
            raise OutputError(
                f"{files.out / folder}: is missing, though a run wrote it here; restore it, choose another "
                "--out, or give --overwrite"
            )
