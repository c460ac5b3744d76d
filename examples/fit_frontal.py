"""Fit the frontal check of a lungs model: a score of whether an image is an upright frontal chest radiograph.

    python examples/fit_frontal.py WEIGHTS DATASET [DATASET ...] --out frontal.pth --not-frontal FOLDER ...

WEIGHTS are those of the network that `examples/train_lungs.py` trained. Each DATASET is a folder with an
index.csv as in that script; the images under an open license are the frontal radiographs. The images that
are none are made from them, drawn, or read: from the folders given, and from the images that scikit-image and
pydicom bring along, where they are installed. The table that is printed is out of fold, by patient.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path

import click
import msgspec
import numpy as np
import torch
from train_lungs import CLASSES, build, read_rows

from cxr.data.image import Gray
from cxr.models.card import PixelSpec
from cxr.models.image_checks import FrontalReference
from cxr.models.network.segmenter import Segmenter
from cxr.models.network.torch_file import load_weights
from cxr.models.preprocess import prepare
from cxr.train.frontal.fit import FEWEST_PATIENTS, fit_frontal
from cxr.train.frontal.other_images import installed_images, read_images


def describe(reference: FrontalReference) -> str:
    """Return a Markdown table of what the cutoff flags."""
    lines = [
        f"cutoff {reference.cutoff:.4f}",
        "",
        "| images | flagged |",
        "| --- | ---: |",
        f"| frontal ({reference.images}) | {reference.false_alarms:.2%} |",
        *(f"| {kind} | {share:.1%} |" for kind, share in reference.caught.items()),
    ]
    return "\n".join(lines)


@torch.no_grad()
def score(segmenter: Segmenter, images: Sequence[Gray], spec: PixelSpec) -> list[float]:
    """Compute the score of each image."""
    batch = torch.from_numpy(np.stack([prepare(pixels, spec)[0] for pixels in images])[:, None])
    assert segmenter.frontal is not None
    return [float(value) for value in segmenter.frontal(segmenter.features(batch))]


@click.command()
@click.argument("weights", type=click.Path(path_type=Path, exists=True))
@click.argument("datasets", nargs=-1, required=True, type=click.Path(path_type=Path, exists=True))
@click.option("--out", type=click.Path(path_type=Path), default=Path("frontal.pth"), show_default=True)
@click.option("--size", default=192, show_default=True, help="Side of the model's input, pixels.")
@click.option(
    "--not-frontal",
    multiple=True,
    type=click.Path(path_type=Path, exists=True),
    help="Files or folders of images that are no chest radiographs, to learn from.",
)
@click.option(
    "--measure",
    multiple=True,
    type=click.Path(path_type=Path, exists=True),
    help="Folders of images that are scored in the end, and not learned from.",
)
def main(
    weights: Path,
    datasets: tuple[Path, ...],
    out: Path,
    size: int,
    not_frontal: tuple[Path, ...],
    measure: tuple[Path, ...],
) -> None:
    """Fit the frontal check of the network with these WEIGHTS on the open images of the DATASETS."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    segmenter, spec = build(len(CLASSES)), PixelSpec(size, size)
    load_weights(segmenter.network, weights, name="unet-s4")
    records = [row.record for root in datasets for row in read_rows(root) if row.is_open]
    others = installed_images() | {folder.name: read_images([folder]) for folder in not_frontal}
    fitted = fit_frontal(segmenter, records, others, spec)
    if fitted is None:
        raise click.ClickException(f"fewer than {FEWEST_PATIENTS} patients have an open image")
    segmenter.frontal, reference = fitted
    torch.save(segmenter.frontal.state_dict(), out)
    out.with_suffix(".json").write_bytes(msgspec.json.format(msgspec.json.encode(reference)))
    click.echo(describe(reference))
    for folder in measure:
        scores = score(segmenter, read_images([folder]), spec)
        flagged = sum(value < reference.cutoff for value in scores)
        click.echo(f"{folder}: {flagged} of {len(scores)} flagged; {[round(value, 4) for value in scores]}")


if __name__ == "__main__":
    main()
