"""`cxr-train`: train a segmentation network on a data set."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from click.core import ParameterSource

from ..cli import NumberRange, PathType, comma_list, cxr_command
from ..data.datasets.annotations.records import AnnotationFormat
from ..machine.limits import MAX_BATCH, MAX_REPEATS, MAX_SEED, MAX_SIDE, MAX_THREADS
from .freeze import Freeze
from .options import Augmentation, Loss

if TYPE_CHECKING:
    from .config import TrainConfig
    from .folds import FoldsResult
    from .run_folder import TrainResult


def _class_names(ctx: click.Context, param: click.Parameter, value: str | None) -> Sequence[str] | None:
    names = comma_list(ctx, param, value)
    if names is not None and not names:
        raise click.BadParameter("no class is named; is a variable of your script not set?")
    return names


@cxr_command("train")
@click.argument("dataset", type=PathType(), default=Path("NIH-Chest-X-ray-dataset"))
@click.option(
    "--classes",
    callback=_class_names,
    help="What to segment, as in lung,lesion.  [default: all classes]",
)
@click.option(
    "--finding", "findings", multiple=True, help="NIH: a finding whose boxes are lesions; repeatable."
)
@click.option(
    "--masks",
    type=click.Choice([form.value for form in AnnotationFormat]),
    help="Take the masks from annotation files of this format; see docs/datasets.md.",
)
@click.option(
    "--annotations",
    type=PathType(),
    multiple=True,
    help="Annotation file or folder for --masks; repeatable.  [default: those in DATASET]",
)
@click.option(
    "--init",
    metavar="MODEL",
    help="Start from a model: a shipped one's name, a float .onnx file, a run folder, a .pth or .ckpt.",
)
@click.option(
    "--freeze",
    type=click.Choice([part.value for part in Freeze]),
    default=Freeze.NONE.value,
    help="Part of the network that keeps its weights.",
)
@click.option(
    "--architecture",
    help="An architecture of segmentation-models-pytorch, or unet-s4.  [default: that of --init, else unet]",
)
@click.option(
    "--encoder",
    help="Its encoder; tu-NAME for one of timm.  [default: that of --init, else timm-tf_efficientnet_lite0]",
)
@click.option("--encoder-weights", default="imagenet", help="imagenet, none, or the path of a file.")
@click.option(
    "--size", type=click.IntRange(32, MAX_SIDE), default=256, help="Side of the model's input, pixels."
)
@click.option("--epochs", type=click.IntRange(1, MAX_REPEATS), default=10)
@click.option("--batch-size", type=click.IntRange(1, MAX_BATCH), default=16)
@click.option("--lr", type=NumberRange(min=0, min_open=True), default=1e-3, help="Highest learning rate.")
@click.option(
    "--augmentation",
    type=click.Choice([choice.value for choice in Augmentation]),
    default=Augmentation.STANDARD.value,
    help="Random changes of training images; strong: for images of other sites.",
)
@click.option(
    "--loss",
    type=click.Choice([choice.value for choice in Loss]),
    default=Loss.BCE_DICE.value,
    help="focal-tversky: for small lesions, of which a missed pixel costs more.",
)
@click.option(
    "--ema",
    type=NumberRange(0, 1, min_open=True, max_open=True),
    metavar="DECAY",
    help="Keep the moving average of the weights, such as 0.99.",
)
@click.option("--balance", is_flag=True, help="Draw images that show a rare class more often.")
@click.option(
    "--fold", type=int, help="Fold for validation.  [default: the first of the data set, else a random split]"
)
@click.option(
    "--folds",
    type=click.IntRange(2, MAX_REPEATS),
    help="Train this many networks, each scored on other patients.",
)
@click.option(
    "--val-fraction",
    "validation_fraction",
    type=NumberRange(0, 1, min_open=True, max_open=True),
    default=0.2,
    help="Fraction of patients to validate on.",
)
@click.option("--seed", type=click.IntRange(0, MAX_SEED), default=0)
@click.option(
    "--workers",
    type=click.IntRange(0, MAX_THREADS),
    help="Processes that load images.  [default: automatic]",
)
@click.option(
    "--devices", type=click.IntRange(1, MAX_THREADS), default=1, help="GPUs, or processes on a CPU."
)
@click.option(
    "--no-fingerprint",
    "fingerprint",
    is_flag=True,
    flag_value=False,
    default=True,
    show_default=False,
    help="Leave the fingerprint of the images out of the model card.",
)
@click.option("--name", help="Name of the model and its run.  [default: that of the data set]")
@click.option("--runs", type=PathType(), default=Path("runs"), help="Folder of all runs.")
@click.option("--resume", type=PathType(), help="Resume this run, with its own settings.")
@click.pass_context
def command(context: click.Context, /, resume: Path | None, **settings: Any) -> None:
    """Fit a segmentation network on DATASET, a folder in the NIH layout or with an index.csv."""
    if resume is not None:
        _reject_other_settings(context)
    from . import run

    progress = sys.stderr.isatty()
    if resume is not None:
        has_folds = run.TrainConfig.read(resume).folds is not None
        result = (run.resume_folds if has_folds else run.resume_training)(resume, progress=progress)
    else:
        config = _config(settings)
        train = run.train_model if config.folds is None else run.train_folds
        result = train(config, progress=progress)
    if not result.metrics:
        return  # the first process of a distributed run reports
    _print_result(result)


def _config(settings: dict[str, Any]) -> TrainConfig:
    from .config import TrainConfig

    choices = {"freeze": Freeze, "augmentation": Augmentation, "loss": Loss}
    chosen = {name: kind(settings[name]) for name, kind in choices.items()}
    masks = settings["masks"] and AnnotationFormat(settings["masks"])
    return TrainConfig(**{**settings, **chosen, "masks": masks, "findings": settings["findings"] or None})


def _print_result(result: TrainResult | FoldsResult) -> None:
    from ..metrics.overlap import describe
    from .run_folder import TrainResult

    if isinstance(result, TrainResult):
        what = f"best epoch {result.best_epoch} of {result.epochs}"
    else:
        what = f"{len(result.folds)} folds, each scored on the patients that it has not seen"
    click.echo(f"{result.run}: {what}, {result.seconds:.0f} s")
    for name, metrics in result.metrics.items():
        click.echo(f"{name}: {describe(metrics)}")
        for baseline in result.baselines.get(name, ()):
            difference = baseline.difference
            click.echo(
                f"  {baseline.name}: Dice {baseline.dice.value:.3f}; the model's minus this: "
                f"{difference.value:+.3f} ({difference.low:+.3f} to {difference.high:+.3f})"
            )


def _reject_other_settings(context: click.Context) -> None:
    """Reject settings given with --resume: they would be ignored silently."""
    given = [
        parameter.opts[-1] if isinstance(parameter, click.Option) else "DATASET"
        for parameter in context.command.params
        if context.get_parameter_source(parameter.name or "") is ParameterSource.COMMANDLINE
        and parameter.name not in ("resume", "debug")
    ]
    if given:
        raise click.UsageError(f"--resume takes all settings from the run; remove {', '.join(given)}")
