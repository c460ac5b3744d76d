"""`cxr evaluate`: score a model on labeled images."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ...cli import PathType, comma_list, cxr_command
from ...data.datasets.annotations.records import AnnotationFormat
from ...machine.limits import MAX_THREADS
from ...machine.progress import progress_bar
from ..runtime.providers import PROVIDER_NAMES
from .config import OUT

if TYPE_CHECKING:
    from .records import Evaluation

_PATH = PathType()


def _assignments(_ctx: click.Context, _param: click.Parameter, values: tuple[str, ...]) -> dict[str, str]:
    """Read `NAME=VALUE`, given any number of times."""
    found: dict[str, str] = {}
    for text in values:
        name, equals, value = (part.strip() for part in text.partition("="))
        if not (name and equals and value):
            raise click.BadParameter(f"{text!r} is not of the form NAME=VALUE")
        if name in found:
            raise click.BadParameter(f"{name!r} is given twice")
        found[name] = value
    return found


@cxr_command("evaluate")
@click.argument("model", type=_PATH)
@click.argument("dataset", type=_PATH)
@click.option(
    "--classes",
    callback=comma_list,
    metavar="A,B",
    help="Classes of the data set.  [default: those that the model predicts]",
)
@click.option(
    "--finding", "findings", multiple=True, help="NIH layout: use only boxes of this finding; repeatable."
)
@click.option(
    "--masks",
    type=click.Choice([form.value for form in AnnotationFormat]),
    help="Take the masks from annotation files of this format.",
)
@click.option(
    "--annotations", type=_PATH, multiple=True, help="Annotation file or folder for --masks; repeatable."
)
@click.option(
    "--map",
    "class_map",
    multiple=True,
    callback=_assignments,
    metavar="MODEL_CLASS=DATASET_CLASS",
    help="Compare a class of the model with a class of another name; repeatable.",
)
@click.option(
    "--second-reader",
    "second_readers",
    multiple=True,
    callback=_assignments,
    metavar="CLASS=COLUMN",
    help="Column with a second reader's masks of a class, such as lung=mask_lung_2; repeatable.",
)
@click.option("--fold", type=int, help="Only images of this fold.")
@click.option("--splits", type=_PATH, help="Only the validation images of this splits.csv of cxr-train.")
@click.option(
    "--where",
    multiple=True,
    callback=_assignments,
    metavar="COLUMN=VALUE",
    help="Only images with this value in the data set's table; repeatable.",
)
@click.option("--by", metavar="COLUMN", help="Also score each value of this column, such as source.")
@click.option("--card", type=_PATH, help="Model card as JSON, for a model file without one.")
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
    "--threads",
    type=click.IntRange(1, MAX_THREADS),
    help="CPU threads.  [default: the cores that this process may use]",
)
@click.option("--out", type=_PATH, default=OUT, help="Output folder.")
@click.option(
    "--choose-threshold",
    type=_PATH,
    metavar="FILE.onnx",
    help="Write a copy of the model with the thresholds that have the best mean Dice on these images.",
)
@click.option(
    "--overwrite", is_flag=True, help="Replace another evaluation in --out, and the file --choose-threshold."
)
def command(*, model: Path, dataset: Path, findings: tuple[str, ...], **options: Any) -> None:
    """Score MODEL on the labeled images of DATASET, beside trivial predictions and other readers.

    MODEL is an ONNX file or the name of a shipped model. Writes scores.csv (one row per image and class),
    summary.csv (every figure with its 95 % interval over patients), evaluation.json and evaluation.html.
    """
    from .run import evaluate_model

    with progress_bar() as progress:
        evaluation = evaluate_model(model, dataset, progress=progress, findings=findings or None, **options)
    for line in _lines(evaluation):
        click.echo(line)
    if options["choose_threshold"] is not None:
        click.echo(f"{options['choose_threshold']}: the model with the best thresholds")
    click.echo(f"{evaluation.out}/evaluation.html: the page; beside it {', '.join(evaluation.files[:-1])}")


def _lines(evaluation: Evaluation) -> Iterator[str]:
    from ...models.trivial_masks import Baseline
    from .records import MODEL, SECOND_READER, MetricName
    from .report import describe, format_interval
    from .summary import minus

    shown = (MetricName.DICE, MetricName.ASSD, MetricName.HD95, MetricName.SPECIFICITY)
    beside = (Baseline.MEAN, minus(Baseline.MEAN), Baseline.WHOLE_LUNG, SECOND_READER)
    for one in evaluation.classes:
        against = "" if one.pair.name == one.pair.truth else f", compared with {one.pair.truth}"
        images = f"{one.images} images of {one.patients} patients, {one.positives} show it"
        yield f"{one.pair.name}{against}: {images}"
        for metric in evaluation.metrics:
            if metric.class_name != one.pair.name or metric.group or metric.name not in shown:
                continue
            figure = f"{describe(metric)}: {format_interval(metric.interval)}"
            if metric.prediction == MODEL:
                yield f"  {figure}"
            elif metric.prediction in beside and metric.name is MetricName.DICE:
                yield f"  {metric.prediction}: {figure}"
    yield from (f"warning: {text}" for text in evaluation.warnings)
