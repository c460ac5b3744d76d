"""`cxr models`: what models are shipped, and what a model file says of itself."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from ..cli import cxr_command

if TYPE_CHECKING:
    from .card import ModelCard


@cxr_command("models")
@click.argument("file", type=click.Path(path_type=Path), required=False)
def command(file: Path | None) -> None:
    """List the shipped models, or show the card of FILE (.onnx, or a card's .json)."""
    if file is not None:
        click.echo("\n".join(card_lines(read_model_card(file))))
        return
    from .shipped import shipped_models

    for path in shipped_models():
        card = read_model_card(path)
        click.echo(f"{path.name}  {', '.join(card.classes)}  {card.license}  {path}")
    if not shipped_models():
        click.echo("no model is shipped; make one: cxr-train, then cxr-export model.onnx")


def read_model_card(path: Path) -> ModelCard:
    """Read the card of a model file, or a card that stands alone as JSON.

    Raises
    ------
    ModelError
        If the file cannot be read or has no valid card.
    """
    from .card import ModelCard

    if path.suffix.lower() == ".json":
        return ModelCard.read(path)
    from .onnx_file import read_card

    return read_card(path)


def card_lines(card: ModelCard) -> list[str]:
    """Put a card into lines for a reader."""
    from ..metrics.overlap import describe

    pixels = card.pixels
    cuts = (f"{name} at {cut:g}" for name, cut in zip(card.classes, card.thresholds, strict=True))
    rows = [
        ("name", card.name),
        ("classes", ", ".join(cuts)),
        ("network", f"{card.architecture}, encoder {card.encoder}, {card.precision}"),
        ("input", f"{pixels.width} x {pixels.height} pixels, {pixels.resize}"),
        ("license", card.license),
        ("use", card.intended_use),
        *_training_rows(card),
        *((name, describe(figures)) for name, figures in card.metrics.items()),
        *_export_rows(card),
        ("versions", ", ".join(f"{name} {version}" for name, version in sorted(card.versions.items()))),
    ]
    width = max(len(label) for label, _ in rows) + 2
    return [f"{label:<{width}}{text}" for label, text in rows if text]


def _training_rows(card: ModelCard) -> list[tuple[str, str]]:
    data = card.training
    if data is None:
        return []
    fitted = f"{data.name}: {data.images} images of {data.patients} patients ({data.license})"
    checked = f"{data.validation_images} images of {data.validation_patients} other patients"
    return [("fitted on", fitted), ("checked on", checked)]


def _export_rows(card: ModelCard) -> list[tuple[str, str]]:
    rows = []
    if parity := card.parity:
        agreement = (
            f"{parity.mask_agreement:.4%} of mask pixels, {parity.rows_equal:.1%} of feature rows agree"
        )
        rows.append(
            ("parity", f"{agreement}; probability within {parity.max_difference:.2g} ({parity.provider})")
        )
    if small := card.quantization:
        cost = f"Dice {-small.dice_drop:+.4f}, {small.speed_up:.2f} x as fast"
        rows.append(("quantized", f"{small.method}: {cost} ({small.provider})"))
    return rows
