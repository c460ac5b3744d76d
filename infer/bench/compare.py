"""Compare providers, batch sizes and numbers of threads for a model on this machine."""

from __future__ import annotations

import json
import logging
import math
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from itertools import islice
from pathlib import Path

import msgspec
import numpy as np
import numpy.typing as npt

from ...data.decode.reader import read_image
from ...errors import CxrError, InputError, ModelError, OutputError, ProviderError
from ...machine.cores import usable_cores
from ...machine.files import check_output_file, scratch_folder, write_json
from ...machine.hardware import nvidia_gpus, processor
from ...models.card import Precision
from ..listing.folder import list_folder
from ..records import ImageFile
from ..runtime.providers import CPU, PROVIDERS, Provider, check_available, unknown_provider_error
from ..runtime.selection import BestSetting, store_best_setting
from ..runtime.session import Session
from .trial import MASKS_FILE, RESULT_FILE, Trial, TrialResult

log = logging.getLogger(__name__)

IMAGE_COUNT = 24
SAMPLE_SIZE = 1024

TIMEOUT_S = 600
"""TensorRT takes minutes to build an engine; a trial that takes longer than this is stuck."""

MIN_AGREEMENT = {Precision.FP32: 0.9999, Precision.FP16: 0.999, Precision.INT8: 0.995}
"""`auto` never uses a provider that agrees with the CPU on a smaller fraction of pixels.

Runtimes round a file of lower precision differently, by about as much as the file itself differs from fp32.
"""


