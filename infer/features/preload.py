"""Load the compiled kernels while the model is loaded: this saves half a second before the first row."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import cv2
import numpy as np

_SIZE = 8


@contextmanager
def preloading_kernels() -> Iterator[None]:
    """Load the compiled kernels of decoding and measuring in a thread while the block runs."""
    with ThreadPoolExecutor(1) as executor:
        loading = executor.submit(_call_kernels)
        yield
        loading.result()


def _call_kernels() -> None:
    """Call each kernel once, with arrays of the types that a run passes."""
    from ...data.decode.reader import decode_image
    from .lungs import Lungs
    from .measurement import measure_with_runs

    mask = np.zeros((_SIZE, _SIZE), np.uint8)
    mask[2:4, 2:4] = 1
    decode_image(cv2.imencode(".png", mask)[1].tobytes())
    _, runs = measure_with_runs(mask, mask.astype(np.float32))
    Lungs.find(runs, _SIZE).measure(runs)
