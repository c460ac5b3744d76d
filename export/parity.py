"""Does the ONNX file do what the PyTorch model does? Probabilities, cut masks and feature rows are compared.

Compared on images of noise and on real images of the validation split, at several batch sizes, since
exporters have been known to bake in the example's batch.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
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
    """The worst that is accepted; see `Parity` for the figures."""

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
    """Compare two ways of running one model.

    Parameters
    ----------
    reference, candidate : callable
        uint8 `[N,1,H,W]` to float32 `[N,C,H,W]`.
    card : ModelCard
    images : sequence of Path
        Real radiographs; may be empty, then only noise is compared.
    provider : str
        Where the candidate runs, for the record.
    limits : Limits, optional
        Gives the tolerance within which two feature rows are called equal.

    Returns
    -------
    Parity
    """
    tolerance = (limits or Limits()).row_tolerance
    difference, agree, pixels, equal, rows = 0.0, 0, 0, 0, 0
    for batch, placements in [*_noise(card), *_batches(images, card)]:
        expected, got = reference(batch), candidate(batch)
        if expected.shape != got.shape:
            raise ModelError(f"the exported model gives shape {got.shape}, PyTorch {expected.shape}")
        difference = max(difference, float(np.abs(expected - got).max()))
        cut = np.asarray(card.thresholds, np.float32)[:, None, None]
        agree += int(((expected >= cut) == (got >= cut)).sum())
        pixels += expected.size
        for one, other, placement in zip(expected, got, placements, strict=False):
            equal += _same_rows(one, other, placement, card, tolerance)
            rows += 1
    return Parity(
        provider=provider,
        batches=BATCHES,
        images=len(images),
        max_difference=difference,
        mask_agreement=agree / pixels,
        rows_equal=equal / rows if rows else 1.0,
    )


def check(parity: Parity, limits: Limits) -> None:
    """Refuse a model that is too far from the one it was made from.

    Raises
    ------
    ModelError
        Naming each figure that breaks its limit.
    """
    breaches = []
    if not parity.max_difference <= limits.max_difference:
        breaches.append(f"probabilities differ by {parity.max_difference:.2g} > {limits.max_difference:g}")
    if not parity.mask_agreement >= limits.mask_agreement:
        breaches.append(f"masks agree on {parity.mask_agreement:.6f} < {limits.mask_agreement:g} of pixels")
    if not parity.rows_equal >= limits.rows_equal:
        breaches.append(f"feature rows agree on {parity.rows_equal:.3f} < {limits.rows_equal:g} of images")
    if breaches:
        raise ModelError(
            "the exported model differs from the PyTorch model, no file was written: " + "; ".join(breaches)
        )


def _noise(card: ModelCard) -> Iterator[tuple[Gray, list[Placement]]]:
    """Images of noise, in every batch size; feature rows of noise mean nothing, so no placements."""
    rng = np.random.default_rng(0)
    for size in BATCHES:
        shape = (size, 1, card.pixels.height, card.pixels.width)
        yield rng.integers(0, 256, shape, dtype=np.uint8), []


def _batches(images: Sequence[Path], card: ModelCard) -> Iterator[tuple[Gray, list[Placement]]]:
    """Real images, in batches whose size goes round through `BATCHES`."""
    start, turn = 0, 0
    while start < len(images):
        size = BATCHES[turn % len(BATCHES)]
        ready = [prepare(read_image(path).pixels, card.pixels) for path in images[start : start + size]]
        yield np.stack([pixels for pixels, _ in ready])[:, None], [placement for _, placement in ready]
        start, turn = start + size, turn + 1


def _same_rows(
    one: npt.NDArray[np.float32],
    other: npt.NDArray[np.float32],
    placement: Placement,
    card: ModelCard,
    tolerance: float,
) -> bool:
    first = measure_image(one, placement, card).features
    second = measure_image(other, placement, card).features
    return first.keys() == second.keys() and all(
        _close(first[name], second[name], tolerance) for name in first
    )


def _close(one: float | None, other: float | None, tolerance: float) -> bool:
    if one is None or other is None:
        return one is other
    if math.isnan(one) or math.isnan(other):
        return math.isnan(one) and math.isnan(other)
    return math.isclose(one, other, rel_tol=tolerance, abs_tol=1e-9)