@dataclass(frozen=True)
class BenchResult:
    """The measurements of one model with one setting.

    Attributes
    ----------
    model, hash : str
        The path as given, and the file's sha256.
    rate, latency, peak_memory
        As in `TrialResult`.
    agreement : float
        Fraction of mask pixels equal to those of the reference model on the CPU.
    same : float
        Fraction of mask pixels equal to those of this model on the CPU.
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
    """All measurements, and the machine.

    Attributes
    ----------
    reference : str
        The model to whose masks on the CPU all masks are compared: the fp32 file, else the first one.
    lines : tuple of BenchResult
        One per model and setting.
    best : tuple of BenchResult
        The fastest of each model among those that use all cores, as `auto` does, and whose masks equal the
        CPU's.
    remembered : tuple of str
        Hashes of the models whose best setting was stored for `auto`.
    left_out : dict
        What could not be measured or read, with the reason.
    """

    processor: str
    cores: int
    cards: tuple[str, ...]
    images: int
    reference: str
    lines: tuple[BenchResult, ...]
    best: tuple[BenchResult, ...]
    remembered: tuple[str, ...]
    left_out: dict[str, str]


@dataclass(frozen=True)
class _ModelFile:
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
    """Measure every available provider with every batch size and number of threads, and store the best.

    Parameters
    ----------
    models : sequence of Path or str
        Files of one model in one or more precisions.
    folder : Path or str, optional
        A folder of radiographs, some of which are used; by default images of the synthetic sample.
    providers : sequence of str
        Only these; by default all.
    out : Path or str, optional
        JSON file for the report; an existing file is replaced.
    progress : callable, optional
        Called with a description before each trial.

    Returns
    -------
    BenchReport

    Raises
    ------
    InputError, ModelError
        If there is nothing to measure.
    ProviderError
        If one of `providers` cannot be used here.
    """
    if out is not None:
        check_output_file(Path(out))
    files = _read_models(models)
    reference = next((file for file in files if file.precision is Precision.FP32), files[0])
    available, left_out = _available(providers)
    with scratch_folder() as scratch:
        images = _choose_images(folder, scratch, left_out)
        trials = _Trials(scratch, images, progress or (lambda _description: None), left_out)
        results = tuple(trials.run_all(files, available, reference))
    if not results:
        raise ProviderError("nothing could be measured: " + "; ".join(left_out.values()))
    best = tuple(result for file in files if (result := _best(file, results)))
    report = BenchReport(
        processor(),
        usable_cores(),
        nvidia_gpus(),
        len(images),
        reference.path,
        results,
        best,
        tuple(result.hash for result in best if _store(result)),
        left_out,
    )
    if out is not None:
        write_json(Path(out), msgspec.to_builtins(report))
    return report


def batch_sizes(provider: Provider) -> tuple[int, ...]:
    """Return the batch sizes to measure: 1, the default of a run, and twice that."""
    return tuple(sorted({1, provider.batch_size, 2 * provider.batch_size}))


def _read_models(paths: Sequence[Path | str]) -> list[_ModelFile]:
    sessions = [Session.open(path) for path in paths]
    if not sessions:
        raise InputError("no model to measure; give at least one .onnx file")
    if len({(session.card.classes, session.card.pixels) for session in sessions}) > 1:
        raise ModelError(
            "these models differ in classes or input size: bench one model's precisions at a time"
        )
    return [_ModelFile(str(one.path), one.model_hash, one.card.precision) for one in sessions]


def _available(names: Sequence[str]) -> tuple[list[str], dict[str, str]]:
    """Return the providers that can be used here, and why the others cannot."""
    available, left_out = [], {}
    for name in names or PROVIDERS:
        if name not in PROVIDERS:
            raise unknown_provider_error(name, tuple(PROVIDERS))
        try:
            check_available(PROVIDERS[name])
            available.append(name)
        except ProviderError as error:
            if names:
                raise
            left_out[name] = str(error)
    return available, left_out


def _choose_images(folder: Path | str | None, scratch: Path, left_out: dict[str, str]) -> tuple[str, ...]:
    """Choose readable images, spread evenly over a folder, or draw some."""
    if folder is None:
        from ...data.sample.write import make_sample

        make_sample(scratch / "sample", patients=IMAGE_COUNT // 2, size=SAMPLE_SIZE)
        folder = scratch / "sample"
    paths = [entry.path for entry in list_folder(Path(folder)).entries if isinstance(entry, ImageFile)]
    step = math.ceil(len(paths) / IMAGE_COUNT)
    spread = (path for start in range(step) for path in paths[start::step])
    readable = tuple(islice((str(path) for path in spread if _is_readable(path, left_out)), IMAGE_COUNT))
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
class _Trials:
    scratch: Path
    images: tuple[str, ...]
    progress: Callable[[str], None]
    left_out: dict[str, str]

    def run_all(
        self, files: Sequence[_ModelFile], providers: Sequence[str], reference: _ModelFile
    ) -> Iterator[BenchResult]:
        """Measure each model with each setting; record failures in `left_out`."""
        cores = usable_cores()
        reference_masks = self._masks_on_cpu(reference, cores)
        for file in files:
            own_masks = reference_masks if file is reference else self._masks_on_cpu(file, cores)
            for provider in providers:
                for threads in sorted({1, cores}, reverse=True):
                    for batch_size in batch_sizes(PROVIDERS[provider]):
                        name = f"{file.path}, {provider}, batch {batch_size}, {threads} threads"
                        self.progress(name)
                        measured = self._run(file, provider, batch_size, threads)
                        if isinstance(measured, str):
                            self.left_out[name] = measured
                            continue
                        result, masks = measured
                        yield BenchResult(
                            file.path,
                            file.hash,
                            file.precision,
                            provider,
                            batch_size,
                            threads,
                            result.rate,
                            result.latency,
                            result.peak_memory,
                            _agreement(masks, reference_masks),
                            _agreement(masks, own_masks),
                        )

    def _masks_on_cpu(self, file: _ModelFile, cores: int) -> npt.NDArray[np.uint8]:
        self.progress(f"{file.path}, masks on the CPU")
        measured = self._run(file, CPU, 1, cores)
        if isinstance(measured, str):
            raise ModelError(
                f"{file.path}: cannot run on the CPU, so there is no reference for its masks: {measured}"
            )
        return measured[1]

    def _run(
        self, file: _ModelFile, provider: str, batch_size: int, threads: int
    ) -> tuple[TrialResult, npt.NDArray[np.uint8]] | str:
        """Run one trial; return its result and masks, or the reason for its failure."""
        with scratch_folder(self.scratch) as out:
            trial = Trial(file.path, provider, batch_size, threads, self.images, str(out))
            try:
                process = subprocess.run(
                    # -P: modules in the working directory do not shadow installed ones.
                    [sys.executable, "-P", "-m", f"{__package__}.trial"],
                    input=json.dumps(asdict(trial)).encode(),  # unlike msgspec's, for any path
                    stdout=subprocess.DEVNULL,
                    stderr=subprocess.PIPE,
                    timeout=TIMEOUT_S,
                    check=False,
                )
            except subprocess.TimeoutExpired:
                return f"not finished within {TIMEOUT_S} seconds"
            if process.returncode:
                errors = process.stderr.decode(errors="replace").strip().splitlines()
                return errors[-1] if errors else f"ended by signal {-process.returncode}"
            result = msgspec.json.decode((out / RESULT_FILE).read_bytes(), type=TrialResult)
            return result, np.load(out / MASKS_FILE)


def _agreement(masks: npt.NDArray[np.uint8], reference: npt.NDArray[np.uint8]) -> float:
    """Return the fraction of equal bits."""
    return 1 - int(np.bitwise_count(masks ^ reference).sum()) / (8 * masks.size)


def _best(file: _ModelFile, results: Sequence[BenchResult]) -> BenchResult | None:
    """Return the fastest result of a model that `auto` may use; None if there is none.

    `auto` uses all cores, so results with fewer threads are excluded, as are those whose masks differ from
    the CPU's.
    """
    own = [result for result in results if result.hash == file.hash and result.threads == usable_cores()]
    eligible = [result for result in own if result.same >= MIN_AGREEMENT[result.precision]]
    return max(eligible, key=lambda result: result.rate, default=None)


def _store(best: BenchResult) -> bool:
    """Store a setting for `auto`; if that fails, the measurements are still worth reporting."""
    try:
        store_best_setting(best.hash, BestSetting(best.provider, best.batch_size, best.rate))
    except (OutputError, OSError) as error:
        log.warning("%s; --provider auto will not use this result", error)
        return False
    return True
