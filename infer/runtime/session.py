"""A model that is ready to run: its file checked, its card read, its provider the one asked for."""

from __future__ import annotations

import logging
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import numpy.typing as npt

from ...data.image import Gray
from ...errors import EngineError, ModelError
from ...machine.cores import usable_cores
from ...machine.hardware import int8_saturates
from ...machine.limits import MAX_THREADS, check_range
from ...models.card import ModelCard, Precision
from ...models.file.onnx_file import OnnxFile, find_card, read_onnx
from .engine import FRONTAL, INPUT, OUTPUT, Engine, Tensor
from .engine_openvino import open_openvino
from .engine_ort import open_ort
from .providers import AUTO, CPU, Provider, check_available, choose_provider, ort_providers, provider_error
from .selection import ChosenBy, load_best_setting

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Output:
    """What a model computes from a batch.

    Attributes
    ----------
    probability : ndarray of float32, shape (N, classes, H, W)
    frontal : ndarray of float32, shape (N,), or None
        How much each image looks like an upright frontal chest radiograph, 0 to 1; None if the model does not
        tell.
    """

    probability: npt.NDArray[np.float32]
    frontal: npt.NDArray[np.float32] | None


@dataclass(frozen=True)
class Session:
    """A loaded model.

    Attributes
    ----------
    card : ModelCard
    path : Path
    model_hash : str
        sha256 of the file and its external data.
    provider : str
        The name of the provider in use; never `auto`.
    threads : int
        CPU threads: for the model, if it runs on the CPU, and for decoding and measuring.
    batch_size : int
        Images per batch that suit the provider.
    chosen_by : ChosenBy
        How the provider was chosen.
    """

    card: ModelCard
    path: Path
    model_hash: str
    provider: str
    threads: int
    batch_size: int
    _engine: Engine = field(repr=False, compare=False)
    chosen_by: ChosenBy = ChosenBy.REQUEST

    @classmethod
    def open(
        cls,
        path: Path | str,
        *,
        provider: str = "cpu",
        card: Path | str | None = None,
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
            A provider's name, or `auto`: the provider that `cxr bench` found fastest for this model on this
            machine; if none was measured or it does not work, CUDA, else the CPU.
        card : Path or str, optional
            A model card as a JSON file; it takes precedence over the card in the model file.
        threads : int, optional
            By default the cores that this process may use.
        allow_fallback : bool
            If `provider` cannot be used, run on the CPU, with a warning.
        allow_external_data : bool
            Load tensors from other files in the model's own folder.

        Raises
        ------
        InputError
            If `threads` is out of range.
        ModelError
            If the file, its card, its input or its output cannot be used.
        ProviderError
            If the provider cannot be used here.
        """
        check_range("threads", threads, 1, MAX_THREADS)
        file = read_onnx(Path(path))
        if file.external and not allow_external_data:
            raise ModelError(
                f"{path}: has tensors in other files ({file.external[0]}); "
                "give --allow-external-data if you trust them"
            )
        if file.custom:
            raise ModelError(
                f"{path}: has operators of {file.custom[0]!r}, which need code from outside the file"
            )
        model_card = find_card(file, None if card is None else Path(card))
        model_hash = file.hash()
        count = threads or usable_cores()
        best = load_best_setting(model_hash) if provider == AUTO else None
        used, engine = choose_provider(
            provider,
            lambda candidate: _open_engine(file, candidate, model_card, model_hash, count),
            allow_fallback=allow_fallback,
            best=best.provider if best else None,
        )
        _check_interface(file.path, engine, model_card)
        _warn_if_int8_saturates(file.path, used, model_card)
        batch_size = best.batch_size if best and best.provider == used.name else used.batch_size
        chosen_by = ChosenBy.of(provider, used.name, best.provider if best else None)
        return cls(model_card, file.path, model_hash, used.name, count, batch_size, engine, chosen_by)

    @property
    def streams(self) -> int:
        """The number of threads that may call `run` concurrently."""
        return self._engine.streams

    def run(self, batch: Gray) -> npt.NDArray[np.float32]:
        """Compute the probability maps of a batch.

        Parameters
        ----------
        batch : ndarray of uint8, shape (N, 1, H, W)
            Images as `models.preprocess.prepare` returns them.

        Returns
        -------
        ndarray of float32, shape (N, classes, H, W)

        Raises
        ------
        ModelError
            If the runtime fails, for example out of memory.
        """
        return self.predict(batch).probability

    def predict(self, batch: Gray) -> Output:
        """Compute everything that the model tells of a batch; see `run`."""
        try:
            outputs = self._engine.run(batch)
        except Exception as error:
            raise ModelError(f"{self.path}: failed on a batch of {len(batch)} ({error})") from error
        expected = {OUTPUT: (len(batch), len(self.card.classes), *batch.shape[2:]), FRONTAL: (len(batch),)}
        for name, output in outputs.items():
            if output.shape != expected[name]:
                raise ModelError(
                    f"{self.path}: its {name} has the shape {output.shape}, not {expected[name]}"
                )
        return Output(outputs[OUTPUT], outputs.get(FRONTAL))


def _open_engine(
    file: OnnxFile, provider: Provider, card: ModelCard, model_hash: str, threads: int
) -> Engine:
    """Load the model with one provider, and check that it is in use."""
    check_available(provider)
    try:
        if provider.ort_name is None:
            return open_openvino(file, threads=threads)
        providers = ort_providers(provider, model_hash, card.precision)
        return open_ort(file, providers, device=provider.device, threads=threads)
    except EngineError as error:
        if provider.name == CPU:  # a model that the CPU cannot run cannot run anywhere
            raise ModelError(f"{file.path}: ONNX Runtime cannot load this model: {error}") from error
        raise provider_error(provider, str(error)) from error


def _check_interface(path: Path, engine: Engine, card: ModelCard) -> None:
    """Compare the model's input and output with its card."""
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
    if FRONTAL in outputs:
        _check_tensor(path, outputs[FRONTAL], "float32", ())
    elif card.frontal is not None:
        raise ModelError(f"{path}: its card judges an output {FRONTAL!r}, but it has no output {FRONTAL!r}")


def _warn_if_int8_saturates(path: Path, provider: Provider, card: ModelCard) -> None:
    """Warn if masks may differ because int8 products of this model may saturate on this processor."""
    quantization = card.quantization
    if card.precision is not Precision.INT8 or quantization is None or provider.name != CPU:
        return
    if not quantization.has_seven_bit_weights and int8_saturates():
        log.warning(
            "%s: has 8-bit weights (%s), whose products may saturate on this processor without VNNI, so "
            "masks may differ; use --provider openvino, or export it with --int8 on this machine",
            path,
            quantization.method,
        )


def _check_tensor(path: Path, tensor: Tensor, dtype: str, shape: tuple[int, ...]) -> None:
    """Compare dtype and shape; a dynamic axis is checked when the model runs."""
    if tensor.dtype != dtype:
        raise ModelError(f"{path}: its {tensor.name} is {tensor.dtype}, not {dtype}")
    axes = tensor.shape
    fixed = [(found, needed) for found, needed in zip(axes[1:], shape, strict=False) if found is not None]
    if len(axes) != len(shape) + 1 or any(found != needed for found, needed in fixed):
        declared = ["N" if axis is None else axis for axis in axes]
        raise ModelError(f"{path}: its {tensor.name} is {declared}, but its card needs {['N', *shape]}")
    if axes[0] is not None:
        raise ModelError(f"{path}: its {tensor.name} has a fixed batch of {axes[0]}; N must be dynamic")
