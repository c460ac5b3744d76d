"""Measure one setting of `cxr bench`, in its own process, so that peak memory and a crash are its own.

Run as `python -m cxr.infer.bench.trial`, with a `Trial` as JSON on standard input. The results go to files,
since runtimes print to the terminal.
"""

from __future__ import annotations

import json
import statistics
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import cycle, islice
from pathlib import Path

import msgspec
import numpy as np

from ...data.decode.reader import read_image
from ...data.image import Gray
from ...errors import CxrError, InputError
from ...machine.files import scratch_folder, write_text
from ...models.preprocess import prepare
from ..outputs.image_rows import RowWriter
from ..pipeline import Pipeline
from ..records import Failure, ImageFile, Settings
from ..runtime.session import Session

RATE_REPEATS = 3
LATENCY_REPEATS = 5

MASKS_FILE = "masks.npy"
RESULT_FILE = "result.json"

BATCHES_PER_STREAM = 8
"""With fewer batches, filling and draining the pipeline would take most of the time."""


@dataclass(frozen=True)
class Trial:
    """A setting and the images; `MASKS_FILE` and `RESULT_FILE` are written to the folder `out`."""

    model: str
    provider: str
    batch_size: int
    threads: int
    images: tuple[str, ...]
    out: str


@dataclass(frozen=True)
class TrialResult:
    """The measurements of one trial.

    Attributes
    ----------
    rate : float
        Images per second from file to row: the median of a few repeats.
    latency : float
        Median time in seconds of one batch in the model with nothing else running.
    peak_memory : int or None
        Peak memory of the process in bytes; None if the system does not report it.
    """

    rate: float
    latency: float
    peak_memory: int | None


def run_trial(trial: Trial) -> TrialResult:
    """Measure one setting, and write the masks of all images at the model's size, packed to bits.

    Raises
    ------
    CxrError
        If the model cannot run with this setting, or an image cannot be read.
    """
    session = Session.open(trial.model, provider=trial.provider, threads=trial.threads)
    inputs = np.stack([prepare(read_image(path).pixels, session.card.pixels)[0] for path in trial.images])
    thresholds = np.asarray(session.card.thresholds, np.float32)[:, None, None]
    batches = _batches(inputs[:, None], trial.batch_size)
    masks = np.concatenate([session.run(batch) >= thresholds for batch in batches])[: len(inputs)]
    np.save(Path(trial.out) / MASKS_FILE, np.packbits(masks))
    latency = statistics.median(_time_batch(session, batches[0]) for _ in range(LATENCY_REPEATS))
    return TrialResult(_measure_rate(session, trial), latency, _peak_memory())


def _batches(images: Gray, size: int) -> list[Gray]:
    """Split images into batches, the last one padded as in a run."""
    padded = np.concatenate([images, np.zeros((-len(images) % size, *images.shape[1:]), np.uint8)])
    return [padded[start : start + size] for start in range(0, len(padded), size)]


def _time_batch(session: Session, batch: Gray) -> float:
    started = time.perf_counter()
    session.run(batch)
    return time.perf_counter() - started


def _measure_rate(session: Session, trial: Trial) -> float:
    files = repeat_images(trial.images, trial.batch_size, session.streams)
    with scratch_folder(Path(trial.out)) as scratch:
        rows = RowWriter(session.card, Settings(scratch))
        pipeline = Pipeline(session, rows, trial.batch_size)

        def rate(files: Sequence[ImageFile]) -> float:
            started = time.perf_counter()
            failures = [outcome for outcome in pipeline.run(files) if isinstance(outcome, Failure)]
            if failures:
                raise InputError(f"{failures[0].key}: {failures[0].error}")
            return len(files) / (time.perf_counter() - started)

        rate(files[: trial.batch_size * session.streams])  # warm-up: loads kernels, fills caches
        return statistics.median(rate(files) for _ in range(RATE_REPEATS))


def repeat_images(images: Sequence[str], batch_size: int, streams: int) -> list[ImageFile]:
    """Repeat the images to give each stream `BATCHES_PER_STREAM` batches; each image occurs at least once."""
    files = [ImageFile(Path(path).name, Path(path)) for path in images]
    return list(islice(cycle(files), max(len(files), BATCHES_PER_STREAM * streams * batch_size)))


def _peak_memory() -> int | None:
    try:
        import resource
    except ImportError:
        return None  # Windows
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return int(peak) * (1 if sys.platform == "darwin" else 1024)


if __name__ == "__main__":
    try:
        trial = msgspec.convert(json.load(sys.stdin.buffer), Trial)
        write_text(Path(trial.out) / RESULT_FILE, msgspec.json.encode(run_trial(trial)).decode())
    except CxrError as error:
        sys.exit(str(error))
