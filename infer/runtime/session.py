"""A model that is ready to run: its file checked, its card read, its provider the one that was asked for."""

from __future__ import annotations

import logging
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import numpy.typing as npt

from ...data.image import Gray
from ...errors import ModelError, ProviderError
from ...machine.cores import usable_cores
from ...machine.hardware import int8_saturates
from ...models.card import ModelCard, Precision
from ...models.onnx_file import OnnxFile, _card_of, read_onnx
from .engine import INPUT, OUTPUT, Engine, EngineError, Tensor
from .engine_openvino import open_openvino
from .engine_ort import open_ort
from .providers import AUTO, CPU, Provider, check_available, choose, ort_providers, refusal
from .selection import recall

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Session:
    """A loaded model.

    Attributes
    ----------
    card : ModelCard
    path : Path
    model_hash : str
        sha256 of the file (and of its external data, where it has some).
    provider : str
        The provider in use, by its name in the table; never `auto`.
    threads : int
        Threads of the processor: for the passes, where they run there, and for decoding and measuring.
    batch_size : int
        Images of one pass that suit the provider.
    """

    card: ModelCard
    path: Path
    model_hash: str
    provider: str
    threads: int
    batch_size: int
    _engine: Engine = field(repr=False, compare=False)

    @classmethod
    def open(
        cls,
        path: Path | str,
        *,
        provider: str = "cpu",
        card: Path | None = None,
        threads: int | None = None,
        allow_fallback: bool = False,
        allow_external_data: bool = False,
    ) -> Session:
        """Load a model and check that it fits its card.

        Parameters
        ----------
        path : Path or str
            The ONNX file.
        provider : str
            A name of the providers' table, or `auto`: what `cxr bench` found best for this model here; where
            that is nothing or does not work, the first that works of CUDA and the CPU.
        card : Path, optional
            A card's JSON file, for a model that carries none; it goes before one that is carried.
        threads : int, optional
            By default the cores that this process may use.
        allow_fallback : bool
            Run on the CPU, with a warning, where `provider` cannot run.
        allow_external_data : bool
            Load tensors from other files of the model's own folder.

        Raises
        ------
        ModelError
            If the file, its card, its input or its output cannot be used.
        ProviderError
            If the provider cannot run here.
        """
        file = read_onnx(Path(path))
        if file.external and not allow_external_data:
            raise ModelError(
                f"{path}: keeps tensors in other files ({file.external[0]}); "
                "give --allow-external-data if you trust them"
            )
        if file.custom:
            raise ModelError(f"{path}: has operators of {file.custom[0]!r}, which would run code beside it")
        model_card = _card_of(file, card)
        model_hash = file.hash()
        count = threads or usable_cores()
        best = recall(model_hash) if provider == AUTO else None
        used, engine = choose(
            provider,
            lambda row: _build(file, row, model_card, model_hash, count),
            allow_fallback=allow_fallback,
            best=best.provider if best else None,
        )
        _check_fit(file.path, engine, model_card)
        _warn_of_saturation(file.path, used, model_card)
        batch_size = best.batch_size if best and best.provider == used.name else used.batch_size
        return cls(model_card, file.path, model_hash, used.name, count, batch_size, engine)

    @property
    def streams(self) -> int:
        """How many threads may be inside `run` at once."""
        return self._engine.streams

    def run(self, batch: Gray) -> npt.NDArray[np.float32]:
        """Run the model.

        Parameters
        ----------
        batch : ndarray of uint8, shape (N, 1, H, W)
            Images as `prepare` gives them.

        Returns
        -------
        ndarray of float32, shape (N, classes, H, W)

        Raises
        ------
        ModelError
            If the runtime fails, for example for want of memory.
        """
        try:
            output = self._engine.run(batch)
        except Exception as error:
            raise ModelError(f"{self.path}: failed on a batch of {len(batch)} ({error})") from error
        expected = (len(batch), len(self.card.classes), *batch.shape[2:])
        if output.shape != expected:
            raise ModelError(f"{self.path}: gave an output of shape {output.shape}, not {expected}")
        return output


def _build(file: OnnxFile, provider: Provider, card: ModelCard, model_hash: str, threads: int) -> Engine:
    """Load the model on one provider, and make sure that it runs there."""
    check_available(provider)
    try:
        if provider.ort_name is None:
            return open_openvino(file, threads=threads)
        rows = ort_providers(provider, model_hash, card.precision)
        return open_ort(file, rows, device=provider.device, threads=threads)
    except EngineError as error:
        raise _blame(file, provider, error) from error


def _blame(file: OnnxFile, provider: Provider, error: EngineError) -> ModelError | ProviderError:
    """Tell a model that no provider could load from a provider that does not work here."""
    if provider.name == CPU:
        return ModelError(f"{file.path}: ONNX Runtime cannot load this model: {error}")
    return refusal(provider, str(error))


def _check_fit(path: Path, engine: Engine, card: ModelCard) -> None:
    inputs = {tensor.name: tensor for tensor in engine.inputs}
    outputs = {tensor.name: tensor for tensor in engine.outputs}
    if set(inputs) != {INPUT} or OUTPUT not in outputs:
        raise ModelError(
            f"{path}: needs one input {INPUT!r} and an output {OUTPUT!r}; "
            f"has {', '.join(inputs)} and {', '.join(outputs)}"
        )
    height, width = card.pixels.height, card.pixels.width
    _check_tensor(path, inputs[INPUT], "uint8", (1, height, width))
    _check_tensor(path, outputs[OUTPUT], "float32", (len(card.classes), height, width))


def _warn_of_saturation(path: Path, provider: Provider, card: ModelCard) -> None:
    """Say that masks may differ, where sums of this file's bytes do not fit this processor's instructions."""
    made = card.quantization
    if card.precision is not Precision.INT8 or made is None or provider.name != CPU:
        return
    if "s7" not in made.method and int8_saturates():
        log.warning(
            "%s: has weights of 8 bits (%s), whose sums may overflow on this processor without VNNI, so "
            "masks may differ; use --provider openvino, or export it with --int8 on this machine",
            path,
            made.method,
        )


def _check_tensor(path: Path, tensor: Tensor, dtype: str, shape: tuple[int, int, int]) -> None:
    """Compare type and shape; an axis that the model leaves open is checked when it runs."""
    if tensor.dtype != dtype:
        raise ModelError(f"{path}: its {tensor.name} is {tensor.dtype}, not {dtype}")
    axes = tensor.shape
    fixed = [(have, need) for have, need in zip(axes[1:], shape, strict=False) if have is not None]
    if len(axes) != 4 or any(have != need for have, need in fixed):
        declared = ["N" if axis is None else axis for axis in axes]
        raise ModelError(f"{path}: its {tensor.name} is {declared}, but its card needs {['N', *shape]}")
    if axes[0] is not None:
        raise ModelError(f"{path}: its {tensor.name} has a fixed batch of {axes[0]}; N must be dynamic")
