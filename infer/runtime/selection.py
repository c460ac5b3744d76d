"""The best setting that `cxr bench` measured for a model on this machine, for `--provider auto`."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

import msgspec

from ...errors import OutputError
from ...machine.cache import NO_HOME, cache_folder, machine_key
from ...machine.files import make_folder, write_text
from .providers import AUTO, PROVIDERS

log = logging.getLogger(__name__)


class ChosenBy(StrEnum):
    """How the provider of a session was chosen."""

    REQUEST = "request"
    """It was asked for."""
    FALLBACK = "fallback"
    """Another one was asked for, and could not be used."""
    STORED_BENCH = "stored bench"
    """`auto`: `cxr bench` had found it fastest for this model on this machine."""
    DEFAULT = "default of auto"
    """`auto`, without a stored result that could be used."""

    @classmethod
    def of(cls, requested: str, used: str, best: str | None) -> ChosenBy:
        """Return how `used` was chosen, from what was requested and what was stored."""
        if requested == AUTO:
            return cls.STORED_BENCH if used == best else cls.DEFAULT
        return cls.REQUEST if used == requested else cls.FALLBACK


@dataclass(frozen=True)
class BestSetting:
    """The fastest setting for a model: a provider, images per batch, and the measured images per second."""

    provider: str
    batch_size: int
    rate: float

    def __post_init__(self) -> None:
        """Validate the setting.

        Raises
        ------
        ValueError
            If no run could use it.
        """
        if self.provider not in PROVIDERS:
            raise ValueError(f"provider {self.provider!r} is not known")
        if self.batch_size < 1:
            raise ValueError(f"batch size {self.batch_size} is below 1")


def store_best_setting(model_hash: str, best: BestSetting) -> Path:
    """Store the best setting for a model on this machine; return the file's path.

    Raises
    ------
    OutputError
        If it cannot be written, or there is no home directory to hold a cache.
    """
    folder = cache_folder("best")
    if folder is None:
        raise OutputError(f"{NO_HOME}; set XDG_CACHE_HOME to a writable folder")
    path = make_folder(folder) / f"{_stem(model_hash)}{machine_key()}.json"
    write_text(path, msgspec.json.encode(best).decode())
    return path


def has_stored_settings() -> bool:
    """Return whether a setting is stored for any model, without the hash of one."""
    folder = cache_folder("best")
    return folder is not None and any(folder.glob("*.json"))


def load_best_setting(model_hash: str) -> BestSetting | None:
    """Return the stored best setting for a model on this machine; None if there is none."""
    folder = cache_folder("best")
    if folder is None:
        return None
    path = folder
    try:
        # The machine's key needs nvidia-smi, which can take more than a second.
        if not any(folder.glob(f"{_stem(model_hash)}*.json")):
            return None
        path = folder / f"{_stem(model_hash)}{machine_key()}.json"
        return msgspec.json.decode(path.read_bytes(), type=BestSetting)
    except FileNotFoundError:
        return None
    except (OSError, UnicodeDecodeError, msgspec.MsgspecError) as error:
        log.warning("%s: ignored, since it cannot be read (%s); run cxr bench again", path, error)
        return None


def _stem(model_hash: str) -> str:
    return f"{model_hash[:32]}-"
