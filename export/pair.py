"""The two files of a shipped model: float with weights stored in half precision, and int8."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from ..data.datasets.records import Record
from ..infer.runtime.session import Session
from ..machine.files import replacing, scratch_folder
from ..models.card import ModelCard, Precision
from .gate import Candidate, Gate
from .graph import attach_card, write_onnx
from .half_storage import store_in_half
from .parity import Limits, check_limits, compare
from .quantize import quantize, recipes
from .run_data import PARITY_IMAGES, calibration_images, sample_evenly

if TYPE_CHECKING:
    from ..models.network.segmenter import Segmenter

MAX_DROP = 0.002
"""The largest allowed loss of mean Dice of the int8 file."""


def write_pair(
    segmenter: Segmenter,
    card: ModelCard,
    folder: Path,
    *,
    training: Sequence[Record],
    validation: Sequence[Record],
    provider: str | None = None,
    sources: Mapping[str, str] | None = None,
    scored_by_folds: bool = False,
) -> None:
    """Write `<name>.onnx`, and with a provider `<name>_int8.onnx`, to a folder.

    Parameters
    ----------
    segmenter : Segmenter
        In evaluation mode.
    card : ModelCard
        Its name is that of the files.
    folder : Path
    training : sequence of Record
        The int8 file is calibrated on a sample of them.
    validation : sequence of Record
        The float file is compared with PyTorch on a sample of them; the loss of Dice is measured on all.
    provider : str, optional
        For which the int8 file is made and on which it is measured.
    sources : mapping of str to str, optional
        The source of each validation record, by its key, for the metrics by source of the int8 file.
    scored_by_folds : bool
        Whether the metrics in `card` are those of other models, each scored on the fold that it had not seen.
        They stay in the int8 file's card, which else has the int8 file's own on `validation`.

    Raises
    ------
    ModelError
        If the float file differs from PyTorch.
    GateError
        If no int8 candidate is faster and loses at most `MAX_DROP` of Dice.
    """
    from ..models.network.segmenter import predictor

    with scratch_folder() as scratch:
        exact = scratch / "fp32.onnx"
        write_onnx(segmenter, card, exact)
        session = Session.open(exact, provider="cpu")
        images = sample_evenly([record.path for record in validation], PARITY_IMAGES)
        parity = compare(predictor(segmenter), session.run, card, images, provider="cpu")
        check_limits(parity, Limits())
        attach_card(exact, replace(card, parity=parity))
        store_in_half(exact, folder / f"{card.name}.onnx")
        if provider is not None:
            reference = Session.open(exact, provider=provider)
            gate = Gate.open(
                reference,
                validation,
                Precision.INT8,
                MAX_DROP,
                sources=sources,
                keeps_metrics=scored_by_folds,
            )
            with replacing(folder / f"{card.name}_int8.onnx") as temporary:
                _write_int8(gate, exact, temporary, training)


def _write_int8(gate: Gate, exact: Path, path: Path, training: Sequence[Record]) -> None:
    images = calibration_images(training, gate.reference.card.pixels)
    candidates = [
        Candidate(str(recipe), partial(quantize, exact, images=images, recipe=recipe))
        for recipe in recipes(gate.reference.provider)
    ]
    gate.select(candidates, path, calibration_images=len(images))
