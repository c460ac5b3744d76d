"""`cxr-train`: fit a network on a data set."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import click
from click.core import ParameterSource

from ..cli import comma_list, cxr_command


@cxr_command("train")
@click.argument("dataset", type=click.Path(path_type=Path), default=Path("NIH-Chest-X-ray-dataset"))
@click.option(
    "--classes", callback=comma_list, help="What to learn, as in lung,lesion.  [default: all there is]"
)
@click.option(
    "--finding", "findings", multiple=True, help="NIH: a finding whose boxes are lesions; repeatable."
)
@click.option("--architecture", default="unet", help="Any of segmentation-models-pytorch.")
@click.option("--encoder", default="timm-tf_efficientnet_lite0", help="Any of it, or tu-NAME of timm.")
@click.option("--encoder-weights", default="imagenet", help="imagenet, none, or the path of a file.")
@click.option("--size", type=click.IntRange(min=32), default=256, help="Side of the model's input, pixels.")
@click.option("--epochs", type=click.IntRange(min=1), default=10)
@click.option("--batch-size", type=click.IntRange(min=1), default=16)
@click.option(
    "--lr", type=click.FloatRange(min=0, min_open=True), default=1e-3, help="Highest learning rate."
)
@click.option(
    "--fold", type=int, help="Fold that validates.  [default: the data set's first, else by chance]"
)
@click.option("--val-fraction", "validation_fraction", type=float, default=0.2, help="Share of the patients.")
@click.option("--seed", type=click.IntRange(min=0), default=0)
@click.option("--workers", type=click.IntRange(min=0), help="Processes that load.  [default: as suits here]")
@click.option("--devices", type=click.IntRange(min=1), default=1, help="GPUs, or processes on a CPU.")
@click.option("--name", help="Of the model and its run.  [default: the data set's]")
@click.option("--runs", type=click.Path(path_type=Path), default=Path("runs"), help="Folder of all runs.")
@click.option("--resume", type=click.Path(path_type=Path), help="Go on with this run, with its own settings.")
@click.pass_context
def command(context: click.Context, /, resume: Path | None, **settings: Any) -> None:
    """Fit a segmentation network on DATASET (NIH layout or index.csv layout)."""
    if resume is not None:
        _refuse_others(context)
    from ..metrics.overlap import describe
    from .run import TrainConfig, resume_training, train_model

    progress = sys.stderr.isatty()
    if resume is not None:
        result = resume_training(resume, progress=progress)
    else:
        settings["findings"] = settings["findings"] or None
        result = train_model(TrainConfig(**settings), progress=progress)
    if not result.metrics:
        return  # Another process of a distributed run reports.
    click.echo(f"{result.run}: best of {result.epochs} epochs is {result.best_epoch}, {result.seconds:.0f} s")
    for name, figures in result.metrics.items():
        click.echo(f"{name}: {describe(figures)}")


def _refuse_others(context: click.Context) -> None:
    """Refuse settings beside --resume: the run has its own, and these would silently not count."""
    given = [
        parameter.opts[-1] if isinstance(parameter, click.Option) else "DATASET"
        for parameter in context.command.params
        if context.get_parameter_source(parameter.name or "") is ParameterSource.COMMANDLINE
        and parameter.name not in ("resume", "debug")
    ]
    if given:
        raise click.UsageError(f"--resume takes every setting from the run; leave out {', '.join(given)}")
