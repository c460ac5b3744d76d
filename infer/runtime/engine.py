"""The interface between a session and a runtime."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt

from ...data.image import Gray

INPUT, OUTPUT = "image", "probability"

FRONTAL = "frontal"
"""An output that some models have: how much each image looks like an upright frontal chest radiograph."""

Arrays = Mapping[str, npt.NDArray[np.float32]]
"""The outputs of a batch, by name."""


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

    def run(self, batch: Gray) -> Arrays:
        """Compute `probability`, and `frontal` if the model has it, in new arrays.

        No later call modifies them.
        """


def used_outputs(declared: Sequence[Tensor]) -> tuple[str, ...]:
    """Return which of a model's outputs are computed; any others are for other programs."""
    names = {tensor.name for tensor in declared}
    return tuple(name for name in (OUTPUT, FRONTAL) if name in names)
