"""`cxr bench`: how fast a model runs here, by every way that works."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from ...cli import cxr_command
from ...errors import InputError
from ..runtime.providers import PROVIDERS

TABLE_WIDTH = 120

if TYPE_CHECKING:
    from rich.table import Table

    from .compare import BenchReport


@cxr_command("bench")
@click.argument(
    "paths", metavar="MODEL... [FOLDER]", nargs=-1, required=True, type=click.Path(path_type=Path)
)
@click.option(
    "--provider",
    "providers",
    type=click.Choice(tuple(PROVIDERS)),
    multiple=True,
    help="Try only this one (may be repeated).  [default: every one that works here]",
)
@click.option(
    "--out", type=click.Path(path_type=Path, dir_okay=False), default="bench.json", help="Report; replaced."
)
def command(paths: tuple[Path, ...], providers: tuple[str, ...], out: Path) -> None:
    """Measure MODEL, an ONNX file, with every provider, batch and number of threads.

    Give the same model in several precisions to compare them: all masks are compared with those of the fp32
    file. The images are taken from FOLDER, else drawn. The best setting of each file that uses all cores is
    remembered on this machine, and `--provider auto` uses it.
    """
    from rich.console import Console

    from .compare import bench_models

    for path in paths:
        if not path.exists():
            raise InputError(f"{path}: neither a model file nor a folder")
    folders = [path for path in paths if path.is_dir()]
    if len(folders) > 1:
        raise InputError(f"one folder of images at most, got {', '.join(map(str, folders))}")
    models = [path for path in paths if path not in folders]
    status = Console(stderr=True)
    with status.status("") as shown:
        report = bench_models(
            models, *folders, providers=providers, out=out, progress=lambda line: shown.update(line)
        )
    Console(width=max(status.width, TABLE_WIDTH), highlight=False, markup=False).print(table(report))
    for name, cause in report.left_out.items():
        click.echo(f"not measured: {name}: {cause.removeprefix(f'{name}: ')}")
    for line in report.best:
        click.echo(
            f"best for {line.model}: {line.provider}, batch {line.batch_size}, {line.threads} threads: "
            f"{line.rate:.1f} images a second"
            + (", remembered for --provider auto" if line.hash in report.remembered else "")
        )
    click.echo(f"all figures in {out}")


def table(report: BenchReport) -> Table:
    """Lay the lines out, the quickest of each model in bold."""
    from rich.box import SIMPLE
    from rich.table import Table

    title = f"{report.images} images, {report.cores} cores of {report.processor or 'this machine'}"
    title += "".join(f", {card}" for card in report.cards)
    title += f"; same pixels: as {report.reference} on the CPU"
    shown = Table(title=title, box=SIMPLE)
    shown.add_column("model", overflow="fold")
    for name in ("precision", "provider"):
        shown.add_column(name, no_wrap=True)
    for name in ("batch", "threads", "images/s", "ms a pass", "peak MB", "same pixels"):
        shown.add_column(name, justify="right", no_wrap=True)
    for line in report.lines:
        shown.add_row(
            line.model,
            str(line.precision),
            line.provider,
            str(line.batch_size),
            str(line.threads),
            f"{line.rate:.1f}",
            f"{line.latency * 1e3:.1f}",
            "" if line.peak_memory is None else f"{line.peak_memory / 1e6:.0f}",
            f"{line.agreement:.4%}",
            style="bold" if line in report.best else None,
        )
    return shown
