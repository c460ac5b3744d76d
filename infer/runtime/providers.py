"""The one table of execution providers, and the choice among them: never a silent fall back to the CPU."""

from __future__ import annotations

import ctypes
import logging
from collections.abc import Callable, Sequence
from contextlib import redirect_stdout
from dataclasses import dataclass
from importlib.util import find_spec
from io import StringIO
from pathlib import Path
from types import ModuleType
from typing import TypeVar

from ...errors import ProviderError
from ...machine.cache import cache_folder, machine_key
from ...machine.extras import require
from ...models.card import Precision

log = logging.getLogger(__name__)

T = TypeVar("T")

AUTO = "auto"
CPU = "cpu"

Options = Callable[[str, Precision], dict[str, str]]
"""The options of a provider in ONNX Runtime, for a model's hash and its precision."""


def _always(**options: str) -> Options:
    return lambda _hash, _precision: options


_NO_OPTIONS = _always()


@dataclass(frozen=True)
class Provider:
    """One row of the table.

    Attributes
    ----------
    name : str
        What `--provider` takes.
    ort_name : str or None
        What ONNX Runtime calls it; None for OpenVINO, whose own runtime is used.
    install : str
        The pip line that brings it.
    options : callable
        Its options in ONNX Runtime.
    batch_size : int
        Images of one pass, where the user does not say.
    then : str or None
        The row whose provider runs what this one cannot.
    device : str or None
        Where inputs and outputs are kept between passes; None for the processor's memory.
    load : callable or None
        Called with the onnxruntime module once it lists the provider: brings its libraries within reach and
        returns why they cannot be loaded, or None. ONNX Runtime itself only logs that, and uses the CPU.
    """

    name: str
    ort_name: str | None
    install: str
    options: Options = _NO_OPTIONS
    batch_size: int = 4
    then: str | None = None
    device: str | None = None
    load: Callable[[ModuleType], str | None] | None = None


def _load_cuda(ort: ModuleType) -> str | None:
    words = StringIO()
    with redirect_stdout(words):  # it prints what it does not find
        ort.preload_dlls()
    log.debug("%s", words.getvalue())
    return _load_library(ort, "libonnxruntime_providers_cuda.so")


def _load_tensorrt(ort: ModuleType) -> str | None:
    cause = _load_cuda(ort)
    if cause is not None:
        return cause
    package = find_spec("tensorrt_libs")  # the wheel that holds them puts them on no path
    for folder in (package and package.submodule_search_locations) or ():
        for library in sorted(Path(folder).glob("libnvinfer*.so*")):
            try:
                ctypes.CDLL(str(library), ctypes.RTLD_GLOBAL)
            except OSError as error:
                log.debug("%s: %s", library, error)
    return _load_library(ort, "libonnxruntime_providers_tensorrt.so")


def _load_library(ort: ModuleType, name: str) -> str | None:
    library = Path(ort.__file__ or "").parent / "capi" / name
    if not library.exists():
        return None  # another system's naming: the session's own check decides
    try:
        ctypes.CDLL(str(library.with_name("libonnxruntime_providers_shared.so")), ctypes.RTLD_GLOBAL)
        ctypes.CDLL(str(library))
    except OSError as error:
        return str(error)
    return None


def _tensorrt_options(model_hash: str, precision: Precision) -> dict[str, str]:
    """Keep engines, which take minutes to build, apart by model, versions and card: none fits another."""
    folder = str(cache_folder("tensorrt") / f"{model_hash[:16]}-{machine_key()}")
    return {
        "trt_engine_cache_enable": "1",
        "trt_engine_cache_path": folder,
        "trt_timing_cache_enable": "1",
        "trt_timing_cache_path": folder,
        # TensorRT lowers precision only where the file itself did.
        "trt_fp16_enable": "1" if precision is Precision.FP16 else "0",
        "trt_int8_enable": "1" if precision is Precision.INT8 else "0",
    }


def _coreml_options(model_hash: str, _precision: Precision) -> dict[str, str]:
    return {
        "ModelFormat": "MLProgram",
        "MLComputeUnits": "ALL",
        "ModelCacheDirectory": str(cache_folder("coreml") / model_hash[:16]),
    }


_GPU = 'pip uninstall -y onnxruntime onnxruntime-gpu && pip install "cxr[gpu]"'

