"""Export a finished training run to a checked ONNX file."""

from __future__ import annotations

import logging
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from ..infer.runtime.session import Session
from ..machine.extras import require
from ..machine.files import check_output_file, replacing, scratch_folder
from ..models.baselines import baseline_warnings
from ..models.card import ModelCard, Parity, Precision
from ..train.run_folder import BASELINE_SCORES, WEIGHTS, Run, read_run
from ..train.scores.stored import read_baseline_scores
from .fp16 import convert_to_fp16
from .gate import MAX_DICE_DROP, Candidate, CandidateResult, Gate
from .graph import attach_card, write_onnx
from .parity import Limits, check_limits, compare
from .quantize import quantize, recipes
from .run_data import SplitRecords, calibration_images, parity_images, read_split_records

if TYPE_CHECKING:
    from ..models.network.segmenter import Segmenter


log = logging.getLogger(__name__)


@dataclass(frozen=True)
class ExportSummary:
    """The result of an export.

    Attributes
    ----------
    path, bytes : Path, int
        The file and its size.
    card : ModelCard
        The card in the file.
    parity : Parity
        Of the fp32 model, which files of lower precision are made from.
    run : Path
        The run that was exported.
    results : tuple of CandidateResult
        For a lower precision: of all candidates tried; the last one is the file.
    """

    path: Path
    bytes: int
    card: ModelCard
    parity: Parity
    run: Path
    results: tuple[CandidateResult, ...] = ()


def export_model(
    output: Path | str,
    *,
    run: Path | str | None = None,
    precision: Precision | str = Precision.FP32,
    provider: str = "cpu",
    max_dice_drop: float = MAX_DICE_DROP,
    limits: Limits | None = None,
) -> ExportSummary:
    """Export a training run to one self-describing ONNX file, checked against PyTorch.

    Parameters
    ----------
    output : Path or str
        The file to write; it appears only if every check passes.
    run : Path or str, optional
        A run folder of `cxr-train`; by default the latest, `runs/latest`.
    precision : Precision or str
        fp32, fp16 or int8. Lower precisions are made from the fp32 model once that is checked, and accepted
        only if they keep the Dice on the run's validation images and are faster on this machine.
    provider : str
        For a lower precision: the execution provider that the file is made for and measured on.
    max_dice_drop : float
        For a lower precision: the largest allowed loss of mean Dice.
    limits : Limits, optional
        How much the fp32 model may differ from PyTorch.

    Returns
    -------
    ExportSummary

    Raises
    ------
    ModelError
        If the run does not exist, its weights do not fit its card, the fp32 model differs from PyTorch, or
        the validation images cannot be read.
    GateError
        If no candidate of the lower precision is accepted; it holds the results.
    ProviderError
        If the provider is not available.
    """
    require("torch", extra="train")
    require("onnx", extra="train")
    output, precision = Path(output), Precision(precision)
    check_output_file(output)
    training_run = read_run(Path(run) if run is not None else None)
    records = None if precision is Precision.FP32 else read_split_records(training_run)
    with scratch_folder() as scratch, replacing(output) as temporary:
        fp32 = temporary if records is None else scratch / "fp32.onnx"
        card, parity = _write_fp32(training_run, fp32, limits or Limits())
        results: tuple[CandidateResult, ...] = ()
        if records is not None:
            reference = Session.open(fp32, provider=provider)
            baselines = read_baseline_scores(training_run.path / BASELINE_SCORES)
            gate = Gate.open(reference, records.validation, precision, max_dice_drop, baselines=baselines)
            card, results = _write_lower_precision(gate, fp32, temporary, records)
    for line in baseline_warnings(card):
        log.warning("%s", line)
    return ExportSummary(output, output.stat().st_size, card, parity, training_run.path, results)


def _write_fp32(run: Run, path: Path, limits: Limits) -> tuple[ModelCard, Parity]:
    """Write the fp32 model, compare it with PyTorch, and store the parity in its card."""
    from ..models.network.segmenter import predictor

    segmenter = load_segmenter(run.path, run.card)
    write_onnx(segmenter, run.card, path)
    session = Session.open(path, provider="cpu")
    parity = compare(
        predictor(segmenter),
        session.run,
        run.card,
        parity_images(run),
        provider=session.provider,
        limits=limits,
    )
    check_limits(parity, limits)
    card = replace(run.card, parity=parity)
    attach_card(path, card)
    return card, parity


def _write_lower_precision(
    gate: Gate, source: Path, target: Path, records: SplitRecords
) -> tuple[ModelCard, tuple[CandidateResult, ...]]:
    """Write the first accepted candidate of the gate's precision."""
    if gate.precision is Precision.FP16:
        return gate.select([Candidate("fp16", partial(convert_to_fp16, source))], target)
    images = calibration_images(records.training, gate.reference.card.pixels)
    candidates = [
        Candidate(str(recipe), partial(quantize, source, images=images, recipe=recipe))
        for recipe in recipes(gate.reference.provider)
    ]
    return gate.select(candidates, target, calibration_images=len(images))


def load_segmenter(folder: Path, card: ModelCard) -> Segmenter:
    """Build the network described by a card, with the run's best weights, in evaluation mode."""
    from ..models.network.build import build_network
    from ..models.network.segmenter import Segmenter
    from ..models.network.torch_file import load_weights

    network = build_network(
        card.architecture, card.encoder, len(card.classes), decoder_channels=card.decoder_channels
    )
    load_weights(network, folder / WEIGHTS, name=f"{card.architecture}/{card.encoder}")
    return Segmenter(network, card.normalization).eval()
