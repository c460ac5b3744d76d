"""Which files of an output folder a run of cxr-infer wrote: no other file is ever overwritten or removed."""

from __future__ import annotations

import csv
import os
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from ...errors import InputError, OutputError
from ...machine.paths import in_utf_8
from ..records import ImageFile
from .contents import Entry
from .manifest import MANIFEST, REPORT
from .mask_formats import mask_files
from .masks import MASKS, MaskFormat
from .overlays import OVERLAYS, overlay_path
from .parquet import parquet_path
from .tables import COMPONENTS, FAILURES, FEATURES, MASK_TABLE, read_rows

_OLDER_TABLES = (FEATURES, COMPONENTS, FAILURES, MASK_TABLE, "lesions.csv")


@dataclass(frozen=True)
class RunFiles:
    """The files that a run writes, as its manifest lists them.

    Attributes
    ----------
    out : Path
        The output folder.
    names : frozenset of str
        The tables, the report and the manifest.
    mask_format : MaskFormat or None
    classes : tuple of str
        The classes of the masks.
    overlays : bool
    """

    out: Path
    names: frozenset[str]
    mask_format: MaskFormat | None
    classes: tuple[str, ...]
    overlays: bool

    @classmethod
    def of(cls, out: Path, manifest: Mapping[str, Any]) -> RunFiles:
        """Read the files from a manifest; one of an older version lists no names."""
        identity = manifest["identity"]
        mask_format = identity.get("masks")
        names = manifest.get("outputs")
        return cls(
            out=out,
            names=frozenset(_older_names(manifest) if names is None else names),
            mask_format=MaskFormat(mask_format) if mask_format in set(MaskFormat) else None,
            classes=tuple(manifest["model"]["classes"]),
            overlays=bool(identity.get("overlays")),
        )

    @property
    def folders(self) -> tuple[str, ...]:
        """The folders of the masks and overlays."""
        has_masks = self.mask_format in (MaskFormat.PNG, MaskFormat.DICOM_SEG)
        return (MASKS,) * has_masks + (OVERLAYS,) * self.overlays

    def of_image(self, key: str) -> Iterator[Path]:
        """Yield the paths of an image's masks and overlay."""
        yield from mask_files(self.mask_format, self.out, key, self.classes)
        if self.overlays:
            yield overlay_path(self.out, key)

    def remove(self, keys: Iterable[str]) -> None:
        """Remove the masks and overlays of images.

        Raises
        ------
        OutputError
            If one cannot be removed.
        """
        if self._has_files():
            for key in keys:
                for path in self.of_image(key):
                    remove_file(path)

    def check_free(
        self, keys: Iterable[str], earlier: RunFiles | None = None, owned: Collection[str] = ()
    ) -> None:
        """Check that no file that this run would write exists, unless an earlier run wrote it.

        Parameters
        ----------
        keys : iterable of str
            The images that this run would write masks and overlays of.
        earlier : RunFiles, optional
            The files of the earlier run.
        owned : collection of str
            The images that the earlier run wrote masks and overlays of.

        Raises
        ------
        OutputError
            Naming the first file that no run wrote.
        """
        for name in sorted(self.names - (earlier.names if earlier else frozenset())):
            _check_absent(self.out / name)
        if not self._has_files():
            return
        for folder in {*map(self.out.joinpath, self.folders), *(path.parent for path in self.of_image("x"))}:
            if not folder.is_dir():
                _check_absent(folder)
        for key in keys:
            own = set(earlier.of_image(key)) if earlier and key in owned else set()
            for path in self.of_image(key):
                if path not in own:
                    _check_absent(path)

    def _has_files(self) -> bool:
        return any(os.path.lexists(self.out / folder) for folder in self.folders)


def without_outputs(
    entries: Sequence[Entry],
    root: Path,
    out: Path,
    mask_format: MaskFormat | None,
    classes: Iterable[str],
    *,
    overlays: bool,
) -> tuple[Entry, ...]:
    """Leave out the files in the folders that a run is going to write masks and overlays into.

    Otherwise they would be images in its first call, and outputs in the next ones.

    Parameters
    ----------
    entries : sequence of ImageFile or Failure
    root, out : Path
        The input and the output folder.
    mask_format : MaskFormat or None
    classes : iterable of str
        The classes of the masks.
    overlays : bool
        Whether the run writes overlays.

    Raises
    ------
    InputError
        If the input folder is one of them, or nothing is left.
    """
    folders = [OVERLAYS] if overlays else []
    if mask_format is MaskFormat.PNG:
        folders += [f"{MASKS}/{name}" for name in classes]
    elif mask_format is MaskFormat.DICOM_SEG:
        folders.append(MASKS)
    top = {out.resolve() / folder.partition("/")[0] for folder in folders}
    if top & {root.resolve(), *root.resolve().parents}:
        raise InputError(
            f"{root}: is where this run would write its masks and overlays; choose another --out"
        )
    try:
        prefix = out.resolve().relative_to(root.resolve())
    except ValueError:
        return tuple(entries)
    own = tuple(f"{in_utf_8(prefix / folder)}/" for folder in folders)
    kept = tuple(entry for entry in entries if not entry.key.startswith(own))
    if not any(isinstance(entry, ImageFile) for entry in kept):
        raise InputError(f"{root}: no images in this folder but those in {', '.join(folders)} of --out")
    return kept


def listed_keys(out: Path) -> set[str]:
    """Return the images that the tables of an output folder have rows of, where no journal lists them."""
    keys: set[str] = set()
    for table, column in ((FEATURES, "image"), (FAILURES, "path")):
        try:
            keys |= {row.get(column) or "" for row in read_rows(out / table)}
        except (OSError, UnicodeDecodeError, csv.Error):
            continue  # a table that cannot be read lists nothing
    return {key for key in keys if key and ".." not in PurePosixPath(key).parts and not key.startswith("/")}


def remove_file(path: Path) -> None:
    """Remove a file; one that does not exist is no error.

    Raises
    ------
    OutputError
        If it cannot be removed.
    """
    try:
        path.unlink()
    except OSError as error:
        if os.path.lexists(path):
            raise OutputError(f"{path}: cannot be removed ({error.strerror})") from error


def _check_absent(path: Path) -> None:
    if os.path.lexists(path):
        raise OutputError(
            f"{path}: exists already, but not from a cxr-infer run, so it is not overwritten; "
            "move it away, or choose another --out"
        )


def _older_names(manifest: Mapping[str, Any]) -> set[str]:
    tables = set(_OLDER_TABLES)
    arguments = manifest.get("arguments") or {}
    parquet = {parquet_path(Path(name)).name for name in tables} if arguments.get("parquet") else set()
    return {MANIFEST, REPORT, *tables, *parquet}
