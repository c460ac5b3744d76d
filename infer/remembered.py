"""What `cxr bench` found best for a model on this machine, so that `--provider auto` can take it."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from pathlib import Path

import msgspec

from ..files import make_folder, write_text
from .caches import cache_folder, machine_key

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Best:
    """The quickest way to run a model: a provider of the table, pictures of one pass, pictures a second."""

    provider: str
    batch_size: int
    rate: float


def remember(model_hash: str, best: Best) -> Path:
    """Keep what is best for a model on this machine; give the file that holds it."""
    path = _path(model_hash)
    make_folder(path.parent)
    write_text(path, msgspec.json.encode(best).decode())
    return path


def recall(model_hash: str) -> Best | None:
    """Give what was found best for a model on this machine, or None where nothing was measured."""
    path = _path(model_hash)
    try:
        return msgspec.json.decode(path.read_bytes(), type=Best)
    except FileNotFoundError:
        return None
    except (OSError, msgspec.MsgspecError) as error:
        log.warning("%s: cannot be used and is left aside (%s); run cxr bench again", path, error)
        return None


def _path(model_hash: str) -> Path:
    return cache_folder("best") / f"{model_hash[:32]}-{machine_key()}.json"
