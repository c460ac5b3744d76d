"""One setting of `cxr bench`, in a process of its own: its peak memory is its own, and a crash ends only it.

Run as `python -m cxr.infer.bench.trial`; it reads a `Trial` as JSON. What it found goes
to files, since runtimes print on the terminal.
"""

from __future__ import annotations

import statistics
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import cycle, islice
from pathlib import Path
from tempfile import TemporaryDirectory

import msgspec
import numpy as np

from ...data.decode.reader import read_image
from ...data.image import Gray
from ...errors import CxrError, InputError
from ...machine.files import write_text
from ...models.preprocess import prepare
from ..items import Failure, Item
from ..pipeline import Pipeline
from ..runtime.session import Session
from ..settings import Settings

ROUNDS = 3
PASSES = 5

MASKS = "masks.npy"
OUTCOME = "outcome.json"

FULL_BATCHES = 8
"""Passes of each stream in a round: with fewer, filling and emptying the pipeline is most of the time."""


@dataclass(frozen=True)
class Trial:
    """What to try, and on which images; `out` is the folder to which `MASKS` and `OUTCOME` go."""

    model: str
    provider: str
    batch_size: int
    threads: int
    images: tuple[str, ...]
    out: str


@dataclass(frozen=True)
class Outcome:
    """What a trial showed.

    Attributes
    ----------
    rate : float
        Images a second from file to row: the median of some rounds.
    latency : float
        Median seconds of one pass of the model with nothing else running.
    peak_memory : int or None
        Bytes that the process held at most; None where the system does not tell.
    """

    rate: float
    latency: float
    peak_memory: int | None


def measure(trial: Trial) -> Outcome:
    """Measure one setting, and write the masks of all images at the model's size, packed to bits.

    Raises
    ------
    CxrError
        If the model cannot run so, or an image cannot be read.
    """
    session = Session.open(trial.model, provider=trial.provider, threads=trial.threads)
    ready = np.stack([prepare(read_image(path).pixels, session.card.pixels)[0] for path in trial.images])
    cuts = np.asarray(session.card.thresholds, np.float32)[:, None, None]
    batches = list(_batches(ready[:, None], trial.batch_size))
    masks = np.concatenate([session.run(batch) >= cuts for batch in batches])[: len(ready)]
    np.save(Path(trial.out) / MASKS, np.packbits(masks))
    latency = statistics.median(_seconds(session, batches[0]) for _ in range(PASSES))
    return Outcome(_rate(session, trial), latency, _peak_memory())


def _batches(images: Gray, size: int) -> list[Gray]:
    """Cut into batches, the last filled up, as a run does."""
    filled = np.concatenate([images, np.zeros((-len(images) % size, *images.shape[1:]), np.uint8)])
    return [filled[start : start + size] for start in range(0, len(filled), size)]


def _seconds(session: Session, batch: Gray) -> float:
    started = time.perf_counter()
    session.run(batch)
    return time.perf_counter() - started


def _rate(session: Session, trial: Trial) -> float:
    items = round_of(trial.images, trial.batch_size, session.streams)
    with TemporaryDirectory(dir=trial.out) as scratch:
        work = Pipeline(session, Settings(Path(scratch)), trial.batch_size)

        def rate(items: Sequence[Item]) -> float:
            started = time.perf_counter()
            failed = [outcome for outcome in work.run(items) if isinstance(outcome, Failure)]
            if failed:
                raise InputError(f"{failed[0].key}: {failed[0].error}")
            return len(items) / (time.perf_counter() - started)

        rate(items[: trial.batch_size * session.streams])  # loads kernels, fills caches
        return statistics.median(rate(items) for _ in range(ROUNDS))


def round_of(images: Sequence[str], batch_size: int, streams: int) -> list[Item]:
    """Repeat the images until every stream has `FULL_BATCHES` to do; each is there at least once."""
    items = [Item(Path(path).name, Path(path)) for path in images]
    return list(islice(cycle(items), max(len(items), FULL_BATCHES * streams * batch_size)))


def _peak_memory() -> int | None:
    try:
        import resource
    except ImportError:
        return None  # Windows
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return int(peak) * (1 if sys.platform == "darwin" else 1024)


if __name__ == "__main__":
    try:
        trial = msgspec.json.decode(sys.stdin.buffer.read(), type=Trial)
        write_text(Path(trial.out) / OUTCOME, msgspec.json.encode(measure(trial)).decode())
    except CxrError as error:
        sys.exit(str(error))
