"""`cxr bench`: which provider, batch and number of threads run a model best on this machine."""

from __future__ import annotations

import logging
import math
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from tempfile import TemporaryDirectory

import msgspec
import numpy as np
import numpy.typing as npt

from ...data.decode.reader import read_image
from ...errors import CxrError, InputError, ModelError, OutputError, ProviderError
from ...machine.cores import usable_cores
from ...machine.files import write_text
from ...machine.hardware import nvidia_gpus, processor
from ...models.card import Precision
from ..items import Item
from ..listing import list_folder
from ..runtime.providers import CPU, PROVIDERS, Provider, check_available
from ..runtime.selection import Best, remember
from ..runtime.session import Session
from .trial import MASKS, OUTCOME, Outcome, Trial

log = logging.getLogger(__name__)

IMAGES = 24
SAMPLE_SIZE = 1024

TIMEOUT_S = 600
"""TensorRT takes some minutes to build an engine; what takes longer than this hangs."""

SAME_MASKS = {Precision.FP32: 0.9999, Precision.FP16: 0.999, Precision.INT8: 0.995}
"""A provider that agrees with the CPU on a smaller share of pixels is never what `auto` takes.

Runtimes round a file of lower precision each in its own way, by about as much as the file itself differs from
fp32.
"""


@dataclass(frozen=True)
class Line:
    """One line of the table.

    Attributes
    ----------
    model, hash : str
        The path as it was given, and sha256 of the file.
    rate, latency, peak_memory
        As `Outcome` has them.
    agreement : float
        Share of pixels decided as the reference, on the CPU, decides them.
    same : float
        Share of pixels decided as this model decides them on the CPU.
    """

    model: str
    hash: str
    precision: Precision
    provider: str
    batch_size: int
    threads: int
    rate: float
    latency: float
    peak_memory: int | None
    agreement: float
    same: float


@dataclass(frozen=True)
class BenchReport:
    """What was measured, and on what.

    Attributes
    ----------
    reference : str
        The model with whose masks on the CPU all are compared: the fp32 file, else the first.
    best : tuple of Line
        The quickest line of each model among those that use all cores, as `auto` does, and whose masks are
        those of the CPU.
    remembered : tuple of str
        Hashes of the models whose best line `auto` will take.
    left_out : dict
        What could not be tried or read, with its cause.
    """

    processor: str
    cores: int
    cards: tuple[str, ...]
    images: int
    reference: str
    lines: tuple[Line, ...]
    best: tuple[Line, ...]
    remembered: tuple[str, ...]
    left_out: dict[str, str]


@dataclass(frozen=True)
class _Model:
    path: str
    hash: str
    precision: Precision


def bench_models(
    models: Sequence[Path | str],
    folder: Path | str | None = None,
    *,
    providers: Sequence[str] = (),
    out: Path | str | None = None,
    progress: Callable[[str], None] | None = None,
) -> BenchReport:
    """Try every provider that works here with every batch and number of threads, and remember the best.

    Parameters
    ----------
    models : sequence of Path or str
        Files of one model in one or more precisions.
    folder : Path or str, optional
        Radiographs, of which some are taken; by default images of the synthetic sample.
    providers : sequence of str
        Only these; by default every one of the table.
    out : Path or str, optional
        Where the report is written as JSON; a file that is there is replaced.
    progress : callable, optional
        Called with a line before each trial.

    Returns
    -------
    BenchReport

    Raises
    ------
    InputError, ModelError
        If there is nothing to measure.
    ProviderError
        If a provider that was named cannot run here.
    """
    opened = [Session.open(path) for path in models]
    if not opened:
        raise InputError("no model to measure; give at least one .onnx file")
    if len({(one.card.classes, one.card.pixels) for one in opened}) > 1:
        raise ModelError(
            "these models differ in classes or input size: bench one model's precisions at a time"
        )
    known = [_Model(str(one.path), one.model_hash, one.card.precision) for one in opened]
    del opened
    reference = next((model for model in known if model.precision is Precision.FP32), known[0])
    usable, left_out = _usable(providers)
    with TemporaryDirectory(prefix="cxr-") as scratch:
        images = _images(folder, Path(scratch), left_out)
        work = _Bench(Path(scratch), images, progress or (lambda _line: None), left_out)
        lines = tuple(work.lines(known, usable, reference))
    if not lines:
        raise ProviderError("nothing could be measured: " + "; ".join(left_out.values()))
    best = tuple(line for model in known if (line := _best(model, lines)))
    report = BenchReport(
        processor(),
        usable_cores(),
        nvidia_gpus(),
        len(images),
        reference.path,
        lines,
        best,
        tuple(line.hash for line in best if _remember(line)),
        left_out,
    )
    if out is not None:
        text = msgspec.json.format(msgspec.json.encode(report), indent=2).decode()
        write_text(Path(out), text + "\n")
    return report


def batch_sizes(provider: Provider) -> tuple[int, ...]:
    """Give the batches that are tried: one image, what a run takes where nobody says, and twice that."""
    return tuple(sorted({1, provider.batch_size, 2 * provider.batch_size}))


