"""What a run records beside its results: machine, inputs, settings in force, and what it left out."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from ..data.column_table import IN_TRAINING
from ..machine.hardware import describe_hardware
from .listing.folder import Listing
from .records import Failure, ImageFile, Settings
from .runtime.providers import PROVIDERS
from .runtime.session import Session

CHOSEN_BY = "provider_chosen_by"


def provenance(session: Session, settings: Settings, listing: Listing) -> dict[str, Any]:
    """Return the record of a run's machine, inputs and settings for `run.json`."""
    card = session.card
    thresholds = dict(zip(card.classes, card.thresholds, strict=True))
    if settings.threshold is not None:
        thresholds = dict.fromkeys(card.classes, settings.threshold)
    has_gpu = PROVIDERS[session.provider].device is not None
    return {
        "hardware": describe_hardware(gpus=has_gpu),
        "threads": session.threads,
        "thresholds": thresholds,
        CHOSEN_BY: session.chosen_by,
        "inputs": _inputs(listing.entries),
        "skipped": dict(listing.skipped),
        "earlier_outputs": listing.earlier_outputs,
    }


def count_in_training(rows: Iterable[Mapping[str, str]]) -> int | None:
    """Count the images that the model was trained on; None if its card has no fingerprint."""
    cells = [row[IN_TRAINING] for row in rows if IN_TRAINING in row]
    return cells.count("1") if cells else None


def training_note(overlap: int | None, rows: int) -> str | None:
    """Report the images that the model was trained on, in one line; None if there are none."""
    if not overlap:
        return None
    return (
        f"{overlap} of {rows} images were among those that the model was trained on (column {IN_TRAINING}): "
        "on them it may be better than on new images"
    )


def _inputs(entries: Sequence[ImageFile | Failure]) -> dict[str, Any]:
    """Return the number and size of the images, and a hash of their keys and sizes."""
    digest, images, total = hashlib.sha256(), 0, 0
    for entry in entries:
        size = entry.size if isinstance(entry, ImageFile) else None
        images += isinstance(entry, ImageFile)
        total += size or 0
        digest.update(f"{entry.key}\0{'' if size is None else size}\n".encode())
    return {"images": images, "bytes": total, "sha256": digest.hexdigest()}