PROVIDERS: dict[str, Provider] = {
    row.name: row
    for row in (
        Provider(CPU, "CPUExecutionProvider", 'pip install "cxr[cpu]"'),
        Provider("openvino", None, 'pip install "cxr[openvino]"'),
        Provider(
            "cuda",
            "CUDAExecutionProvider",
            _GPU,
            # TF32 would cut masks elsewhere than the CPU does.
            _always(use_tf32="0", arena_extend_strategy="kSameAsRequested"),
            batch_size=16,
            device="cuda",
            load=_load_cuda,
        ),
        Provider(
            "tensorrt",
            "TensorrtExecutionProvider",
            f"{_GPU} tensorrt",
            _tensorrt_options,
            batch_size=16,
            then="cuda",
            device="cuda",
            load=_load_tensorrt,
        ),
        Provider(
            "coreml", "CoreMLExecutionProvider", 'pip install "cxr[cpu]" (on macOS)', _coreml_options, 8
        ),
        Provider(
            "directml",
            "DmlExecutionProvider",
            "pip uninstall -y onnxruntime && pip install onnxruntime-directml (on Windows)",
            _always(device_id="0"),
            batch_size=8,
        ),
    )
}

# What `auto` tries, in this order, where no benchmark has said which is the quickest.
AUTOMATIC = ("cuda", CPU)

NAMES: tuple[str, ...] = (AUTO, *PROVIDERS)


def check_available(provider: Provider) -> None:
    """Check that what the provider needs is installed and that its libraries load.

    Raises
    ------
    ProviderError
        With the cause and the pip line.
    """
    if provider.ort_name is None:
        if find_spec("openvino") is None:
            raise refusal(provider, "the package openvino is not installed")
        return
    ort = require("onnxruntime", extra="cpu")
    names = ort.get_available_providers()
    if provider.ort_name not in names:
        raise refusal(provider, f"this onnxruntime has no {provider.ort_name} (it has {', '.join(names)})")
    if provider.load is not None and (cause := provider.load(ort)):
        raise refusal(provider, f"its libraries do not load: {cause}")


def ort_providers(
    provider: Provider, model_hash: str, precision: Precision
) -> list[tuple[str, dict[str, str]]]:
    """Give what ONNX Runtime takes for a row: its provider, and the one that helps it out."""
    rows = [provider] + ([PROVIDERS[provider.then]] if provider.then else [])
    return [(row.ort_name, row.options(model_hash, precision)) for row in rows if row.ort_name]


def refusal(provider: Provider, cause: str) -> ProviderError:
    """Say why a provider cannot be used, and what to do."""
    advice = f"run: {provider.install}"
    if provider.name != CPU:
        advice += ", or use --provider cpu"
    return ProviderError(f"{provider.name}: {cause}; {advice}")


def choose(
    name: str,
    attempt: Callable[[Provider], T],
    *,
    allow_fallback: bool = False,
    best: str | None = None,
) -> tuple[Provider, T]:
    """Give the provider in use for `name` and what `attempt` made with it.

    Parameters
    ----------
    name : str
        A provider's name, or `auto`: the first that works of `best` and `AUTOMATIC`.
    attempt : callable
        Makes something with one provider; `ProviderError` where that cannot run here.
    allow_fallback : bool
        Use the CPU, and say so, where the provider asked for cannot run.
    best : str, optional
        What a benchmark found the quickest.

    Raises
    ------
    ProviderError
        If no provider that `name` permits works, or the table has none of that name.
    """
    if name != AUTO and name not in PROVIDERS:
        raise ProviderError(f"provider {name!r} is not known; choose from {', '.join(NAMES)}")
    if name == AUTO:
        names = _without_repeats((best, *AUTOMATIC) if best else AUTOMATIC)
    else:
        names = _without_repeats((name, CPU) if allow_fallback else (name,))
    for candidate in names[:-1]:
        try:
            return PROVIDERS[candidate], attempt(PROVIDERS[candidate])
        except ProviderError as error:
            # `auto` on a machine without that hardware is the usual case, and no news.
            usual = name == AUTO and candidate != best
            log.log(logging.DEBUG if usual else logging.WARNING, "falling back from %s", error)
    last = PROVIDERS[names[-1]]
    return last, attempt(last)


def _without_repeats(names: Sequence[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(names))
