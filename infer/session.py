"""A model that is ready to run: its file checked, its card read, its provider the one that was asked for."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import numpy.typing as npt

from ..data.picture import Grey
from ..errors import ModelError
from ..extras import require
from ..models.card import METADATA_KEY, ModelCard
from .cores import usable_cores
from .onnx_file import OnnxFile, read_onnx
from .providers import Provider, check_available, choose, refusal

INPUT, OUTPUT = "image", "probability"

# A class's name becomes a column's and a folder's.
_CLASS_NAME = re.compile(r"\w[\w -]*")


def read_card(path: Path | str) -> ModelCard:
    """Read the card that an ONNX file carries, without loading the model.

    Raises
    ------
    ModelError
        If the file is not an ONNX model, has no card or an invalid one.
    """
    return _card_of(read_onnx(Path(path)), None)


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
        Threads of one model pass on the CPU.
    """

    card: ModelCard
    path: Path
    model_hash: str
    provider: str
    threads: int
    _runtime: Any = field(repr=False, compare=False)

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
            A name of the providers' table, or `auto`.
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
        model_card = _card_of(file, card)
        model_hash = file.hash()
        count = threads or usable_cores()
        used, runtime = choose(provider, lambda row: _build(file, row, count), allow_fallback=allow_fallback)
        _check_fit(file.path, runtime, model_card)
        return cls(model_card, file.path, model_hash, used.name, count, runtime)

    def run(self, batch: Grey) -> npt.NDArray[np.float32]:
        """Run the model.

        Parameters
        ----------
        batch : ndarray of uint8, shape (N, 1, H, W)
            Pictures as `prepare` gives them.

        Returns
        -------
        ndarray of float32, shape (N, classes, H, W)

        Raises
        ------
        ModelError
            If the runtime fails, for example for want of memory.
        """
        try:
            (output,) = self._runtime.run([OUTPUT], {INPUT: batch})
        except Exception as error:
            raise ModelError(f"{self.path}: failed on a batch of {len(batch)} ({error})") from error
        expected = (len(batch), len(self.card.classes), *batch.shape[2:])
        if output.shape != expected:
            raise ModelError(f"{self.path}: gave an output of shape {output.shape}, not {expected}")
        return np.asarray(output, np.float32)


def _card_of(file: OnnxFile, given: Path | None) -> ModelCard:
    if given is not None:
        card = ModelCard.read(given)
    elif METADATA_KEY in file.metadata:
        card = ModelCard.from_json(file.metadata[METADATA_KEY], source=str(file.path))
    else:
        raise ModelError(f"{file.path}: carries no model card; give one with --card card.json")
    for name in card.classes:
        if not _CLASS_NAME.fullmatch(name):
            raise ModelError(f"{file.path}: its card's class {name!r} is not a plain name")
    return card


def _build(file: OnnxFile, provider: Provider, threads: int) -> Any:
    """Build a session on one provider, and make sure that it runs there."""
    check_available(provider)
    ort = require("onnxruntime", extra="cpu")
    # From bytes no other file can be reached; a path is given once external data was allowed and checked.
    source = str(file.path) if file.external else file.content
    try:
        runtime = ort.InferenceSession(
            source,
            _options(ort, threads),
            providers=[(provider.ort_name, provider.options)],
            enable_fallback=0,
        )
    except Exception as error:
        if provider.name == "cpu":
            raise ModelError(f"{file.path}: ONNX Runtime cannot load this model: {error}") from error
        raise refusal(provider, f"no session could be built ({error})") from error
    if (first := runtime.get_providers()[0]) != provider.ort_name:
        raise refusal(provider, f"ONNX Runtime could not start it and chose {first}")
    return runtime


def _options(ort: ModuleType, threads: int) -> Any:
    options = ort.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.execution_mode = ort.ExecutionMode.ORT_SEQUENTIAL
    # Threads that wait by spinning would take the cores from decoding.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    options.log_severity_level = 4  # what goes wrong is raised or checked here, not printed
    return options


def _check_fit(path: Path, runtime: Any, card: ModelCard) -> None:
    inputs = {tensor.name: tensor for tensor in runtime.get_inputs()}
    outputs = {tensor.name: tensor for tensor in runtime.get_outputs()}
    if set(inputs) != {INPUT} or OUTPUT not in outputs:
        raise ModelError(
            f"{path}: needs one input {INPUT!r} and an output {OUTPUT!r}; "
            f"has {', '.join(inputs)} and {', '.join(outputs)}"
        )
    height, width = card.pixels.height, card.pixels.width
    _check_tensor(path, inputs[INPUT], "tensor(uint8)", (1, height, width))
    _check_tensor(path, outputs[OUTPUT], "tensor(float)", (len(card.classes), height, width))


def _check_tensor(path: Path, tensor: Any, kind: str, shape: tuple[int, int, int]) -> None:
    """Compare type and shape; an axis that the model leaves open is checked when it runs."""
    if tensor.type != kind:
        raise ModelError(f"{path}: its {tensor.name} is {tensor.type}, not {kind}")
    axes = list(tensor.shape)
    fixed = [(have, need) for have, need in zip(axes[1:], shape, strict=False) if isinstance(have, int)]
    if len(axes) != 4 or any(have != need for have, need in fixed):
        raise ModelError(f"{path}: its {tensor.name} is {axes}, but its card needs {['N', *shape]}")
    if isinstance(axes[0], int):
        raise ModelError(f"{path}: its {tensor.name} has a fixed batch of {axes[0]}; N must be dynamic")
