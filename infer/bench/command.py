"""The command `cxr bench`: measure how fast a model runs on this machine."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from ...cli import PathType, cxr_command
from ...errors import InputError
from ..runtime.providers import PROVIDERS

TABLE_WIDTH = 120

if TYPE_CHECKING:
    from rich.table import Table

    from .compare import BenchReport


@cxr_command("bench")
@click.argument("paths", metavar="MODEL... [FOLDER]", nargs=-1, required=True, type=PathType())
@click.option(
    "--provider",
    "providers",
    type=click.Choice(tuple(PROVIDERS)),
    multiple=True,
    help="Measure only this one (may be repeated).  [default: all that work here]",
)
@click.option("--out", type=PathType(dir_okay=False), default="bench.json", help="JSON file for the report.")
def command(paths: tuple[Path, ...], providers: tuple[str, ...], out: Path) -> None:
    """Measure MODEL with every provider, batch size and number of threads.

    MODEL is an ONNX file, or the name of a shipped model: both its files. Give the same model in several
    precisions to compare them: all masks are compared with those of the fp32 file. The images come from
    FOLDER, else from the synthetic sample. The best setting of each file that uses all cores is stored on
    this machine, and `--provider auto` uses it.
    """
    from rich.console import Console

    from ...models.shipped import expand_names
    from .compare import bench_models

    paths = expand_names(paths, folders=True)
    for path in paths:
        if not path.exists():
            raise InputError(f"{path}: neither a model file nor a folder")
    folders = [path for path in paths if path.is_dir()]
    if len(folders) > 1:
        raise InputError(f"give at most one folder of images, not {', '.join(map(str, folders))}")
    models = [path for path in paths if path not in folders]
    status = Console(stderr=True)
    with status.status("") as spinner:
        report = bench_models(
            models,
            *folders,
            providers=providers,
            out=out,
            progress=lambda description: spinner.update(description),
        )
    Console(width=max(status.width, TABLE_WIDTH), highlight=False, markup=False).print(results_table(report))
    for name, cause in report.left_out.items():
        click.echo(f"not measured: {name}: {cause.removeprefix(f'{name}: ')}")
    for best in report.best:
        click.echo(
            f"best for {best.model}: {best.provider}, batch {best.batch_size}, {best.threads} threads: "
            f"{best.rate:.1f} images per second"
            + (", stored for --provider auto" if best.hash in report.remembered else "")
        )
    click.echo(f"full report: {out}")


def results_table(report: BenchReport) -> Table:
    """Build the table of results, with the best of each model in bold."""
    from rich.box import SIMPLE
    from rich.table import Table

    title = f"{report.images} images, {report.cores} cores of {report.processor or 'this machine'}"
    title += "".join(f", {card}" for card in report.cards)
    title += f"; same pixels: as {report.reference} on the CPU"
    table = Table(title=title, box=SIMPLE)
    table.add_column("model", overflow="fold")
    for name in ("precision", "provider"):
        table.add_column(name, no_wrap=True)
    for name in ("batch", "threads", "images/s", "ms/batch", "peak MB", "same pixels"):
        table.add_column(name, justify="right", no_wrap=True)
    for result in report.lines:
        table.add_row(
            result.model,
            str(result.precision),
            result.provider,
            str(result.batch_size),
            str(result.threads),
            f"{result.rate:.1f}",
            f"{result.latency * 1e3:.1f}",
            "" if result.peak_memory is None else f"{result.peak_memory / 1e6:.0f}",
            f"{result.agreement:.4%}",
            style="bold" if result in report.best else None,
        )
    return table
