"""`cxr bench`: which provider, batch and number of threads run a model best on this machine."""

from __future__ import annotations

import logging
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import msgspec
import numpy as np
import numpy.typing as npt

from ..errors import InputError, ModelError, ProviderError
from ..files import write_text
from ..models.card import Precision
from .caches import graphics_cards, processor
from .cores import usable_cores
from .folder import list_folder
from .providers import CPU, PROVIDERS, check_available
from .records import Item
from .remembered import Best, remember
from .session import Session
from .trial import Outcome, Trial

log = logging.getLogger(__name__)

PICTURES = 24
SAMPLE_SIZE = 1024

BATCHES = (1, 2, 8)
DEVICE_BATCHES = (1, 8, 32)

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
    rate, latency, peak_memory
        As `Outcome` has them.
    agreement : float
        Share of pixels decided as the first model (the reference, on the CPU) decides them.
    same : float
        Share of pixels decided as this model decides them on the CPU.
    """

    model: str
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
    """All lines, the best of each model, and what could not be tried, with its cause."""

    processor: str
    cores: int
    cards: tuple[str, ...]
    pictures: int
    lines: tuple[Line, ...]
    best: tuple[Line, ...]
    left_out: dict[str, str]


@dataclass(frozen=True)
class _Model:
    path: Path
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
        Files of one model in one or more precisions; the first is what the masks of all are compared with.
    folder : Path or str, optional
        Radiographs, of which some are taken; by default films of the synthetic sample.
    providers : sequence of str
        Only these; by default every one of the table.
    out : Path or str, optional
        Where the report is written as JSON.
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
    known = [_Model(one.path, one.model_hash, one.card.precision) for one in opened]
    del opened
    usable, left_out = _usable(providers)
    with TemporaryDirectory(prefix="cxr-") as scratch:
        pictures = _pictures(folder, Path(scratch))
        work = _Bench(Path(scratch), pictures, progress or (lambda _line: None), left_out)
        lines = tuple(work.lines(known, usable))
    if not lines:
        raise ProviderError("nothing could be measured: " + "; ".join(left_out.values()))
    best = tuple(line for model in known if (line := _remember(model, lines)))
    report = BenchReport(processor(), usable_cores(), graphics_cards(), len(pictures), lines, best, left_out)
    if out is not None:
        text = msgspec.json.format(msgspec.json.encode(report), indent=2).decode()
        write_text(Path(out), text + "\n")
    return report


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


def _pictures(folder: Path | str | None, scratch: Path) -> tuple[str, ...]:
    """Take pictures spread over a folder, or draw some."""
    if folder is None:
        from ..data.sample import make_sample

        make_sample(scratch / "sample", patients=PICTURES // 2, size=SAMPLE_SIZE)
        folder = scratch / "sample"
    items = [item for item in list_folder(Path(folder)) if isinstance(item, Item)]
    return tuple(str(item.path) for item in items[:: max(1, len(items) // PICTURES)][:PICTURES])


@dataclass(frozen=True)
class _Bench:
    scratch: Path
    pictures: tuple[str, ...]
    progress: Callable[[str], None]
    left_out: dict[str, str]

    def lines(self, models: Sequence[_Model], providers: Sequence[str]) -> Iterator[Line]:
        """Measure model by model; what fails is left out, and said."""
        cores = usable_cores()
        reference: npt.NDArray[np.uint8] | None = None
        for model in models:
            own = self._masks_on_cpu(model, cores)
            reference = own if reference is None else reference
            for provider in providers:
                device = PROVIDERS[provider].device is not None
                for threads in sorted({1, cores}, reverse=True):
                    for batch_size in DEVICE_BATCHES if device else BATCHES:
                        name = f"{model.path.name}, {provider}, batch {batch_size}, {threads} threads"
                        self.progress(name)
                        tried = self._try(model, provider, batch_size, threads)
                        if isinstance(tried, str):
                            self.left_out[name] = tried
                            continue
                        outcome, masks = tried
                        yield Line(
                            model.path.name,
                            model.precision,
                            provider,
                            batch_size,
                            threads,
                            outcome.rate,
                            outcome.latency,
                            outcome.peak_memory,
                            _agreement(masks, reference),
                            _agreement(masks, own),
                        )

    def _masks_on_cpu(self, model: _Model, cores: int) -> npt.NDArray[np.uint8]:
        self.progress(f"{model.path.name}, masks on the CPU")
        tried = self._try(model, CPU, 1, cores)
        if isinstance(tried, str):
            raise ModelError(f"{model.path}: does not run on the CPU, so nothing can be compared: {tried}")
        return tried[1]

    def _try(
        self, model: _Model, provider: str, batch_size: int, threads: int
    ) -> tuple[Outcome, npt.NDArray[np.uint8]] | str:
        """Run one trial; its outcome and masks, or the last line of what it said when it failed."""
        masks = self.scratch / "masks.npy"
        masks.unlink(missing_ok=True)
        trial = Trial(str(model.path), provider, batch_size, threads, self.pictures, str(masks))
        ran = subprocess.run(
            [sys.executable, "-m", f"{__package__}.trial"],
            input=msgspec.json.encode(trial),
            capture_output=True,
            check=False,
        )
        if ran.returncode:
            said = ran.stderr.decode(errors="replace").strip().splitlines()
            return said[-1] if said else f"ended by signal {-ran.returncode}"
        return msgspec.json.decode(ran.stdout, type=Outcome), np.load(masks)


def _agreement(masks: npt.NDArray[np.uint8], reference: npt.NDArray[np.uint8]) -> float:
    """Give the share of bits that are equal."""
    return 1 - int(np.bitwise_count(masks ^ reference).sum()) / (8 * masks.size)


def _remember(model: _Model, lines: Sequence[Line]) -> Line | None:
    """Keep the quickest line of a model whose masks are those of the CPU; None where no line's are."""
    fit = [
        line for line in lines if line.model == model.path.name and line.same >= SAME_MASKS[line.precision]
    ]
    if not fit:
        return None
    best = max(fit, key=lambda line: line.rate)
    remember(model.hash, Best(best.provider, best.batch_size, best.rate))
    return best
