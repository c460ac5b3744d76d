"""What the `run.json` beside a features table says about its images."""

from __future__ import annotations

import json
from pathlib import Path

import msgspec

from ...errors import InputError
from ...machine.paths import path_of
from ..records import RunRecord
from ..text import some_of

RUN_RECORD = "run.json"


class _Model(msgspec.Struct):
    classes: list[str] = []


class _Identity(msgspec.Struct):
    salt: str | None = None


class _Manifest(msgspec.Struct):
    folder: str | None = None
    classes: list[str] = []
    model: _Model = msgspec.field(default_factory=_Model)
    identity: _Identity = msgspec.field(default_factory=_Identity)
    lung_classes: list[str] | None = None
    missing: list[str] = []
    training_overlap: int | None = None


def read_run_record(features: Path) -> RunRecord:
    """Read the run.json beside a features table.

    Raises
    ------
    InputError
        If there is one that is not JSON.
    """
    path = features.parent / RUN_RECORD
    if not path.is_file():
        return RunRecord()
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise InputError(f"{path}: cannot be read ({error})") from error
    try:
        manifest = msgspec.convert(value, _Manifest)
    except msgspec.ValidationError as error:
        return RunRecord(
            notes=(f"{path.name} is not the record of a cxr-infer run and is ignored ({error})",)
        )
    lungs = manifest.lung_classes
    return RunRecord(
        folder=None if manifest.folder is None else path_of(manifest.folder),
        classes=tuple(manifest.model.classes or manifest.classes),
        lung_classes=("lung",) if lungs is None else tuple(lungs),
        salt_check=manifest.identity.salt,
        missing=tuple(manifest.missing),
        training_overlap=manifest.training_overlap,
    )


def run_notes(record: RunRecord, images: set[str]) -> tuple[str, ...]:
    """Report images that are gone and images that the model was trained on."""
    notes = list(record.notes)
    missing = [image for image in record.missing if image in images]
    if missing:
        notes.append(
            f"the files of {len(missing)} images are gone since they were measured ({some_of(missing)}):"
            " their rows are used unchanged"
        )
    if record.training_overlap:
        notes.append(
            f"the model was trained on {record.training_overlap} of the measured images:"
            " on them it may be better than on new images"
        )
    return tuple(notes)
