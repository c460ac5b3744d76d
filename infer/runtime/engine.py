"""What runs a model: the few things that a session needs of a runtime."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt

from ...data.image import Gray

INPUT, OUTPUT = "image", "probability"


@dataclass(frozen=True)
class Tensor:
    """An input or output as the model declares it: "uint8" or "float32" or another, None for an open axis."""

    name: str
    dtype: str
    shape: tuple[int | None, ...]


class EngineError(Exception):
    """A runtime cannot run this model, or not where it was asked to; the text is the cause."""


class Engine(Protocol):
    """A loaded model in one runtime."""

    @property
    def inputs(self) -> tuple[Tensor, ...]:
        """What it takes."""

    @property
    def outputs(self) -> tuple[Tensor, ...]:
        """What it gives."""

    @property
    def streams(self) -> int:
        """How many passes may run at once: threads that may be inside `run` together."""

    def run(self, batch: Gray) -> npt.NDArray[np.float32]:
        """Give `probability` for `image`, as an array of its own that no later pass changes."""
