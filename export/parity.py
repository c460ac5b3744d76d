"""Parity: compare probabilities, masks and feature rows of an ONNX file with those of the PyTorch model.

They are compared on noise and on validation images, at several batch sizes, since exporters are known to
fix the batch size of the example.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import chain, cycle
from pathlib import Path

import numpy as np
import numpy.typing as npt

from ..data.decode.reader import read_image
from ..data.image import Gray
from ..errors import ModelError
from ..infer.image_features import measure_image
from ..models.card import ModelCard, Parity
from ..models.evaluate import Predict
from ..models.preprocess import Placement, prepare

BATCHES = (1, 2, 3, 8)


@dataclass(frozen=True)
class Limits:
    """The limits of parity; see `Parity` for the quantities."""

    max_difference: float = 1e-4
    mask_agreement: float = 0.9999
    rows_equal: float = 0.95
    row_tolerance: float = 1e-3


def compare(
    reference: Predict,
    candidate: Predict,
    card: ModelCard,
    images: Sequence[Path],
    *,
    provider: str,
    limits: Limits | None = None,
) -> Parity:
    """Compare two implementations of one model.

    Parameters
    ----------
    reference, candidate : callable
        uint8 `[N,1,H,W]` to float32 `[N,C,H,W]`.
    card : ModelCard
    images : sequence of Path
        Radiographs; if empty, only noise is compared.
    provider : str
        The execution provider of the candidate, for the result.
    limits : Limits, optional
        Sets the tolerance for equal feature rows.

    Returns
    -------
    Parity
    """
    tolerance = (limits or Limits()).row_tolerance
    difference, agree, pixels, equal, rows = 0.0, 0, 0, 0, 0
    thresholds = np.asarray(card.thresholds, np.float32)[:, None, None]
    for batch, placements in chain(_noise_batches(card), _image_batches(images, card)):
        expected, actual = reference(batch), candidate(batch)
        if expected.shape != actual.shape:
            raise ModelError(f"the exported model returns shape {actual.shape}, PyTorch {expected.shape}")
        difference = max(difference, float(np.abs(expected - actual).max()))
        agree += int(((expected >= thresholds) == (actual >= thresholds)).sum())
        pixels += expected.size
        for first, second, placement in zip(expected, actual, placements, strict=False):
            equal += _same_rows(first, second, placement, card, tolerance)
            rows += 1
    return Parity(
        provider=provider,
        batches=BATCHES,
        images=len(images),
        max_difference=difference,
        mask_agreement=agree / pixels,
        rows_equal=equal / rows if rows else None,
    )


def check_limits(parity: Parity, limits: Limits) -> None:
    """Reject an exported model that differs too much from the PyTorch model.

    Raises
    ------
    ModelError
        Naming each quantity that exceeds its limit.
    """
    excesses = []
    if not parity.max_difference <= limits.max_difference:
        excesses.append(f"probabilities differ by {parity.max_difference:.2g} > {limits.max_difference:g}")
    if not parity.mask_agreement >= limits.mask_agreement:
        excesses.append(f"masks agree on {parity.mask_agreement:.6f} < {limits.mask_agreement:g} of pixels")
    if parity.rows_equal is not None and not parity.rows_equal >= limits.rows_equal:
        excesses.append(f"feature rows agree on {parity.rows_equal:.3f} < {limits.rows_equal:g} of images")
    if excesses:
        raise ModelError(
            "the exported model differs from the PyTorch model, no file was written: " + "; ".join(excesses)
        )


def _noise_batches(card: ModelCard) -> Iterator[tuple[Gray, list[Placement]]]:
    """Yield noise in every batch size, without placements: feature rows of noise are not compared."""
    rng = np.random.default_rng(0)
    for size in BATCHES:
        shape = (size, 1, card.pixels.height, card.pixels.width)
        yield rng.integers(0, 256, shape, dtype=np.uint8), []


def _image_batches(images: Sequence[Path], card: ModelCard) -> Iterator[tuple[Gray, list[Placement]]]:
    """Yield images in batches whose sizes cycle through `BATCHES`."""
    start = 0
    for size in cycle(BATCHES):
        if start >= len(images):
            return
        prepared = [prepare(read_image(path).pixels, card.pixels) for path in images[start : start + size]]
        yield np.stack([pixels for pixels, _ in prepared])[:, None], [placement for _, placement in prepared]
        start += size


def _same_rows(
    expected: npt.NDArray[np.float32],
    actual: npt.NDArray[np.float32],
    placement: Placement,
    card: ModelCard,
    tolerance: float,
) -> bool:
    first = measure_image(expected, placement, card).features
    second = measure_image(actual, placement, card).features
    return first.keys() == second.keys() and all(
        _close(first[name], second[name], tolerance) for name in first
    )


def _close(first: float | None, second: float | None, tolerance: float) -> bool:
    if first is None or second is None:
        return first is second
    if math.isnan(first) or math.isnan(second):
        return math.isnan(first) and math.isnan(second)
    return math.isclose(first, second, rel_tol=tolerance, abs_tol=1e-9)
