"""`run.json` of `cxr measure`: what was measured, and how."""

from __future__ import annotations

import hashlib
import json
import os
import platform
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import msgspec

from ...data.pseudonym import pseudonym
from ...errors import OutputError
from ...machine.packages import versions
from ..outputs.journal import JOURNAL
from ..outputs.manifest import MANIFEST, REPORT
from ..outputs.parquet import parquet_path
from ..outputs.tables import MASK_TABLE
from ..records import ImageFile
from .config import MeasureConfig, labels_record
from .tables import TABLES

KIND = "measure"
"""Tells this run.json from that of `cxr-infer`."""

_PACKAGES = ("cxr", "numpy", "opencv-python-headless", "numba", "pydicom")


@dataclass(frozen=True)
class Identity:
    """What the results depend on, apart from the content of the files: another run is never replaced."""

    masks: str
    images: str | None
    class_name: str | None
    values: Mapping[str, str] | None
    lung_classes: list[str]
    min_area: int
    max_pixels: int
    salt: str | None
    patient_from: str | None

    @classmethod
    def of(cls, masks: Path, config: MeasureConfig) -> Identity:
        """Identify a run; the salt by the pseudonym of an empty name."""
        salt = config.decoding.salt
        return cls(
            masks=str(masks.resolve()),
            images=None if config.images is None else str(Path(config.images).resolve()),
            class_name=config.class_name,
            values=labels_record(config.values),
            lung_classes=list(config.lung_classes),
            min_area=config.min_area,
            max_pixels=config.max_pixels,
            salt=None if salt is None else pseudonym(salt),
            patient_from=config.patient_from,
        )


class _Manifest(msgspec.Struct):
    """The fields by which a run.json of cxr is recognized; `cxr-infer` writes no `kind`."""

    status: str
    identity: dict[str, Any]
    kind: str = "infer"


def check_output(out: Path, identity: Identity, *, overwrite: bool) -> None:
    """Check that a folder holds nothing that must not be replaced.

    Raises
    ------
    OutputError
        If it holds another run's results, or files of these names that no run wrote.
    """
    if overwrite:
        return
    advice = "choose another --out, or give --overwrite"
    earlier = _read(out / MANIFEST)
    if earlier is None:
        if existing := [name for name in (MANIFEST, *TABLES) if (out / name).exists()]:
            raise OutputError(f"{out / existing[0]}: exists already, but not from a run of cxr; {advice}")
    elif earlier.kind != KIND:
        raise OutputError(f"{out / MANIFEST}: is of a run of cxr-{earlier.kind}; {advice}")
    else:
        different = [name for name, value in asdict(identity).items() if earlier.identity.get(name) != value]
        if different:
            raise OutputError(f"{out / MANIFEST}: is of a run with another {', '.join(different)}; {advice}")


def remove_infer_results(out: Path) -> None:
    """Remove what would be left of a run of `cxr-infer` that is overwritten, except masks and overlays.

    Its masks may be those that are being measured.
    """
    earlier = _read(out / MANIFEST)
    if earlier is not None and earlier.kind != KIND:
        for name in (REPORT, JOURNAL, MASK_TABLE, parquet_path(Path(MASK_TABLE)).name):
            (out / name).unlink(missing_ok=True)


def describe(
    identity: Identity, config: MeasureConfig, files: Sequence[ImageFile], started: str
) -> dict[str, Any]:
    """Return the manifest of a run that has just started.

    `folder` is what the column `image` is relative to: the folder of the images, else that of the masks.
    """
    return {
        "kind": KIND,
        "status": "running",
        "folder": identity.images or identity.masks,
        "lung_classes": identity.lung_classes,
        "arguments": config.record(),
        "versions": {"python": platform.python_version(), **versions(_PACKAGES)},
        "masks": {"files": len(files), "sha256": hash_files(files)},
        "identity": asdict(identity),
        "started": started,
    }


def hash_files(files: Sequence[ImageFile]) -> str:
    """Hash the files of masks: the sha256 of what `sha256sum` prints for them, sorted by path."""
    total = hashlib.sha256()
    for file in sorted(files, key=lambda one: one.key):
        total.update(f"{_hash_file(file.path)}  {file.key}\n".encode())
    return total.hexdigest()


def _hash_file(path: Path) -> str:
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:  # reading the mask reports it; here it must only make a difference
        return os.strerror(error.errno or 0)


def _read(path: Path) -> _Manifest | None:
    """Read a manifest; None if it is missing, or is another program's file of that name."""
    try:
        return msgspec.convert(json.loads(path.read_bytes()), _Manifest)
    except (OSError, ValueError):
        return None
