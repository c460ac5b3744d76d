"""`cxr models`: list the shipped models, or show the card of a model file."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from ..cli import PathType, cxr_command

if TYPE_CHECKING:
    from .card import ModelCard
    from .shipped import ShippedModel


@cxr_command("models")
@click.argument("file", type=PathType(), required=False)
def command(file: Path | None) -> None:
    """List the shipped models, or show the card of FILE (.onnx, a card's .json, a shipped model's name)."""
    from .shipped import find_float_file, shipped_models

    if file is not None:
        click.echo("\n".join(card_lines(read_model_card(find_float_file(file)))))
        return

    for model in shipped_models():
        click.echo("\n".join(shipped_lines(model)))
    if not shipped_models():
        click.echo("no model is shipped with cxr; make one: cxr-train, then cxr-export model.onnx")


def shipped_lines(model: ShippedModel) -> list[str]:
    """Describe a shipped model: its files, and its Dice by source on images it was not trained on."""
    card = read_model_card(model.float_file)
    sizes = ", ".join(f"{path.name} ({path.stat().st_size / 1e6:.1f} MB)" for path in model.files)
    return [
        f"{model.name}  {', '.join(card.classes)}  {sizes}",
        *(f"  {line}" for line in _source_lines(card)),
        f"  {card.license}",
    ]


def _source_lines(card: ModelCard) -> list[str]:
    """Format the metrics of each source, or those of all images where none are stated."""
    from ..metrics.overlap import describe

    by_source = card.metrics_by_source or {"all": card.metrics}
    return [
        f"{source}, {name}: {describe(metrics)}"
        for source, classes in by_source.items()
        for name, metrics in classes.items()
    ]


def read_model_card(path: Path) -> ModelCard:
    """Read the card of a model file, or a card stored as a JSON file.

    Raises
    ------
    ModelError
        If the file cannot be read or has no valid card.
    """
    from .card import ModelCard

    if path.suffix.lower() == ".json":
        return ModelCard.read(path)
    from .file.onnx_file import read_card

    return read_card(path)


def card_lines(card: ModelCard) -> list[str]:
    """Format a card as lines of text: a label, then its value."""
    from ..metrics.overlap import describe
    from .baselines import baseline_warnings

    pixels = card.pixels
    thresholds = zip(card.classes, card.thresholds, strict=True)
    rows = [
        ("name", card.name),
        ("classes", ", ".join(f"{name} at {threshold:g}" for name, threshold in thresholds)),
        *((f"threshold of {name}", choice) for name, choice in card.threshold_choice.items()),
        ("network", f"{card.architecture}, encoder {card.encoder}, {card.precision}"),
        ("input", f"{pixels.width} x {pixels.height} pixels, {pixels.resize}"),
        ("license", card.license),
        ("use", card.intended_use),
        *_training_rows(card),
        *((name, describe(metrics)) for name, metrics in card.metrics.items()),
        *(("", line) for line in _source_lines(card) if card.metrics_by_source),
        *_baseline_rows(card),
        *_check_rows(card),
        *_export_rows(card),
        ("checksum", "" if card.checksum is None else f"graph sha256 {card.checksum.graph} (see cxr verify)"),
        ("versions", ", ".join(f"{name} {version}" for name, version in sorted(card.versions.items()))),
        *(("warning", line) for line in baseline_warnings(card)),
    ]
    width = max(len(label) for label, _ in rows) + 2
    return [f"{label:<{width}}{text}" for label, text in rows if text]


def _training_rows(card: ModelCard) -> list[tuple[str, str]]:
    data = card.training
    if data is None:
        return []
    trained = f"{data.name}: {data.images} images of {data.patients} patients ({data.license})"
    validated = f"{data.validation_images} images of {data.validation_patients} other patients"
    rows = [("trained on", trained), ("trained by", data.command), ("validated on", validated)]
    if ancestor := card.ancestor:
        rows.append(("initialized from", f"{ancestor.name} ({ancestor.license}), sha256 {ancestor.sha256}"))
    if fingerprint := card.fingerprint:
        rate = f"{fingerprint.false_positive_rate:.1%} of other images match"
        rows.append(("fingerprint", f"of {fingerprint.images} images; {rate}"))
    return rows


def _baseline_rows(card: ModelCard) -> list[tuple[str, str]]:
    return [
        (f"{name} baselines", ", ".join(f"{one.name} {one.dice.value:.3f}" for one in baselines))
        for name, baselines in card.baselines.items()
    ]


def _check_rows(card: ModelCard) -> list[tuple[str, str]]:
    rows = []
    if frontal := card.frontal:
        caught = ", ".join(f"{share:.1%} of {kind}" for kind, share in sorted(frontal.caught.items()))
        flagged = f"flags {frontal.false_alarms:.1%} of {frontal.images} frontal radiographs"
        rows.append(("frontal check", f"{flagged}; {caught} (other patients)"))
    if check := card.uncertainty:
        poor = f"Dice below {check.dice:g} ({check.poor} of {check.images} masks)"
        rows.append(("uncertainty", f"detects {poor} with AUC {check.auc:.3f}"))
    return rows


def _export_rows(card: ModelCard) -> list[tuple[str, str]]:
    rows = []
    if parity := card.parity:
        rows_equal = "no" if parity.rows_equal is None else f"{parity.rows_equal:.1%} of"
        agreement = f"{parity.mask_agreement:.4%} of mask pixels, {rows_equal} feature rows agree"
        rows.append(
            ("parity", f"{agreement}; probabilities within {parity.max_difference:.2g} ({parity.provider})")
        )
    if quantization := card.quantization:
        change = f"Dice {-quantization.dice_drop:+.4f}, {quantization.speed_up:.2f} x as fast"
        rows.append(("quantized", f"{quantization.method}: {change} ({quantization.provider})"))
    return rows
