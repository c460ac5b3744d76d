"""`cxr-export`: a training run to one ONNX file."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click
from click.core import ParameterSource

from ..cli import cxr_command
from ..infer.runtime.providers import NAMES

if TYPE_CHECKING:
    from collections.abc import Sequence

    from .gate import CandidateResult
    from .run import ExportSummary


@cxr_command("export")
@click.argument("output", type=click.Path(path_type=Path, dir_okay=False))
@click.option(
    "--run", type=click.Path(path_type=Path), help="Run folder of cxr-train.  [default: runs/latest]"
)
@click.option("--int8", is_flag=True, help="Write OUTPUT in int8, calibrated on training images.")
@click.option("--fp16", is_flag=True, help="Write OUTPUT in half precision, for GPUs: give --provider.")
@click.option(
    "--provider",
    type=click.Choice(NAMES),
    default="cpu",
    help="What will run an int8 or fp16 file; its speed is measured there.",
)
@click.option(
    "--max-dice-drop",
    type=click.FloatRange(0, 1),
    default=0.01,
    help="How much mean Dice an int8 or fp16 file may lose on the validation split.",
)
def command(
    output: Path, run: Path | None, int8: bool, fp16: bool, provider: str, max_dice_drop: float
) -> None:
    """Export a training run to OUTPUT, one self-describing ONNX file, checked against PyTorch.

    With --int8 or --fp16, OUTPUT is written only if it keeps its Dice and is faster on this machine than
    fp32; else the exit code is 1, and a table shows what was tried.
    """
    if int8 and fp16:
        raise click.UsageError("choose one of --int8 and --fp16; a file has one precision")
    if not int8 and not fp16:
        refuse_options_of_lower_precision()
    from ..models.card import Precision
    from .gate import GateError
    from .run import export_model

    precision = Precision.INT8 if int8 else Precision.FP16 if fp16 else Precision.FP32
    try:
        summary = export_model(
            output, run=run, precision=precision, provider=provider, max_dice_drop=max_dice_drop
        )
    except GateError as error:
        report_trials(error.trials, f"{precision}, not written")
        raise
    report(summary)


def refuse_options_of_lower_precision() -> None:
    """Refuse what an fp32 export would pass over in silence.

    Raises
    ------
    click.UsageError
    """
    context = click.get_current_context()
    for name in ("provider", "max_dice_drop"):
        if context.get_parameter_source(name) is not ParameterSource.DEFAULT:
            option = "--" + name.replace("_", "-")
            raise click.UsageError(
                f"{option} goes with --int8 or --fp16; fp32 is compared with PyTorch alone"
            )


def report(summary: ExportSummary) -> None:
    """Print what was made and how near it is to PyTorch."""
    from rich.console import Console
    from rich.table import Table

    card, parity = summary.card, summary.parity
    table = Table("parity of fp32 with PyTorch", "", title=f"{summary.path} from {summary.run}")
    table.add_row("batches", ", ".join(map(str, parity.batches)))
    table.add_row("real images", str(parity.images))
    table.add_row("largest difference of a probability", f"{parity.max_difference:.2g}")
    table.add_row("pixels whose class agrees", f"{parity.mask_agreement:.6%}")
    table.add_row("feature rows that agree", f"{parity.rows_equal:.1%}")
    console = Console()
    console.print(table)
    if summary.trials:
        report_trials(summary.trials, f"{card.precision}, against fp32")
    console.print(
        f"{summary.bytes / 1e6:.1f} MB, classes {', '.join(card.classes)}, "
        f"{card.pixels.height}x{card.pixels.width} {card.precision}"
    )


def report_trials(trials: Sequence[CandidateResult], title: str) -> None:
    """Print what the gate tried and what it said."""
    from rich.console import Console
    from rich.table import Table

    table = Table(title=title)
    table.add_column("tried")
    for name in ("Dice", "drop", "speed-up"):
        table.add_column(name, justify="right")
    table.add_column("verdict")
    for trial in trials:
        figures = f"{trial.dice:.4f}", f"{trial.dice_drop:+.4f}", f"{trial.speed_up:.2f} x"
        table.add_row(trial.name, *figures, trial.verdict)
    Console().print(table)
