"""`cxr-export`: export a training run to one ONNX file."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click
from click.core import ParameterSource

from ..cli import NumberRange, PathType, cxr_command
from ..infer.runtime.providers import PROVIDER_NAMES

if TYPE_CHECKING:
    from collections.abc import Sequence

    from .gate import CandidateResult
    from .run import ExportSummary


@cxr_command("export")
@click.argument("output", type=PathType(dir_okay=False))
@click.option("--run", type=PathType(), help="Run folder of cxr-train.  [default: runs/latest]")
@click.option("--int8", is_flag=True, help="Write OUTPUT in int8, calibrated on training images.")
@click.option("--fp16", is_flag=True, help="Write OUTPUT in fp16, for GPUs; give --provider.")
@click.option(
    "--provider",
    type=click.Choice(PROVIDER_NAMES),
    default="cpu",
    help="Execution provider that an int8 or fp16 file is made for and timed on.",
)
@click.option(
    "--max-dice-drop",
    type=NumberRange(0, 1),
    default=0.01,
    help="Largest loss of mean Dice allowed for an int8 or fp16 file, on the validation images.",
)
def command(
    output: Path, run: Path | None, int8: bool, fp16: bool, provider: str, max_dice_drop: float
) -> None:
    """Export a training run to OUTPUT, one self-describing ONNX file, checked against PyTorch.

    With --int8 or --fp16, OUTPUT is written only if it is about as accurate as fp32 and faster on this
    machine; otherwise the exit code is 1, and a table shows what was tried.
    """
    if int8 and fp16:
        raise click.UsageError("give only one of --int8 and --fp16")
    if not int8 and not fp16:
        _reject_options_of_lower_precision()
    from ..models.card import Precision
    from .gate import GateError
    from .run import export_model

    precision = Precision.INT8 if int8 else Precision.FP16 if fp16 else Precision.FP32
    try:
        summary = export_model(
            output, run=run, precision=precision, provider=provider, max_dice_drop=max_dice_drop
        )
    except GateError as error:
        _print_results(error.results, f"{precision}, not written")
        raise
    _print_summary(summary)


def _reject_options_of_lower_precision() -> None:
    """Reject options that an fp32 export would ignore silently."""
    context = click.get_current_context()
    for name in ("provider", "max_dice_drop"):
        if context.get_parameter_source(name) is not ParameterSource.DEFAULT:
            option = "--" + name.replace("_", "-")
            raise click.UsageError(f"{option} needs --int8 or --fp16")


def _print_summary(summary: ExportSummary) -> None:
    """Print what was written and how closely it matches PyTorch."""
    from rich.console import Console
    from rich.table import Table

    card, parity = summary.card, summary.parity
    table = Table("parity of fp32 with PyTorch", "", title=f"{summary.path} from {summary.run}")
    table.add_row("batches", ", ".join(map(str, parity.batches)))
    table.add_row("validation images", str(parity.images))
    table.add_row("largest difference between probabilities", f"{parity.max_difference:.2g}")
    table.add_row("mask pixels that agree", f"{parity.mask_agreement:.6%}")
    rows_equal = "none compared" if parity.rows_equal is None else f"{parity.rows_equal:.1%}"
    table.add_row("feature rows that agree", rows_equal)
    console = Console()
    console.print(table)
    if summary.results:
        _print_results(summary.results, f"{card.precision}, against fp32")
    console.print(
        f"{summary.bytes / 1e6:.1f} MB, classes {', '.join(card.classes)}, "
        f"{card.pixels.height}x{card.pixels.width} {card.precision}"
    )


def _print_results(results: Sequence[CandidateResult], title: str) -> None:
    """Print a table of the candidates and their results."""
    from rich.console import Console
    from rich.table import Table

    table = Table(title=title)
    table.add_column("candidate")
    for name in ("Dice", "drop", "speed-up"):
        table.add_column(name, justify="right")
    table.add_column("outcome")
    for result in results:
        numbers = f"{result.dice:.4f}", f"{result.dice_drop:+.4f}", f"{result.speed_up:.2f} x"
        table.add_row(result.name, *numbers, result.outcome)
    Console().print(table)
