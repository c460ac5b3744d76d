"""`cxr sample`: write a small synthetic data set, so that every command can be tried without a download."""

from __future__ import annotations

from pathlib import Path

import click

from ...cli import PathType, cxr_command
from ...machine.limits import MAX_REPEATS, MAX_SEED, MAX_SIDE


@cxr_command("sample", short_help="Write a synthetic data set in the NIH layout.")
@click.argument("folder", type=PathType(), metavar="DIR")
@click.option(
    "--patients",
    type=click.IntRange(1, MAX_REPEATS),
    default=80,
    help="Number of patients; each has one to five images.",
)
@click.option(
    "--size", type=click.IntRange(64, MAX_SIDE), default=512, help="Width and height of the images in pixels."
)
@click.option(
    "--seed", type=click.IntRange(0, MAX_SEED), default=0, help="The same seed gives the same files."
)
def command(folder: Path, patients: int, size: int, seed: int) -> None:
    """Write synthetic chest radiographs with known opacities to DIR, a new or empty folder.

    The data set has the NIH ChestX-ray14 layout: images, boxes and a clinical table, plus pixel masks. The
    size of the opacities depends on age, sex and view; truth.json lists the effects.
    """
    from .write import make_sample

    made = make_sample(folder, patients=patients, size=size, seed=seed)
    click.echo(
        f"{made.folder}: {made.images} images of {made.patients} patients, {made.lesions} opacities, "
        f"{made.empty_images} images without any"
    )
