"""The table of execution providers, and the choice among them, which never silently falls back to the CPU."""

from __future__ import annotations

import ctypes
import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType
from typing import TypeVar

from ...errors import ProviderError
from ...machine.cache import machine_key, writable_cache_folder
from ...machine.extras import install_command, pip_command, require
from ...machine.quiet import quiet_libraries
from ...models.card import Precision

log = logging.getLogger(__name__)

T = TypeVar("T")

AUTO = "auto"
CPU = "cpu"

ProviderOptions = Callable[[str, Precision], dict[str, str]]
"""Returns a provider's options in ONNX Runtime for a model, given by its hash and precision."""


def _fixed_options(**options: str) -> ProviderOptions:
    return lambda _hash, _precision: options


_NO_OPTIONS = _fixed_options()


@dataclass(frozen=True)
class Provider:
    """An execution provider.

    Attributes
    ----------
    name : str
        The value of `--provider`.
    ort_name : str or None
        ONNX Runtime's name for it; None for OpenVINO, whose own runtime is used.
    install : callable
        Returns the command that installs it.
    options : callable
        Its options in ONNX Runtime.
    batch_size : int
        Images per batch where the user does not specify it.
    operator_fallback : str or None
        The provider that runs the operators that this one cannot run.
    device : str or None
        Where inputs and outputs are kept between passes; None: in the CPU's memory.
    load_libraries : callable or None
        Called with the onnxruntime module if it lists the provider: loads the provider's shared libraries and
        returns the reason if they cannot be loaded, else None. ONNX Runtime itself only logs that and uses
        the CPU.
    """

    name: str
    ort_name: str | None
    install: Callable[[], str]
    options: ProviderOptions = _NO_OPTIONS
    batch_size: int = 4
    operator_fallback: str | None = None
    device: str | None = None
    load_libraries: Callable[[ModuleType], str | None] | None = None


def _load_cuda(ort: ModuleType) -> str | None:
    with quiet_libraries(standard_output=True):  # preload_dlls prints the libraries that it does not find
        ort.preload_dlls()
    return _load_library(ort, "libonnxruntime_providers_cuda.so")


def _load_tensorrt(ort: ModuleType) -> str | None:
    cause = _load_cuda(ort)
    if cause is not None:
        return cause
    package = find_spec("tensorrt_libs")  # its wheel installs the libraries outside the loader's search path
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
        return None  # other systems name it differently; `open_ort` checks the provider in use
    try:
        ctypes.CDLL(str(library.with_name("libonnxruntime_providers_shared.so")), ctypes.RTLD_GLOBAL)
        ctypes.CDLL(str(library))
    except OSError as error:
        return str(error)
    return None


def _tensorrt_options(model_hash: str, precision: Precision) -> dict[str, str]:
    """Cache engines, which take minutes to build, per model, versions and GPU: they fit no other."""
    options = {
        # TensorRT may lower the precision only as far as the file does.
        "trt_fp16_enable": "1" if precision is Precision.FP16 else "0",
        "trt_int8_enable": "1" if precision is Precision.INT8 else "0",
    }
    parent = writable_cache_folder("tensorrt")
    if parent is None:
        log.warning("tensorrt: its engine is built anew in each run: cxr doctor reports why none is cached")
        return options
    folder = str(parent / f"{model_hash[:16]}-{machine_key()}")
    for cache in ("engine", "timing"):
        options |= {f"trt_{cache}_cache_enable": "1", f"trt_{cache}_cache_path": folder}
    return options


def _coreml_options(model_hash: str, _precision: Precision) -> dict[str, str]:
    options = {"ModelFormat": "MLProgram", "MLComputeUnits": "ALL"}
    parent = writable_cache_folder("coreml")
    return options if parent is None else options | {"ModelCacheDirectory": str(parent / model_hash[:16])}


def _install_gpu(*packages: str) -> str:
    """Return the command for NVIDIA's providers, without the wheels that overwrite each other's files."""
    return f"{pip_command()} uninstall -y onnxruntime onnxruntime-gpu && {install_command('gpu', *packages)}"


def _install_directml() -> str:
    pip = pip_command()
    return f"{pip} uninstall -y onnxruntime && {pip} install onnxruntime-directml (on Windows)"


