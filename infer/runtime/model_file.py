"""Choose between the two files of a shipped model: int8 where that is faster, else float."""

from __future__ import annotations

from pathlib import Path

from ...machine.extras import require
from ...machine.hardware import int8_saturates
from ...models.file.onnx_file import read_card, read_onnx
from ...models.shipped import ShippedModel
from .providers import AUTO, CPU, PROVIDERS
from .selection import has_stored_settings, load_best_setting

_MADE_FOR_INT8 = (CPU, "openvino")


def choose_file(model: Path | ShippedModel, provider: str) -> Path:
    """Return the file to run.

    Parameters
    ----------
    model : Path or ShippedModel
        A file is returned as it is.
    provider : str
        A provider's name or `auto`.

    Returns
    -------
    Path
        Of a shipped model: with `auto` the file that `cxr bench` found faster on this machine; without
        results of both, or with a named provider, the int8 file for the CPU and OpenVINO if its products do
        not saturate on this processor, and the float file elsewhere.
    """
    if isinstance(model, Path):
        return model
    if model.int8_file is None:
        return model.float_file
    if provider == AUTO and (measured := _fastest((model.float_file, model.int8_file))):
        return measured
    suits_int8 = _expected(provider) in _MADE_FOR_INT8 and not _saturates(model.int8_file)
    return model.int8_file if suits_int8 else model.float_file


def _saturates(path: Path) -> bool:
    """Return whether products of an int8 file may saturate on this processor."""
    if not int8_saturates():
        return False
    quantization = read_card(path).quantization
    return quantization is None or not quantization.has_seven_bit_weights


def _fastest(files: tuple[Path, ...]) -> Path | None:
    """Return the file with the highest stored rate, if all were measured."""
    if not has_stored_settings():  # else every start would read and hash files of which only one runs
        return None
    rates = {}
    for path in files:
        if (best := load_best_setting(read_onnx(path).hash())) is None:
            return None
        rates[path] = best.rate
    return max(rates, key=lambda path: rates[path])


def _expected(provider: str) -> str:
    """Return the provider that `auto` tries first; its package may lack the GPU, never the reverse."""
    if provider != AUTO:
        return provider
    names = require("onnxruntime", extra="cpu").get_available_providers()
    return "cuda" if PROVIDERS["cuda"].ort_name in names else CPU
