"""OpenVINO on the CPU.

Its own runtime is called rather than its plug-in for ONNX Runtime: the plug-in (onnxruntime-ep-openvino 1.8)
offers no device on processors of other makers than Intel, where the runtime works just as well.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from threading import local
from typing import Any

import numpy as np

from ...data.image import Gray
from ...errors import EngineError
from ...machine.extras import require
from ...machine.telemetry import openvino_without_telemetry
from ...models.file.onnx_file import OnnxFile
from .engine import FRONTAL, INPUT, OUTPUT, Arrays, Tensor, used_outputs


@dataclass(frozen=True)
class OpenVinoEngine:
    """A compiled model; each thread that runs it has its own inference request."""

    compiled: Any
    streams: int
    _thread: local = field(default_factory=local)

    @property
    def inputs(self) -> tuple[Tensor, ...]:
        """The model's inputs."""
        return tuple(_tensor(port, INPUT) for port in self.compiled.inputs)

    @property
    def outputs(self) -> tuple[Tensor, ...]:
        """The model's outputs."""
        return tuple(_tensor(port, OUTPUT, FRONTAL) for port in self.compiled.outputs)

    @cached_property
    def _used(self) -> tuple[str, ...]:
        return used_outputs(self.outputs)

    def run(self, batch: Gray) -> Arrays:
        """Run the model on a batch."""
        if not hasattr(self._thread, "request"):
            self._thread.request = self.compiled.create_infer_request()
        self._thread.request.infer({INPUT: batch}, share_inputs=True)
        # The next call overwrites the request's output tensors.
        request = self._thread.request
        return {name: np.array(request.get_tensor(name).data, np.float32) for name in self._used}


def open_openvino(file: OnnxFile, *, threads: int) -> OpenVinoEngine:
    """Compile a model for the CPU.

    Parameters
    ----------
    file : OnnxFile
    threads : int
        Number of streams, each on one thread.

    Raises
    ------
    EngineError
        If OpenVINO cannot load the model.
    """
    with openvino_without_telemetry():
        openvino = require("openvino", extra="openvino")
    core = openvino.Core()
    try:
        model = core.read_model(str(file.path) if file.external else file.content)
        compiled = core.compile_model(
            model,
            "CPU",
            {
                # The default is bf16 on processors that support it, which changes the masks.
                "INFERENCE_PRECISION_HINT": "f32",
                "NUM_STREAMS": threads,
                "INFERENCE_NUM_THREADS": threads,
                "ENABLE_CPU_PINNING": False,  # decoding uses the same cores
            },
        )
    except Exception as error:
        raise EngineError(f"OpenVINO cannot load this model ({_cause(error)})") from error
    return OpenVinoEngine(compiled, threads)


def _tensor(port: Any, *expected: str) -> Tensor:
    """Describe a port; after fusion with the next layer it has the names of both, so look for `expected`."""
    axes = tuple(None if axis.is_dynamic else int(axis.get_length()) for axis in port.partial_shape)
    name = next((one for one in expected if one in port.get_names()), port.any_name)
    return Tensor(name, np.dtype(port.element_type.to_dtype()).name, axes)


def _cause(error: Exception) -> str:
    """Extract the cause from an error that begins with positions in OpenVINO's source code."""
    lines = [line.strip() for line in str(error).splitlines()]
    details = [line.removeprefix("-- ") for line in lines if line.startswith("-- ")]
    others = [line for line in lines if line and not line.endswith(":")]
    return next(iter(details + others), type(error).__name__)
