"""From a finished training run to a checked ONNX file."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from ..errors import ModelError
from ..infer.runtime.session import Session
from ..machine.extras import require
from ..machine.files import replacing
from ..models.card import ModelCard, Parity, Precision
from ..train.run_folder import WEIGHTS, Run, read_run
from .gate import MAX_DICE_DROP, Candidate, CandidateResult, Gate
from .graph import attach_card, write_onnx
from .half import halve
from .parity import Limits, check, compare
from .quantize import quantize, recipes
from .split_images import Sides, calibration_images, parity_images, read_sides

if TYPE_CHECKING:
    from ..models.segmenter import Segmenter


@dataclass(frozen=True)
class ExportSummary:
    """What an export made.

    Attributes
    ----------
    path, bytes : Path, int
        The file and its size.
    card : ModelCard
        As it is in the file.
    parity : Parity
        Of the fp32 model, from which a file of lower precision is made.
    run : Path
        The run it is from.
    trials : tuple of CandidateResult
        With a lower precision: all that was tried; the last one is the file.
    """

    path: Path
    bytes: int
    card: ModelCard
    parity: Parity
    run: Path
    trials: tuple[CandidateResult, ...] = ()


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
        The file to write; it appears only when every check has passed.
    run : Path or str, optional
        A run folder of `cxr-train`; by default the newest, `runs/latest`.
    precision : Precision or str
        Of the file: fp32, fp16 or int8. The lower ones are made from the fp32 model once that is checked, and
        kept only if they pass the gate: Dice on the run's validation split, and speed on this machine.
    provider : str
        With a lower precision: what will run the file, and so what the gate measures it on.
    max_dice_drop : float
        With a lower precision: how much of the mean Dice may be lost.
    limits : Limits, optional
        How far the fp32 model may be from PyTorch.

    Returns
    -------
    ExportSummary

    Raises
    ------
    ModelError
        If there is no such run, its files do not fit together, parity is breached, or its validation split
        cannot be read.
    GateError
        If nothing of the lower precision passes the gate; it carries what was tried.
    ProviderError
        If the provider cannot run here.
    """
    require("torch", extra="train")
    require("onnx", extra="train")
    output, precision = Path(output), Precision(precision)
    found = read_run(Path(run) if run is not None else None)
    sides = None if precision is Precision.FP32 else read_sides(found)
    with TemporaryDirectory(prefix="cxr-") as scratch, replacing(output) as beside:
        whole = beside if sides is None else Path(scratch) / "fp32.onnx"
        card, parity = _write_checked(found, whole, limits or Limits())
        trials: tuple[CandidateResult, ...] = ()
        if sides is not None:
            reference = Session.open(whole, provider=provider)
            gate = Gate.open(reference, sides.validation, precision, max_dice_drop)
            card, trials = _lower(gate, whole, beside, sides)
    return ExportSummary(output, output.stat().st_size, card, parity, found.path, trials)


def _write_checked(run: Run, path: Path, limits: Limits) -> tuple[ModelCard, Parity]:
    """Write the fp32 model, compare it with PyTorch, and put the figures into its card."""
    from ..models.segmenter import predictor

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
    check(parity, limits)
    card = replace(run.card, parity=parity)
    attach_card(path, card)
    return card, parity


def _lower(
    gate: Gate, source: Path, target: Path, sides: Sides
) -> tuple[ModelCard, tuple[CandidateResult, ...]]:
    """Write the first file of the gate's precision that passes."""
    if gate.precision is Precision.FP16:
        return gate.first_that_passes([Candidate("fp16", partial(halve, source))], target)
    images = calibration_images(sides.training, gate.reference.card.pixels)
    candidates = [
        Candidate(str(recipe), partial(quantize, source, images=images, recipe=recipe))
        for recipe in recipes(gate.reference.provider)
    ]
    return gate.first_that_passes(candidates, target, calibration_images=len(images))


def load_segmenter(folder: Path, card: ModelCard) -> Segmenter:
    """Build the network that a card names, with the run's best weights, in evaluation mode."""
    import torch

    from ..models.network import build_network
    from ..models.segmenter import Segmenter

    network = build_network(
        card.architecture, card.encoder, len(card.classes), decoder_channels=card.decoder_channels
    )
    path = folder / WEIGHTS
    try:
        network.load_state_dict(torch.load(path, map_location="cpu", weights_only=True))
    except FileNotFoundError as error:
        raise ModelError(f"{path}: not there; did this run finish an epoch?") from error
    except RuntimeError as error:
        raise ModelError(f"{path}: does not fit {card.architecture}/{card.encoder}: {error}") from error
    return Segmenter(network, card.normalization).eval()
