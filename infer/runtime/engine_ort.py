"""ONNX Runtime on the CPU or on another device."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from types import ModuleType
from typing import Any

import numpy as np

from ...data.image import Gray
from ...errors import EngineError
from ...machine.extras import require
from ...machine.telemetry import disable_onnxruntime_events
from ...models.file.onnx_file import OnnxFile
from .engine import INPUT, Arrays, Tensor, used_outputs

ProviderOptions = tuple[str, Mapping[str, str]]


@dataclass(frozen=True)
class OrtEngine:
    """A session whose passes each run on the calling thread, as many concurrently as `streams`.

    A pass that is divided among all cores waits at every layer for its slowest thread, and for whatever else
    the cores are decoding; concurrent single-threaded passes never wait for each other. Nor can their results
    depend on the number of threads.
    """

    runtime: Any
    streams: int

    @property
    def inputs(self) -> tuple[Tensor, ...]:
        """The model's inputs."""
        return _tensors(self.runtime.get_inputs())

    @property
    def outputs(self) -> tuple[Tensor, ...]:
        """The model's outputs."""
        return _tensors(self.runtime.get_outputs())

    @cached_property
    def _used(self) -> tuple[str, ...]:
        return used_outputs(self.outputs)

    def run(self, batch: Gray) -> Arrays:
        """Run the model on a batch."""
        outputs = self.runtime.run(list(self._used), {INPUT: batch})
        return {name: np.asarray(one, np.float32) for name, one in zip(self._used, outputs, strict=True)}


@dataclass(frozen=True)
class BoundEngine(OrtEngine):
    """A session on a device, one pass at a time, with input and output kept in the device's memory.

    They are allocated once per batch shape, so no pass waits for an allocation on the device.
    """

    device: str
    _bindings: dict[tuple[int, ...], tuple[Any, Any, dict[str, Any]]] = field(default_factory=dict)

    def run(self, batch: Gray) -> Arrays:
        """Copy the batch to the device, run the model, and copy the outputs back."""
        if batch.shape not in self._bindings:
            self._bindings.clear()  # only one shape is in use at a time
            self._bindings[batch.shape] = self._bind(batch.shape)
        binding, image, outputs = self._bindings[batch.shape]
        image.update_inplace(np.ascontiguousarray(batch))
        self.runtime.run_with_iobinding(binding)
        return {name: np.array(one.numpy(), np.float32) for name, one in outputs.items()}

    def _bind(self, shape: tuple[int, ...]) -> tuple[Any, Any, dict[str, Any]]:
        ort = require("onnxruntime", extra="gpu")
        binding = self.runtime.io_binding()
        image = ort.OrtValue.ortvalue_from_shape_and_type(shape, np.uint8, self.device)
        binding.bind_ortvalue_input(INPUT, image)
        outputs = {}
        for tensor in self.outputs:
            if tensor.name in self._used:
                # Maps are as large as the image; `frontal` has no axis but the batch's.
                axes = (shape[0], *tensor.shape[1:2], *shape[2:])[: len(tensor.shape)]
                output = ort.OrtValue.ortvalue_from_shape_and_type(axes, np.float32, self.device)
                binding.bind_ortvalue_output(tensor.name, output)
                outputs[tensor.name] = output
        return binding, image, outputs


def open_ort(
    file: OnnxFile, providers: Sequence[ProviderOptions], *, device: str | None, threads: int
) -> OrtEngine:
    """Create a session, and check that it runs on the provider asked for.

    Parameters
    ----------
    file : OnnxFile
    providers : sequence of (name, options)
        By ONNX Runtime's names: the one asked for, then those that run the operators it cannot run.
    device : str or None
        Where inputs and outputs are kept; None: in the CPU's memory.
    threads : int
        Number of streams on the CPU.

    Raises
    ------
    EngineError
        If ONNX Runtime cannot load the model, or uses another provider instead of the first.
    """
    ort = require("onnxruntime", extra="cpu")
    disable_onnxruntime_events()
    # Loaded from bytes, a model can reach no other file; a path is passed only if external data was allowed
    # and checked.
    source = str(file.path) if file.external else file.content
    try:
        runtime = ort.InferenceSession(
            source,
            _session_options(ort),
            providers=[(name, dict(options)) for name, options in providers],
            enable_fallback=0,
        )
    except Exception as error:
        raise EngineError(f"no session could be created ({error})") from error
    requested, used = providers[0][0], runtime.get_providers()[0]
    if used != requested:
        raise EngineError(f"ONNX Runtime could not start it and chose {used}")
    if requested == "CPUExecutionProvider":
        return OrtEngine(runtime, streams=threads)
    return OrtEngine(runtime, streams=1) if device is None else BoundEngine(runtime, 1, device)


def _session_options(ort: ModuleType) -> Any:
    options = ort.SessionOptions()
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    options.execution_mode = ort.ExecutionMode.ORT_SEQUENTIAL
    # Threads that spin while they wait would take the cores from decoding.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    options.log_severity_level = 4  # errors are raised or checked here, not printed
    return options


def _tensors(declared: Sequence[Any]) -> tuple[Tensor, ...]:
    return tuple(
        Tensor(
            tensor.name,
            _DTYPES.get(tensor.type, tensor.type),
            tuple(axis if isinstance(axis, int) else None for axis in tensor.shape),
        )
        for tensor in declared
    )


_DTYPES = {"tensor(uint8)": "uint8", "tensor(float)": "float32"}