PROVIDERS: dict[str, Provider] = {
    provider.name: provider
    for provider in (
        Provider(CPU, "CPUExecutionProvider", lambda: install_command("cpu")),
        Provider("openvino", None, lambda: install_command("openvino")),
        Provider(
            "cuda",
            "CUDAExecutionProvider",
            _install_gpu,
            # With TF32 the masks would differ from the CPU's.
            _fixed_options(use_tf32="0", arena_extend_strategy="kSameAsRequested"),
            batch_size=16,
            device="cuda",
            load_libraries=_load_cuda,
        ),
        Provider(
            "tensorrt",
            "TensorrtExecutionProvider",
            lambda: _install_gpu("tensorrt"),
            _tensorrt_options,
            batch_size=16,
            operator_fallback="cuda",
            device="cuda",
            load_libraries=_load_tensorrt,
        ),
        Provider(
            "coreml",
            "CoreMLExecutionProvider",
            lambda: f"{install_command('cpu')} (on macOS)",
            _coreml_options,
            batch_size=8,
        ),
        Provider(
            "directml",
            "DmlExecutionProvider",
            _install_directml,
            _fixed_options(device_id="0"),
            batch_size=8,
        ),
    )
}

# The order in which `auto` tries providers if no benchmark has been run.
AUTO_ORDER = ("cuda", CPU)

PROVIDER_NAMES: tuple[str, ...] = (AUTO, *PROVIDERS)


def check_available(provider: Provider) -> None:
    """Check that a provider's package is installed and that its libraries can be loaded.

    Raises
    ------
    ProviderError
        With the cause and the pip command.
    """
    if provider.ort_name is None:
        if find_spec("openvino") is None:
            raise provider_error(provider, "the package openvino is not installed")
        return
    ort = require("onnxruntime", extra="cpu")
    names = ort.get_available_providers()
    if provider.ort_name not in names:
        missing = f"this onnxruntime has no {provider.ort_name} (it has {', '.join(names)})"
        raise provider_error(provider, missing)
    if provider.load_libraries is not None and (cause := provider.load_libraries(ort)):
        raise provider_error(provider, f"its libraries cannot be loaded: {cause}")


def ort_providers(
    provider: Provider, model_hash: str, precision: Precision
) -> list[tuple[str, dict[str, str]]]:
    """Return ONNX Runtime's names and options of a provider and of its operator fallback."""
    used = [provider]
    if provider.operator_fallback:
        used.append(PROVIDERS[provider.operator_fallback])
    return [(one.ort_name, one.options(model_hash, precision)) for one in used if one.ort_name]


def provider_error(provider: Provider, cause: str) -> ProviderError:
    """Create the error for a provider that cannot be used: the cause, and what to do."""
    advice = f"run: {provider.install()}"
    if provider.name != CPU:
        advice += ", or use --provider cpu"
    return ProviderError(f"{provider.name}: {cause}; {advice}")


def unknown_provider_error(name: str, known: Sequence[str]) -> ProviderError:
    """Create the error for a provider name that is not one of `known`."""
    return ProviderError(f"provider {name!r} is not known; choose from {', '.join(known)}")


def choose_provider(
    name: str,
    open_with: Callable[[Provider], T],
    *,
    allow_fallback: bool = False,
    best: str | None = None,
) -> tuple[Provider, T]:
    """Return the first provider that works, and what `open_with` returned for it.

    Parameters
    ----------
    name : str
        A provider's name, or `auto`: the first of `best` and `AUTO_ORDER` that works.
    open_with : callable
        Opens something with a provider; raises `ProviderError` if that provider cannot be used here.
    allow_fallback : bool
        If the provider asked for cannot be used, use the CPU, with a warning.
    best : str, optional
        The fastest provider in a benchmark.

    Raises
    ------
    ProviderError
        If no provider that `name` permits works, or there is none of that name.
    """
    if name not in PROVIDER_NAMES:
        raise unknown_provider_error(name, PROVIDER_NAMES)
    if name == AUTO:
        names = _without_repeats((best, *AUTO_ORDER) if best else AUTO_ORDER)
    else:
        names = _without_repeats((name, CPU) if allow_fallback else (name,))
    for candidate in names[:-1]:
        try:
            return PROVIDERS[candidate], open_with(PROVIDERS[candidate])
        except ProviderError as error:
            # With `auto`, missing hardware is the usual case and deserves no warning.
            usual = name == AUTO and candidate != best
            log.log(logging.DEBUG if usual else logging.WARNING, "falling back from %s", error)
    last = PROVIDERS[names[-1]]
    return last, open_with(last)


def _without_repeats(names: Sequence[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(names))
