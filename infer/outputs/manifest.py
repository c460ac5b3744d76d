"""`run.json`: the description of a run, by which a later run decides whether it may resume it."""

from __future__ import annotations

import hashlib
import json
import platform
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import msgspec

from ...data.pseudonym import pseudonym
from ...errors import OutputError
from ...machine.packages import RUNTIMES, versions
from ...machine.paths import in_utf_8
from ..records import Settings
from ..runtime.session import Session
from .journal import JOURNAL
from .masks import MaskFormat

MANIFEST, REPORT = "run.json", "report.html"

_DECODERS = ("opencv-python-headless", "isal", "simplejpeg", "pydicom", "imagecodecs")
_PACKAGES = ("cxr", "numpy", "numba", *_DECODERS, *RUNTIMES, "highdicom", "pyarrow")


@dataclass(frozen=True)
class Identity:
    """Everything that the results depend on: a run resumes another only if all of it is the same."""

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
    patient_from: str | None
    dicom_columns: list[str] | None
    skip_implausible: bool
    mirror: bool

    @classmethod
    def of(
        cls, folder: Path, session: Session, settings: Settings, mask_format: MaskFormat | None
    ) -> Identity:
        """Identify a run; model and card by their sha256, the salt by the pseudonym of an empty name."""
        decoding = settings.decoding
        return cls(
            cxr=version("cxr"),
            folder=in_utf_8(folder.resolve()),
            model=session.model_hash,
            card=hashlib.sha256(session.card.to_json().encode()).hexdigest(),
            provider=session.provider,
            threshold=settings.threshold,
            min_area=settings.min_area,
            masks=mask_format,
            overlays=settings.overlays,
            max_pixels=decoding.max_pixels,
            salt=None if decoding.salt is None else pseudonym(decoding.salt),
            patient_from=settings.patients.source,
            dicom_columns=list(decoding.dicom_columns) or None,
            skip_implausible=settings.skip_implausible,
            mirror=settings.mirror,
        )


class _ManifestModel(msgspec.Struct):
    classes: list[str]


class _Manifest(msgspec.Struct):
    """The fields that every manifest of `cxr-infer` has."""

    status: str
    provider: str
    model: _ManifestModel
    identity: dict[str, Any]


def earlier_provider(out: Path) -> str | None:
    """Return the provider of the run in `out`, which `auto` uses again; None if there is no run."""
    manifest = _read(out / MANIFEST)
    return None if manifest is None else str(manifest["provider"])


def earlier_run(out: Path, identity: Identity, *, overwrite: bool) -> dict[str, Any] | None:
    """Read the manifest of the run in `out`.

    Parameters
    ----------
    out : Path
        The output folder, which may be missing.
    identity : Identity
        The run that is about to write there.
    overwrite : bool
        Accept another run's results.

    Returns
    -------
    dict or None
        None if the folder holds no run.

    Raises
    ------
    OutputError
        If `out` holds another run's results, or those of the same run without its journal.
    """
    manifest = _read(out / MANIFEST)
    if overwrite or manifest is None:
        return manifest
    advice = "choose another --out, or give --overwrite"
    before = manifest["identity"]
    different = [name for name, value in asdict(identity).items() if before.get(name) != value]
    if different:
        raise OutputError(f"{out / MANIFEST}: is of a run with another {', '.join(different)}; {advice}")
    if not (out / JOURNAL).exists():
        raise OutputError(
            f"{out / JOURNAL}: is missing, so the run in this folder cannot be resumed; if you copied the "
            f"results, copy this hidden file too (`cp -r`, not `cp *`); otherwise {advice}"
        )
    return manifest


def describe(
    session: Session,
    identity: Identity,
    arguments: dict[str, Any],
    outputs: Iterable[str],
    started: str,
) -> dict[str, Any]:
    """Return the manifest of a run that has just started; `outputs` are its tables and reports."""
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
        "lung_classes": list(session.card.lung_classes),
        "provider": session.provider,
        "arguments": arguments,
        "versions": {"python": platform.python_version(), **versions(_PACKAGES)},
        "identity": asdict(identity),
        "outputs": sorted(outputs),
        "started": started,
    }


def _read(path: Path) -> dict[str, Any] | None:
    """Read a manifest; None if it is missing, or is another program's file of that name."""
    try:
        manifest: dict[str, Any] = json.loads(path.read_bytes())
        msgspec.convert(manifest, _Manifest)
    except (OSError, ValueError):
        return None
    return manifest
