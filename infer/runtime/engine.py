"""The interface between a session and a runtime."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt

from ...data.image import Gray

INPUT, OUTPUT = "image", "probability"


@dataclass(frozen=True)
class Tensor:
    """An input or output as the model declares it; dtype by numpy's name, None for a dynamic axis."""

    name: str
    dtype: str
    shape: tuple[int | None, ...]


class Engine(Protocol):
    """A model loaded in a runtime."""

    @property
    def inputs(self) -> tuple[Tensor, ...]:
        """The model's inputs."""

    @property
    def outputs(self) -> tuple[Tensor, ...]:
        """The model's outputs."""

    @property
    def streams(self) -> int:
        """The number of threads that may call `run` concurrently."""

    def run(self, batch: Gray) -> npt.NDArray[np.float32]:
        """Compute `probability` from `image`, in a new array that later calls do not modify."""
