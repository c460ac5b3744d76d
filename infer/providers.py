"""The one table of execution providers, and the choice among them: never a silent fall back to the CPU."""

from __future__ import annotations

import ctypes
import logging
from collections.abc import Callable
from contextlib import redirect_stdout
from dataclasses import dataclass
from io import StringIO
from pathlib import Path
from types import ModuleType
from typing import TypeVar

from ..errors import ProviderError
from ..extras import require

log = logging.getLogger(__name__)

T = TypeVar("T")

AUTO = "auto"


@dataclass(frozen=True)
class Provider:
    """One row of the table.

    Attributes
    ----------
    name : str
        What `--provider` takes.
    ort_name : str
        What ONNX Runtime calls it.
    install : str
        The pip line that brings it.
    options : dict
        Its options in ONNX Runtime.
    load : callable or None
        Called with the onnxruntime module once it lists the provider: brings its libraries within reach and
        returns why they cannot be loaded, or None. ONNX Runtime itself only logs that, and uses the CPU.
    """

    name: str
    ort_name: str
    install: str
    options: dict[str, str]
    load: Callable[[ModuleType], str | None] | None = None


def _load_cuda(ort: ModuleType) -> str | None:
    words = StringIO()
    with redirect_stdout(words):  # it prints what it does not find
        ort.preload_dlls()
    log.debug("%s", words.getvalue())
    library = Path(ort.__file__ or "").parent / "capi" / "libonnxruntime_providers_cuda.so"
    if not library.exists():
        return None  # another system's naming: the session's own check decides
    try:
        ctypes.CDLL(str(library.with_name("libonnxruntime_providers_shared.so")), ctypes.RTLD_GLOBAL)
        ctypes.CDLL(str(library))
    except OSError as error:
        return str(error)
    return None


# TF32 would cut masks elsewhere than the CPU does.
PROVIDERS: dict[str, Provider] = {
    row.name: row
    for row in (
        Provider("cpu", "CPUExecutionProvider", 'pip install "cxr[cpu]"', {}),
        Provider(
            "cuda",
            "CUDAExecutionProvider",
            'pip uninstall -y onnxruntime onnxruntime-gpu && pip install "cxr[gpu]"',
            {"use_tf32": "0", "arena_extend_strategy": "kSameAsRequested"},
            _load_cuda,
        ),
    )
}

# What `auto` tries, in this order.
_AUTOMATIC = ("cuda", "cpu")

NAMES: tuple[str, ...] = (AUTO, *PROVIDERS)


def check_available(provider: Provider) -> None:
    """Check that the installed ONNX Runtime has this provider and that its libraries load.

    Raises
    ------
    ProviderError
        With the cause and the pip line.
    """
    ort = require("onnxruntime", extra="cpu")
    names = ort.get_available_providers()
    if provider.ort_name not in names:
        raise refusal(provider, f"this onnxruntime has no {provider.ort_name} (it has {', '.join(names)})")
    if provider.load is not None and (cause := provider.load(ort)):
        raise refusal(provider, f"its libraries do not load: {cause}")


def refusal(provider: Provider, cause: str) -> ProviderError:
    """Say why a provider cannot be used, and what to do."""
    advice = f"run: {provider.install}"
    if provider.name != "cpu":
        advice += ", or use --provider cpu"
    return ProviderError(f"{provider.name}: {cause}; {advice}")


def choose(
    name: str, attempt: Callable[[Provider], T], *, allow_fallback: bool = False
) -> tuple[Provider, T]:
    """Give the provider in use for `name` and what `attempt` made with it.

    Parameters
    ----------
    name : str
        A provider's name, or `auto`: the first of the table's choice that works.
    attempt : callable
        Makes something with one provider; `ProviderError` where that cannot run here.
    allow_fallback : bool
        Use the CPU, and say so, where the provider asked for cannot run.

    Raises
    ------
    ProviderError
        If no provider that `name` permits works, or the table has none of that name.
    """
    if name != AUTO and name not in PROVIDERS:
        raise ProviderError(f"provider {name!r} is not known; choose from {', '.join(NAMES)}")
    names = _AUTOMATIC if name == AUTO else (name, "cpu") if allow_fallback and name != "cpu" else (name,)
    for candidate in names[:-1]:
        try:
            return PROVIDERS[candidate], attempt(PROVIDERS[candidate])
        except ProviderError as error:
            # `auto` on a machine without that hardware is the usual case, and no news.
            log.log(logging.DEBUG if name == AUTO else logging.WARNING, "falling back from %s", error)
    last = PROVIDERS[names[-1]]
    return last, attempt(last)


def resolve(name: str, allow_fallback: bool = False) -> Provider:
    """Give the provider in use for `name` on this machine, as `choose`, without a model."""
    return choose(name, check_available, allow_fallback=allow_fallback)[0]
