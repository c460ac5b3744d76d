"""`run.json`: what a run is, and whether what an output folder holds belongs to it."""

from __future__ import annotations

import hashlib
import json
import platform
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import msgspec

from ...data.pseudonym import pseudonym
from ...errors import OutputError
from ...machine.packages import versions
from ..runtime.session import Session
from ..settings import MaskFormat, Settings
from .tables import FAILURES, FEATURES, LESIONS, MASK_TABLE

MANIFEST, REPORT = "run.json", "report.html"

_PACKAGES = ("cxr", "numpy", "opencv-python-headless", "numba", "onnxruntime", "onnxruntime-gpu")


@dataclass(frozen=True)
class Identity:
    """What must be the same for a run to be gone on with: all that the tables depend on."""

    cxr: str
    folder: str
    model: str
    card: str
    provider: str
    threshold: float | None
    min_area: int
    masks: MaskFormat | None
    overlays: bool
    max_pixels: int
    salt: str | None

    @classmethod
    def of(cls, folder: Path, session: Session, settings: Settings) -> Identity:
        """Describe a run; model and card by their sha256, the salt by what it makes of nothing."""
        reading = settings.reading
        return cls(
            cxr=version("cxr"),
            folder=str(folder.resolve()),
            model=session.model_hash,
            card=hashlib.sha256(session.card.to_json().encode()).hexdigest(),
            provider=session.provider,
            threshold=settings.threshold,
            min_area=settings.min_area,
            masks=settings.masks,
            overlays=settings.overlays,
            max_pixels=reading.max_pixels,
            salt=None if reading.salt is None else pseudonym(reading.salt),
        )


class _MadeBy(msgspec.Struct):
    classes: list[str]


class _Manifest(msgspec.Struct):
    """What must be in a manifest of ours, at the least."""

    status: str
    provider: str
    model: _MadeBy
    identity: dict[str, Any]


def earlier_provider(out: Path) -> str | None:
    """Give the provider of the run that `out` holds, with which `auto` goes on; None where there is none."""
    manifest = _read(out / MANIFEST)
    return None if manifest is None else str(manifest["provider"])


def earlier_run(out: Path, identity: Identity, *, overwrite: bool) -> dict[str, Any] | None:
    """Read the manifest of the run that `out` holds.

    Parameters
    ----------
    out : Path
        The output folder; it need not exist.
    identity : Identity
        The run that wants to write there.
    overwrite : bool
        Permit that `out` holds another run.

    Returns
    -------
    dict or None
        None where the folder holds no run.

    Raises
    ------
    OutputError
        If `out` holds another run's results, or files of these names that no run of ours wrote.
    """
    manifest = _read(out / MANIFEST)
    if overwrite:
        return manifest
    advice = "choose another --out, or give --overwrite"
    if manifest is None:
        taken = [
            name
            for name in (MANIFEST, FEATURES, LESIONS, FAILURES, MASK_TABLE, REPORT)
            if (out / name).exists()
        ]
        if taken:
            raise OutputError(f"{out / taken[0]}: is there already and is of no run of cxr-infer; {advice}")
        return None
    before = manifest["identity"]
    different = [name for name, value in asdict(identity).items() if before.get(name) != value]
    if different:
        raise OutputError(f"{out / MANIFEST}: tells of a run with another {', '.join(different)}; {advice}")
    return manifest


def describe(session: Session, identity: Identity, arguments: dict[str, Any], started: str) -> dict[str, Any]:
    """Give the manifest of a run that begins."""
    return {
        "status": "running",
        "folder": identity.folder,
        "model": {
            "path": str(session.path.resolve()),
            "sha256": session.model_hash,
            "name": session.card.name,
            "classes": list(session.card.classes),
            "target": session.card.target,
            "intended_use": session.card.intended_use,
        },
        "provider": session.provider,
        "arguments": arguments,
        "versions": {"python": platform.python_version(), **versions(_PACKAGES)},
        "identity": asdict(identity),
        "started": started,
    }


def _read(path: Path) -> dict[str, Any] | None:
    """Read a manifest; None where there is none, or another program's file of that name."""
    try:
        manifest = json.loads(path.read_bytes())
    except (OSError, ValueError):
        return None
    try:
        msgspec.convert(manifest, _Manifest)
    except msgspec.ValidationError:
        return None
    known: dict[str, Any] = manifest
    return known
