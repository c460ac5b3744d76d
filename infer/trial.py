"""One setting of `cxr bench`, in a process of its own: its peak memory is its own, and a crash ends only it.

Run as `python -m cxr.infer.trial`; it reads a `Trial` as JSON and writes an `Outcome` as JSON.
"""

from __future__ import annotations

import statistics
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import msgspec
import numpy as np

from ..data.decode import read_picture
from ..data.picture import Grey
from ..errors import CxrError, InputError
from ..models.preprocess import prepare
from .pipeline import Pipeline, Settings
from .records import Failure, Item
from .session import Session

ROUNDS = 3
PASSES = 5


@dataclass(frozen=True)
class Trial:
    """What to try, and on which pictures; `masks` is the .npy file to which the cut masks go."""

    model: str
    provider: str
    batch_size: int
    threads: int
    pictures: tuple[str, ...]
    masks: str


@dataclass(frozen=True)
class Outcome:
    """What a trial showed.

    Attributes
    ----------
    rate : float
        Pictures a second from file to row: the median of some rounds over all the pictures.
    latency : float
        Median seconds of one pass of the model with nothing else running.
    peak_memory : int or None
        Bytes that the process held at most; None where the system does not tell.
    """

    rate: float
    latency: float
    peak_memory: int | None


def measure(trial: Trial) -> Outcome:
    """Measure one setting, and write the masks at the model's size, packed to bits.

    Raises
    ------
    CxrError
        If the model cannot run so, or a picture cannot be read.
    """
    session = Session.open(trial.model, provider=trial.provider, threads=trial.threads)
    ready = np.stack([prepare(read_picture(path).pixels, session.card.pixels)[0] for path in trial.pictures])
    cuts = np.asarray(session.card.thresholds, np.float32)[:, None, None]
    batches = list(_batches(ready[:, None], trial.batch_size))
    masks = np.concatenate([session.run(batch) >= cuts for batch in batches])[: len(ready)]
    np.save(trial.masks, np.packbits(masks))
    latency = statistics.median(_seconds(session, batches[0]) for _ in range(PASSES))
    return Outcome(_rate(session, trial), latency, _peak_memory())


def _batches(pictures: Grey, size: int) -> list[Grey]:
    """Cut into batches, the last filled up, as a run does."""
    filled = np.concatenate([pictures, np.zeros((-len(pictures) % size, *pictures.shape[1:]), np.uint8)])
    return [filled[start : start + size] for start in range(0, len(filled), size)]


def _seconds(session: Session, batch: Grey) -> float:
    started = time.perf_counter()
    session.run(batch)
    return time.perf_counter() - started


def _rate(session: Session, trial: Trial) -> float:
    items = [Item(Path(path).name, Path(path)) for path in trial.pictures]
    with TemporaryDirectory(prefix="cxr-") as scratch:
        work = Pipeline(session, Settings(Path(scratch)), trial.batch_size)

        def rate() -> float:
            started = time.perf_counter()
            failed = [outcome for outcome in work.run(items) if isinstance(outcome, Failure)]
            if failed:
                raise InputError(f"{failed[0].key}: {failed[0].error}")
            return len(items) / (time.perf_counter() - started)

        rate()  # loads kernels, fills caches
        return statistics.median(rate() for _ in range(ROUNDS))


def _peak_memory() -> int | None:
    try:
        import resource
    except ImportError:
        return None  # Windows
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return int(peak) * (1 if sys.platform == "darwin" else 1024)


if __name__ == "__main__":
    try:
        outcome = measure(msgspec.json.decode(sys.stdin.buffer.read(), type=Trial))
    except CxrError as error:
        sys.exit(str(error))
    sys.stdout.write(msgspec.json.encode(outcome).decode())
