"""`cxr-infer`: measure a folder of radiographs."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import click

from ..cli import NumberRange, PathType, cxr_command
from ..data.decode.options import MAX_PIXELS
from ..errors import ExitCode
from ..machine.limits import MAX_BATCH, MAX_THREADS
from ..machine.limits import MAX_PIXELS as MOST_PIXELS
from ..machine.progress import progress_bar
from .outputs.masks import MaskFormat
from .runtime.providers import PROVIDER_NAMES

if TYPE_CHECKING:
    from .outputs.summary import RunSummary

_FILE = PathType()


@cxr_command("infer", when_interrupted="; finished images are kept: run the same command again to resume")
@click.argument("folder", type=_FILE)
@click.option(
    "--model", type=_FILE, help="ONNX file, or a shipped model's name.  [default: ./model.onnx, else lungs]"
)
@click.option("--card", type=_FILE, help="Model card as JSON, for a model file without one.")
@click.option("--out", type=_FILE, default=".", help="Output folder.")
@click.option(
    "--provider",
    type=click.Choice(PROVIDER_NAMES),
    default="auto",
    help="Execution provider that runs the model.",
)
@click.option("--allow-fallback", is_flag=True, help="Use the CPU if the provider cannot run.")
@click.option(
    "--allow-external-data", is_flag=True, help="Load tensors from other files in the model's folder."
)
@click.option(
    "--threshold",
    type=NumberRange(0, 1, min_open=True, max_open=True),
    help="Least probability of a mask's pixels, for every class.  [default: as in the model card]",
)
@click.option(
    "--min-area",
    type=click.IntRange(0, MOST_PIXELS),
    default=0,
    help="Drop connected components of fewer pixels.",
)
@click.option("--masks", is_flag=True, help="Write masks at the images' own size.")
@click.option(
    "--masks-as",
    type=click.Choice([mask_format.value for mask_format in MaskFormat]),
    help="Write masks as 1-bit PNG, COCO run lengths (masks.csv) or DICOM Segmentations.  [default: png]",
)
@click.option("--overlays", is_flag=True, help="Write the images with the outlines of the masks.")
@click.option(
    "--batch-size",
    type=click.IntRange(1, MAX_BATCH),
    help="Images per model pass.  [default: what suits the provider]",
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
@click.option("--strict", is_flag=True, help="Stop at the first image that fails.")
@click.option(
    "--salt",
    envvar="CXR_SALT",
    help="Secret for keyed hashes of the patients.  [default: no patient_id for DICOM, names in clear]",
)
@click.option(
    "--patient-from",
    metavar="nih|REGEX",
    help="Read patient_id from file names: NIH names, or a regular expression with one group, such as "
    "'p(\\d+)_'.  [default: names in an NIH set]",
)
@click.option(
    "--dicom-columns",
    metavar="NAME,...",
    default="",
    show_default=False,
    help="Add columns from DICOM headers: view, sex, age, device, study, accession (the last two hashed).",
)
@click.option(
    "--implausible",
    type=click.Choice(["warn", "skip"]),
    default="warn",
    help="What to do with images that are no upright frontal chest radiographs: measure them, or fail them.",
)
@click.option(
    "--uncertainty",
    type=click.Choice(["flip"]),
    help="Predict the mirrored images too, and compare: column uncertainty_flip.",
)
@click.option(
    "--max-pixels",
    type=click.IntRange(1, MOST_PIXELS),
    default=MAX_PIXELS,
    help="Reject larger images by their header.",
)
@click.option("--retry-failed", is_flag=True, help="Process the images in failures.csv again.")
@click.option(
    "--forget-missing", is_flag=True, help="Remove the rows and masks of images whose files are gone."
)
@click.option(
    "--verify",
    is_flag=True,
    help="Compare the content of measured images, not only size and time, and measure them again if changed.",
)
@click.option(
    "--overwrite", is_flag=True, help="Replace the results of another run in --out, but no other files."
)
def command(
    *, masks: bool, masks_as: str | None, table_format: str, dicom_columns: str, **options: Any
) -> ExitCode:
    """Measure every radiograph under FOLDER (or one image): features.csv, components.csv, report.html.

    After a kill or an interruption, the same command resumes the run; images that were added or replaced
    since are measured.
    """
    from .run import infer_folder

    with progress_bar() as progress:
        summary = infer_folder(
            **options,
            masks=masks_as or ("png" if masks else None),
            parquet=table_format == "parquet",
            dicom_columns=[name.strip() for name in dicom_columns.split(",") if name.strip()],
            progress=progress,
        )
    for line in _lines(summary):
        click.echo(line)
    return ExitCode.SOME_FAILED if summary.failed else ExitCode.DONE


def _lines(summary: RunSummary) -> Iterator[str]:
    yield f"{summary.rows} images measured, {summary.failed} failed"
    for cause, count in summary.causes:
        yield f"  {count} x {cause}"
    if summary.processed:
        yield f"{summary.rate:.1f} images per second on {summary.provider}, in {summary.seconds:.1f} s"
    elif not summary.forgotten:
        yield "nothing to do: this run was complete"
    yield from summary.notes
    yield f"{summary.out}: {', '.join(summary.files)}"