def _usable(names: Sequence[str]) -> tuple[list[str], dict[str, str]]:
    """Give the providers that work here, and why the others do not."""
    usable, left_out = [], {}
    for name in names or PROVIDERS:
        if name not in PROVIDERS:
            raise ProviderError(f"provider {name!r} is not known; choose from {', '.join(PROVIDERS)}")
        try:
            check_available(PROVIDERS[name])
            usable.append(name)
        except ProviderError as error:
            if names:
                raise
            left_out[name] = str(error)
    return usable, left_out


def _images(folder: Path | str | None, scratch: Path, left_out: dict[str, str]) -> tuple[str, ...]:
    """Take images that can be read, spread over a folder, or draw some."""
    if folder is None:
        from ...data.sample.write import make_sample

        make_sample(scratch / "sample", patients=IMAGES // 2, size=SAMPLE_SIZE)
        folder = scratch / "sample"
    paths = [item.path for item in list_folder(Path(folder)) if isinstance(item, Item)]
    step = math.ceil(len(paths) / IMAGES)
    spread = (path for start in range(step) for path in paths[start::step])
    readable = tuple(islice((str(path) for path in spread if _is_readable(path, left_out)), IMAGES))
    if not readable:
        raise InputError(f"{folder}: no image can be read: {next(reversed(left_out.values()))}")
    return readable


def _is_readable(path: Path, left_out: dict[str, str]) -> bool:
    try:
        read_image(path)
    except CxrError as error:
        left_out[str(path)] = str(error)
        return False
    return True


@dataclass(frozen=True)
class _Bench:
    scratch: Path
    images: tuple[str, ...]
    progress: Callable[[str], None]
    left_out: dict[str, str]

    def lines(self, models: Sequence[_Model], providers: Sequence[str], reference: _Model) -> Iterator[Line]:
        """Measure model by model; what fails is left out, and said."""
        cores = usable_cores()
        expected = self._masks_on_cpu(reference, cores)
        for model in models:
            own = expected if model is reference else self._masks_on_cpu(model, cores)
            for provider in providers:
                for threads in sorted({1, cores}, reverse=True):
                    for batch_size in batch_sizes(PROVIDERS[provider]):
                        name = f"{model.path}, {provider}, batch {batch_size}, {threads} threads"
                        self.progress(name)
                        tried = self._try(model, provider, batch_size, threads)
                        if isinstance(tried, str):
                            self.left_out[name] = tried
                            continue
                        outcome, masks = tried
                        yield Line(
                            model.path,
                            model.hash,
                            model.precision,
                            provider,
                            batch_size,
                            threads,
                            outcome.rate,
                            outcome.latency,
                            outcome.peak_memory,
                            _agreement(masks, expected),
                            _agreement(masks, own),
                        )

    def _masks_on_cpu(self, model: _Model, cores: int) -> npt.NDArray[np.uint8]:
        self.progress(f"{model.path}, masks on the CPU")
        tried = self._try(model, CPU, 1, cores)
        if isinstance(tried, str):
            raise ModelError(f"{model.path}: does not run on the CPU, so nothing can be compared: {tried}")
        return tried[1]

    def _try(
        self, model: _Model, provider: str, batch_size: int, threads: int
    ) -> tuple[Outcome, npt.NDArray[np.uint8]] | str:
        """Run one trial; its outcome and masks, or the last line of what it said when it failed."""
        with TemporaryDirectory(dir=self.scratch) as out:
            trial = Trial(model.path, provider, batch_size, threads, self.images, out)
            try:
                ran = subprocess.run(
                    # -P: no module of the working directory stands in for one that is installed.
                    [sys.executable, "-P", "-m", f"{__package__}.trial"],
                    input=msgspec.json.encode(trial),
                    stdout=subprocess.DEVNULL,
                    stderr=subprocess.PIPE,
                    timeout=TIMEOUT_S,
                    check=False,
                )
            except subprocess.TimeoutExpired:
                return f"not done within {TIMEOUT_S} seconds"
            if ran.returncode:
                said = ran.stderr.decode(errors="replace").strip().splitlines()
                return said[-1] if said else f"ended by signal {-ran.returncode}"
            outcome = msgspec.json.decode((Path(out) / OUTCOME).read_bytes(), type=Outcome)
            return outcome, np.load(Path(out) / MASKS)


def _agreement(masks: npt.NDArray[np.uint8], reference: npt.NDArray[np.uint8]) -> float:
    """Give the share of bits that are equal."""
    return 1 - int(np.bitwise_count(masks ^ reference).sum()) / (8 * masks.size)


def _best(model: _Model, lines: Sequence[Line]) -> Line | None:
    """Give the quickest line of a model that `auto` could take; None where there is none.

    `auto` uses all cores, so a line of fewer threads is no candidate; neither is one whose masks are not the
    CPU's.
    """
    own = [line for line in lines if line.hash == model.hash and line.threads == usable_cores()]
    fit = [line for line in own if line.same >= SAME_MASKS[line.precision]]
    return max(fit, key=lambda line: line.rate, default=None)


def _remember(best: Line) -> bool:
    """Keep a line for `auto`; where that fails, what was measured is still worth reporting."""
    try:
        remember(best.hash, Best(best.provider, best.batch_size, best.rate))
    except (OutputError, OSError) as error:
        log.warning("%s; not remembered for --provider auto", error)
        return False
    return True
