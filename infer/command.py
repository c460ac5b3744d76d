"""`cxr-infer`: a folder of radiographs in, a table of features out."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ..cli import cxr_command
from ..data.decode.options import MAX_PIXELS
from ..errors import CxrError, ExitCode
from .runtime.providers import NAMES
from .settings import MaskFormat

if TYPE_CHECKING:
    from .outputs.summary import RunSummary

_FILE = click.Path(path_type=Path)


@cxr_command("infer")
@click.argument("folder", type=_FILE)
@click.option("--model", type=_FILE, help="ONNX file.  [default: ./model.onnx, else the shipped model]")
@click.option("--card", type=_FILE, help="Model card as JSON, for a model that carries none.")
@click.option("--out", type=_FILE, default=".", help="Where the results go.")
@click.option("--provider", type=click.Choice(NAMES), default="auto", help="What runs the model.")
@click.option("--allow-fallback", is_flag=True, help="Use the CPU where the provider cannot run.")
@click.option("--allow-external-data", is_flag=True, help="Load tensors from other files beside the model.")
@click.option(
    "--threshold",
    type=click.FloatRange(0, 1, min_open=True, max_open=True),
    help="Probability from which a pixel counts, for every class.  [default: as the model's card says]",
)
@click.option("--min-area", type=click.IntRange(0), default=0, help="Drop parts of fewer pixels.")
@click.option("--masks", is_flag=True, help="Write masks at the images' own size.")
@click.option(
    "--masks-as",
    type=click.Choice([form.value for form in MaskFormat]),
    help="Write them as 1-bit PNG, COCO run lengths (masks.csv) or DICOM Segmentations.  [default: png]",
)
@click.option("--overlays", is_flag=True, help="Write the images with outlines on them.")
@click.option("--batch-size", type=click.IntRange(1), help="Images of one pass.  [default: the provider's]")
@click.option("--threads", type=click.IntRange(1), help="CPU threads.  [default: the cores granted]")
@click.option(
    "--format",
    "table_format",
    type=click.Choice(["csv", "parquet"]),
    default="csv",
    help="Parquet comes besides.",
)
@click.option("--strict", is_flag=True, help="Stop at the first image that fails.")
@click.option(
    "--salt",
    envvar="CXR_SALT",
    help="Secret for keyed hashes of DICOM patients.  [default: no patient_id for DICOM]",
)
@click.option(
    "--max-pixels", type=click.IntRange(1), default=MAX_PIXELS, help="Refuse larger images by their header."
)
@click.option("--overwrite", is_flag=True, help="Replace what another run left in --out.")
def command(*, masks: bool, masks_as: str | None, table_format: str, **options: Any) -> ExitCode:
    """Measure every radiograph under FOLDER (or one image): features.csv, lesions.csv, report.html.

    Killed at any moment, the same command goes on where it was.
    """
    from .run import infer_folder

    try:
        with _progress() as progress:
            summary = infer_folder(
                **options,
                masks=masks_as or ("png" if masks else None),
                parquet=table_format == "parquet",
                progress=progress,
            )
    except KeyboardInterrupt as stop:
        raise CxrError("stopped; what is finished is safe, and the same command goes on from there") from stop
    for line in _lines(summary):
        click.echo(line)
    return ExitCode.SOME_FAILED if summary.failed else ExitCode.DONE


@contextmanager
def _progress() -> Iterator[Callable[[int, int], None] | None]:
    """Show a bar with rate and time left, on a terminal only."""
    if not sys.stderr.isatty():
        yield None
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[rate]}"),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("", total=None, rate="")

        def show(done: int, total: int) -> None:
            speed = bar.tasks[0].speed
            bar.update(task, completed=done, total=total, rate=f"{speed:.1f}/s" if speed else "")

        yield show


def _lines(summary: RunSummary) -> Iterator[str]:
    yield f"{summary.rows} images measured, {summary.failed} failed"
    for cause, count in summary.causes:
        yield f"  {count} x {cause}"
    if summary.treated:
        yield f"{summary.rate:.1f} images a second on {summary.provider}, in {summary.seconds:.1f} s"
    else:
        yield "nothing to do: this run was complete"
    yield f"{summary.out}: {', '.join(summary.files)}"
