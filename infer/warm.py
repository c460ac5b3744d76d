"""Load the compiled kernels while the model is loading: half a second on the way to the first row."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import cv2
import numpy as np

SIZE = 8


@contextmanager
def kernels_beside() -> Iterator[None]:
    """Load the compiled kernels of decoding and measuring in a thread, beside the block."""
    with ThreadPoolExecutor(1) as thread:
        loading = thread.submit(_load)
        yield
        loading.result()


def _load() -> None:
    """Use each kernel once, on arrays of the kinds that a run has."""
    from ..data.decode.png import decode_plain_gray
    from .features import measure

    mask = np.zeros((SIZE, SIZE), np.uint8)
    mask[2:4, 2:4] = 1
    decode_plain_gray(cv2.imencode(".png", mask)[1].tobytes())
    measure(mask, mask.astype(np.float32))
