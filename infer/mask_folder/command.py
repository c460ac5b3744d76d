"""`cxr measure`: measure masks that someone drew, or that a model wrote."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import click

from ...cli import PathType, comma_list, cxr_command
from ...data.decode.options import MAX_PIXELS
from ...errors import ExitCode
from ...machine.limits import MAX_PIXELS as MOST_PIXELS
from ...machine.limits import MAX_THREADS
from ...machine.progress import progress_bar

if TYPE_CHECKING:
    from .summary import MeasureSummary

_PATH = PathType()


def _label_values(_ctx: click.Context, _param: click.Parameter, value: str | None) -> dict[int, str] | None:
    """Read `1=lung,2=lesion`."""
    if value is None:
        return None
    classes: dict[int, str] = {}
    for pair in value.split(","):
        number, equals, name = (text.strip() for text in pair.partition("="))
        if not (equals and name and number.isdecimal()) or int(number) in classes:
            raise click.BadParameter(f"{value!r} is not of the form 1=lung,2=lesion")
        classes[int(number)] = name
    return classes


@cxr_command("measure", when_interrupted="; run the same command again to start over")
@click.argument("masks", type=_PATH)
@click.option("--images", type=_PATH, help="Folder of the images: their names, sizes, spacing and patients.")
@click.option(
    "--class",
    "class_name",
    metavar="NAME",
    help="Class of all masks.  [default: the name of their folder, without masks_]",
)
@click.option(
    "--values",
    callback=_label_values,
    metavar="1=NAME,2=NAME",
    help="Classes of the values of label images.",
)
@click.option("--lung-classes", callback=comma_list, default="lung", help="Names of classes that are lungs.")
@click.option("--out", type=_PATH, default=".", help="Output folder.")
@click.option(
    "--min-area",
    type=click.IntRange(0, MOST_PIXELS),
    default=0,
    help="Drop connected components of fewer pixels.",
)
@click.option(
    "--threads",
    type=click.IntRange(1, MAX_THREADS),
    help="CPU threads.  [default: the cores that this process may use]",
)
@click.option(
    "--format",
    "table_format",
    type=click.Choice(["csv", "parquet"]),
    default="csv",
    help="Format of the tables; parquet is written in addition to csv.",
)
@click.option("--strict", is_flag=True, help="Stop at the first file that fails.")
@click.option(
    "--salt",
    envvar="CXR_SALT",
    help="Secret for keyed hashes of the patients.  [default: no patient_id for DICOM, names in clear]",
)
@click.option(
    "--patient-from",
    metavar="nih|REGEX",
    help="Read patient_id from file names, as cxr-infer does.  [default: names in an NIH set]",
)
@click.option(
    "--max-pixels",
    type=click.IntRange(1, MOST_PIXELS),
    default=MAX_PIXELS,
    help="Reject larger masks and images by their header.",
)
@click.option("--overwrite", is_flag=True, help="Replace the results of another run in --out.")
def command(*, class_name: str | None, table_format: str, **options: Any) -> ExitCode:
    """Measure masks as cxr-infer measures its own: features.csv and components.csv.

    MASKS is a folder of masks of one class, a folder with one folder per class, or one file: PNG, TIFF or
    DICOM Segmentation.
    """
    if class_name is not None and options["values"] is not None:
        raise click.UsageError("--class and --values exclude each other: a label image has several classes.")
    from .run import measure_folder

    with progress_bar() as progress:
        summary = measure_folder(
            **options, class_name=class_name, parquet=table_format == "parquet", progress=progress
        )
    for line in _lines(summary):
        click.echo(line)
    return ExitCode.SOME_FAILED if summary.failed else ExitCode.DONE


def _lines(summary: MeasureSummary) -> Iterator[str]:
    yield from summary.notes
    for cause, count in summary.causes:
        yield f"  {count} x {cause}"
    yield f"{summary.out}: {', '.join(summary.files)}"
    without = "" if summary.without_mask is None else f", {summary.without_mask} images without a mask"
    yield f"{summary.rows} images measured, {summary.failed} failed{without}"
