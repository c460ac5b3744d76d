"""From a finished training run to a checked ONNX file."""

from __future__ import annotations

import json
import logging
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from ..data.picture import Grey
from ..data.splits import Part, Split
from ..errors import ModelError
from ..extras import require
from ..files import replacing
from ..models.card import ModelCard, Parity
from ..models.evaluate import Predict
from .parity import Limits, check, compare

if TYPE_CHECKING:
    from torch import nn

REAL_PICTURES = 64
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class ExportSummary:
    """What an export made: the file, its size, its card (with the parity figures) and the run it is from."""

    path: Path
    bytes: int
    card: ModelCard
    parity: Parity
    run: Path


def export_model(
    output: Path | str, *, run: Path | str | None = None, limits: Limits | None = None
) -> ExportSummary:
    """Export a training run to one self-describing ONNX file, checked against PyTorch.

    Parameters
    ----------
    output : Path or str
        The file to write; it appears only when every check has passed.
    run : Path or str, optional
        A run folder of `cxr-train`; by default the newest, `runs/latest`.
    limits : Limits, optional
        How far the file may be from PyTorch.

    Returns
    -------
    ExportSummary

    Raises
    ------
    ModelError
        If there is no such run, its files do not fit together, or parity is breached.
    """
    require("torch", extra="train")
    require("onnx", extra="train")
    from ..infer.session import Session
    from ..train.runs import find_run
    from .graph import attach_card, deployable, write_onnx

    output, limits = Path(output), limits or Limits()
    folder = find_run(Path(run) if run is not None else None)
    card = ModelCard.read(folder / "model_card.json")
    network = deployable(load_network(folder, card), card)
    pictures = validation_pictures(folder)
    with replacing(output) as beside:
        write_onnx(network, card, beside)
        session = Session.open(beside, provider="cpu")
        parity = compare(
            torch_predict(network), session.run, card, pictures, provider=session.provider, limits=limits
        )
        check(parity, limits)
        card = replace(card, parity=parity)
        attach_card(beside, card)
    return ExportSummary(output, output.stat().st_size, card, parity, folder)


def load_network(folder: Path, card: ModelCard) -> nn.Module:
    """Build the network that a card names and give it the run's best weights."""
    import torch

    from ..models.unet import build_unet

    network = build_unet(
        card.architecture, card.encoder, len(card.classes), decoder_channels=card.decoder_channels
    )
    path = folder / "best_unet.pth"
    try:
        network.load_state_dict(torch.load(path, map_location="cpu", weights_only=True))
    except FileNotFoundError as error:
        raise ModelError(f"{path}: not there; did this run finish an epoch?") from error
    except RuntimeError as error:
        raise ModelError(f"{path}: does not fit {card.architecture}/{card.encoder}: {error}") from error
    return network


def torch_predict(network: nn.Module) -> Predict:
    """Run a deployable network in PyTorch on numpy batches."""
    import torch

    def predict(batch: Grey) -> npt.NDArray[np.float32]:
        with torch.inference_mode():
            return np.asarray(network(torch.from_numpy(batch)).numpy(), np.float32)

    return predict


def validation_pictures(folder: Path) -> list[Path]:
    """Give pictures of the run's validation split that are still on disk, spread over the split."""
    root = Path(json.loads((folder / "training.json").read_text(encoding="utf-8"))["root"])
    paths = [root / key for key in Split.read(folder / "splits.csv").keys(Part.VALIDATION)]
    there = [path for path in paths if path.is_file()]
    if not there:
        _log.warning("%s: no validation picture is there; parity is checked on noise only", root)
    return there[:: max(1, len(there) // REAL_PICTURES)][:REAL_PICTURES]
