"""What `cxr bench` found best for a model on this machine, so that `--provider auto` can take it."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from pathlib import Path

import msgspec

from ...machine.cache import cache_folder, machine_key
from ...machine.files import make_folder, write_text
from .providers import PROVIDERS

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Best:
    """The quickest way to run a model: a provider of the table, images of one pass, images a second."""

    provider: str
    batch_size: int
    rate: float

    def __post_init__(self) -> None:
        """Refuse what no run could use.

        Raises
        ------
        ValueError
        """
        if self.provider not in PROVIDERS:
            raise ValueError(f"provider {self.provider!r} is not known")
        if self.batch_size < 1:
            raise ValueError(f"batch size {self.batch_size} is below 1")


def remember(model_hash: str, best: Best) -> Path:
    """Keep what is best for a model on this machine; give the file that holds it."""
    path = _folder() / f"{_stem(model_hash)}{machine_key()}.json"
    make_folder(path.parent)
    write_text(path, msgspec.json.encode(best).decode())
    return path


def recall(model_hash: str) -> Best | None:
    """Give what was found best for a model on this machine, or None where nothing was measured."""
    # Telling which machine this is may take a second or more of nvidia-smi.
    if not any(_folder().glob(f"{_stem(model_hash)}*.json")):
        return None
    path = _folder() / f"{_stem(model_hash)}{machine_key()}.json"
    try:
        return msgspec.json.decode(path.read_bytes(), type=Best)
    except FileNotFoundError:
        return None
    except (OSError, UnicodeDecodeError, msgspec.MsgspecError) as error:
        log.warning("%s: cannot be used and is left aside (%s); run cxr bench again", path, error)
        return None


def _folder() -> Path:
    return cache_folder("best")


def _stem(model_hash: str) -> str:
    return f"{model_hash[:32]}-"
