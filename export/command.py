"""`cxr-export`: a training run to one ONNX file."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from ..cli import cxr_command

if TYPE_CHECKING:
    from .run import ExportSummary


@cxr_command("export")
@click.argument("output", type=click.Path(path_type=Path, dir_okay=False))
@click.option(
    "--run", type=click.Path(path_type=Path), help="Run folder of cxr-train.  [default: runs/latest]"
)
def command(output: Path, run: Path | None) -> None:
    """Export a training run to OUTPUT, one self-describing ONNX file, checked against PyTorch."""
    from .run import export_model

    report(export_model(output, run=run))


def report(summary: ExportSummary) -> None:
    """Print what was made and how near it is to PyTorch."""
    from rich.console import Console
    from rich.table import Table

    card, parity = summary.card, summary.parity
    table = Table("parity with PyTorch", "", title=f"{summary.path} from {summary.run}")
    table.add_row("batches", ", ".join(map(str, parity.batches)))
    table.add_row("real pictures", str(parity.pictures))
    table.add_row("largest difference of a probability", f"{parity.max_difference:.2g}")
    table.add_row("pixels whose class agrees", f"{parity.mask_agreement:.6%}")
    table.add_row("feature rows that agree", f"{parity.rows_equal:.1%}")
    console = Console()
    console.print(table)
    console.print(
        f"{summary.bytes / 1e6:.1f} MB, classes {', '.join(card.classes)}, "
        f"{card.pixels.height}x{card.pixels.width} {card.precision}"
    )
