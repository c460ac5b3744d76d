"""OpenVINO's own runtime, on the processor.

It is called directly and not as a plug-in of ONNX Runtime: the plug-in (onnxruntime-ep-openvino 1.8) offers
no device on a processor that is not Intel's, where the runtime itself works as well.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from threading import local
from typing import Any

import numpy as np
import numpy.typing as npt

from ...data.image import Gray
from ...machine.extras import require
from ...models.onnx_file import OnnxFile
from .engine import INPUT, OUTPUT, EngineError, Tensor


@dataclass(frozen=True)
class OpenVinoEngine:
    """A compiled model; each thread that runs it has a request of its own."""

    compiled: Any
    streams: int
    _own: local = field(default_factory=local)

    @property
    def inputs(self) -> tuple[Tensor, ...]:
        """What the model takes."""
        return tuple(_tensor(port, INPUT) for port in self.compiled.inputs)

    @property
    def outputs(self) -> tuple[Tensor, ...]:
        """What it gives."""
        return tuple(_tensor(port, OUTPUT) for port in self.compiled.outputs)

    def run(self, batch: Gray) -> npt.NDArray[np.float32]:
        """Run one pass."""
        if not hasattr(self._own, "request"):
            self._own.request = self.compiled.create_infer_request()
        self._own.request.infer({INPUT: batch}, share_inputs=True)
        # The request's next pass writes over its output.
        return np.array(self._own.request.get_tensor(OUTPUT).data, np.float32)


def open_openvino(file: OnnxFile, *, threads: int) -> OpenVinoEngine:
    """Compile a model for the processor.

    Parameters
    ----------
    file : OnnxFile
    threads : int
        As many passes run side by side, each on one thread.

    Raises
    ------
    EngineError
        If OpenVINO refuses the model.
    """
    openvino = require("openvino", extra="openvino")
    core = openvino.Core()
    try:
        model = core.read_model(str(file.path) if file.external else file.content)
        compiled = core.compile_model(
            model,
            "CPU",
            {
                # Left to itself it takes bf16 where the processor has it, which moves the masks.
                "INFERENCE_PRECISION_HINT": "f32",
                "NUM_STREAMS": threads,
                "INFERENCE_NUM_THREADS": threads,
                "ENABLE_CPU_PINNING": False,  # the cores are shared with decoding
            },
        )
    except Exception as error:
        raise EngineError(f"OpenVINO cannot load this model ({_first_line(error)})") from error
    return OpenVinoEngine(compiled, threads)


def _tensor(port: Any, wanted: str) -> Tensor:
    """Describe a port; one that OpenVINO fused with the layer after it has names of both."""
    axes = tuple(None if axis.is_dynamic else int(axis.get_length()) for axis in port.partial_shape)
    name = wanted if wanted in port.get_names() else port.any_name
    return Tensor(name, np.dtype(port.element_type.to_dtype()).name, axes)


def _first_line(error: Exception) -> str:
    """Leave out where in OpenVINO's sources it was raised."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return next((line for line in lines if not line.startswith("Exception from")), type(error).__name__)
