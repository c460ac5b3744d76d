"""ONNX Runtime on a processor or on a device beside it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from types import ModuleType
from typing import Any

import numpy as np
import numpy.typing as npt

from ...data.image import Gray
from ...machine.extras import require
from ...models.onnx_file import OnnxFile
from .engine import INPUT, OUTPUT, EngineError, Tensor

ProviderOptions = tuple[str, Mapping[str, str]]


@dataclass(frozen=True)
class OrtEngine:
    """A session on the processor: every pass on the one thread that asks for it, as many at once as threads.

    A pass that is cut over all cores waits at every layer for its slowest thread, and for whatever else the
    cores are decoding just then; passes side by side never wait. Besides, what a pass computes then cannot
    depend on the number of threads.
    """

    runtime: Any
    streams: int

    @property
    def inputs(self) -> tuple[Tensor, ...]:
        """What the model takes."""
        return _tensors(self.runtime.get_inputs())

    @property
    def outputs(self) -> tuple[Tensor, ...]:
        """What it gives."""
        return _tensors(self.runtime.get_outputs())

    def run(self, batch: Gray) -> npt.NDArray[np.float32]:
        """Run one pass."""
        (output,) = self.runtime.run([OUTPUT], {INPUT: batch})
        return np.asarray(output, np.float32)


@dataclass(frozen=True)
class BoundEngine(OrtEngine):
    """A session on a device, one pass at a time, with input and output kept in the device's memory.

    They are made once for a shape of batch, so no pass waits for memory on the device.
    """

    device: str
    _bound: dict[tuple[int, ...], Any] = field(default_factory=dict)

    def run(self, batch: Gray) -> npt.NDArray[np.float32]:
        """Copy the batch there, run, and copy the answer back."""
        if batch.shape not in self._bound:
            self._bound.clear()  # one shape is in use at a time
            self._bound[batch.shape] = self._bind(batch.shape)
        binding, image, probability = self._bound[batch.shape]
        image.update_inplace(np.ascontiguousarray(batch))
        self.runtime.run_with_iobinding(binding)
        return np.array(probability.numpy(), np.float32)

    def _bind(self, shape: tuple[int, ...]) -> tuple[Any, Any, Any]:
        ort = require("onnxruntime", extra="gpu")
        channels = self.outputs[0].shape[1]
        image = ort.OrtValue.ortvalue_from_shape_and_type(shape, np.uint8, self.device)
        probability = ort.OrtValue.ortvalue_from_shape_and_type(
            (shape[0], channels, *shape[2:]), np.float32, self.device
        )
        binding = self.runtime.io_binding()
        binding.bind_ortvalue_input(INPUT, image)
        binding.bind_ortvalue_output(OUTPUT, probability)
        return binding, image, probability


def open_ort(
    file: OnnxFile, providers: Sequence[ProviderOptions], *, device: str | None, threads: int
) -> OrtEngine:
    """Build a session, and make sure that it runs where it shall.

    Parameters
    ----------
    file : OnnxFile
    providers : sequence of (name, options)
        ONNX Runtime's own; the first is the one asked for, later ones take what that one cannot run.
    device : str or None
        The memory in which inputs and outputs are kept; None for the processor's own, without streams.
    threads : int
        Of the processor.

    Raises
    ------
    EngineError
        If the runtime refuses the model, or has put another provider in the place of the first.
    """
    ort = require("onnxruntime", extra="cpu")
    # From bytes no other file can be reached; a path is given once external data was allowed and checked.
    source = str(file.path) if file.external else file.content
    try:
        runtime = ort.InferenceSession(
            source, _options(ort), providers=[(name, dict(had)) for name, had in providers], enable_fallback=0
        )
    except Exception as error:
        raise EngineError(f"no session could be built ({error})") from error
    if (first := runtime.get_providers()[0]) != providers[0][0]:
        raise EngineError(f"ONNX Runtime could not start it and chose {first}")
    if providers[0][0] == "CPUExecutionProvider":
        return OrtEngine(runtime, streams=threads)
    return OrtEngine(runtime, streams=1) if device is None else BoundEngine(runtime, 1, device)


def _options(ort: ModuleType) -> Any:
    options = ort.SessionOptions()
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    options.execution_mode = ort.ExecutionMode.ORT_SEQUENTIAL
    # Threads that wait by spinning would take the cores from decoding.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    options.log_severity_level = 4  # what goes wrong is raised or checked here, not printed
    return options


def _tensors(declared: Sequence[Any]) -> tuple[Tensor, ...]:
    return tuple(
        Tensor(
            one.name,
            _DTYPES.get(one.type, one.type),
            tuple(axis if isinstance(axis, int) else None for axis in one.shape),
        )
        for one in declared
    )


_DTYPES = {"tensor(uint8)": "uint8", "tensor(float)": "float32"}
