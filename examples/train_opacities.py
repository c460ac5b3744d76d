"""Train `opacities` from the weights of the lungs model, and measure it on images of other patients.

    python examples/train_opacities.py DATASET [DATASET ...] --init runs/lungs/student.pth

Each DATASET is a folder with an index.csv that has the columns `mask_lesion`, `licence_status`, `source`,
`fold` and `patient_id`. Images under an open license are trained on, and scored out of fold: five models are
each trained without one fold; the threshold for a fold is chosen on the others. The sources named with
--test-source are scored by the final model, which sees all open images. Whoever has NIH ChestX-ray14 has
3,543 images with radiologists' polygons; the same command trains on them.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click
import numpy as np
import numpy.typing as npt
import open_images
import torch
from open_images import ENCODER, Row
from torch import nn

from cxr.data.csv_files import write_csv
from cxr.data.datasets.masks import load_masks
from cxr.data.datasets.records import Record
from cxr.data.datasets.splits import Split, Subset
from cxr.export.pair import write_pair
from cxr.machine.files import make_folder
from cxr.machine.packages import versions
from cxr.metrics.baselines import BaselineScore, compare_with_baselines
from cxr.metrics.overlap import ImageScore, class_metrics, describe, score
from cxr.models.card import ModelCard, PixelSpec, TrainingData
from cxr.models.evaluate import predictions
from cxr.models.network.build import GRAY_NORMALIZATION, STRIDE4_UNET, build_network
from cxr.models.network.segmenter import Segmenter, predictor
from cxr.models.network.torch_file import load_weights
from cxr.models.trivial_masks import Baseline, MeanMask
from cxr.train.semi_supervision.in_memory import Examples, Schedule, fit, load_examples

CLASS = "opacity"
CLASSES = (CLASS,)
LUNG_CLASSES = 2
SCHEDULE = Schedule(epochs=40, lr=1e-3)
LEVELS = np.arange(1, 20) * 0.05
"""The thresholds to choose from."""

ATTRIBUTION = (
    "NIH Clinical Center, https://nihcc.app.box.com/v/ChestXray-NIHCC (Wang et al., CVPR 2017); ChestX-Det "
    "polygons, Apache-2.0 (Deepwise AI Lab); COVID-19 image data collection, open images, masks CC BY 4.0 "
    "(GeneralBlockchain)"
)

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Found:
    """The probability map of an image whose mask is known, and how its Dice depends on the threshold."""

    record: Record
    truth: npt.NDArray[np.bool_]
    probability: npt.NDArray[np.float16]
    dice: npt.NDArray[np.float64]
    """At each of `LEVELS`; NaN if the image shows no opacity."""


def read_rows(root: Path) -> list[Row]:
    """Read the rows of an index.csv whose mask is known; an empty mask is known too."""
    rows = open_images.read_rows(root, _masks)
    return [row for row in rows if row.record.has_truth(CLASSES)]


def _masks(values: Mapping[str, Any]) -> dict[str, str | None]:
    return {CLASS: values["mask_lesion"]}


def build(init: Path) -> Segmenter:
    """Build the network with the weights of a lungs model, and a new head."""
    torch.manual_seed(0)
    network: Any = build_network(STRIDE4_UNET, ENCODER, LUNG_CLASSES)
    load_weights(network, init, name="a lungs model of examples/train_lungs.py")
    network.segmentation_head = nn.Conv2d(network.segmentation_head.in_channels, len(CLASSES), 1)
    return Segmenter(network, GRAY_NORMALIZATION)


def find(segmenter: Segmenter, records: Sequence[Record], spec: PixelSpec) -> list[Found]:
    """Predict on images, and compute Dice at all thresholds."""
    found = []
    for prediction in predictions(predictor(segmenter), records, spec):
        masks, _ = load_masks(prediction.record, CLASSES, prediction.pixels.shape)
        truth, probability = masks[0] > 0, prediction.probability[0].astype(np.float16)
        dice = [_score(prediction.record, truth, probability >= level).dice for level in LEVELS]
        found.append(Found(prediction.record, truth, probability, np.array(dice)))
    return found


def _score(record: Record, truth: npt.NDArray[np.bool_], predicted: npt.NDArray[np.bool_]) -> ImageScore:
    return score(truth, predicted, key=record.key, patient_id=record.patient_id, class_name=CLASS)


def choose_threshold(found: Sequence[Found]) -> float:
    """Return the threshold with the best mean Dice on images that show an opacity."""
    return float(LEVELS[int(np.nanmean([item.dice for item in found], axis=0).argmax())])


def score_at(found: Sequence[Found], threshold: float) -> list[ImageScore]:
    """Score the masks at a threshold."""
    return [_score(item.record, item.truth, item.probability >= threshold) for item in found]


def mean_mask_scores(examples: Examples, found: Sequence[Found], spec: PixelSpec) -> list[BaselineScore]:
    """Score the mean of the masks that were trained on, on other images."""
    mean = MeanMask.of([masks[0] for masks in examples.masks if (masks[0] == 1).any()])
    shown = [item for item in found if item.truth.any()]
    return [
        BaselineScore(
            item.record.key,
            item.record.patient_id,
            CLASS,
            Baseline.MEAN,
            _score(item.record, item.truth, mean.predict(item.truth.shape, spec) > 0).dice,
        )
        for item in shown
    ]


def cross_validate(
    rows: Sequence[Row], init: Path, spec: PixelSpec
) -> tuple[list[ImageScore], list[BaselineScore], float]:
    """Score every open image by a model that was trained without its fold.

    Returns
    -------
    list of ImageScore
        At thresholds that were chosen on the other folds.
    list of BaselineScore
    float
        The threshold that is best on all of them.
    """
    by_fold: dict[int, list[Found]] = {}
    baselines = []
    for fold in sorted({row.record.fold for row in rows if row.record.fold is not None}):
        training = [row.record for row in rows if row.record.fold != fold]
        held = [row.record for row in rows if row.record.fold == fold]
        examples = load_examples(training, CLASSES, spec)
        log.info("fold %d: %d images, %d held out", fold, len(training), len(held))
        by_fold[fold] = find(fit(build(init), examples, SCHEDULE), held, spec)
        baselines.extend(mean_mask_scores(examples, by_fold[fold], spec))
    scores = []
    for fold, found in by_fold.items():
        others = [item for other, items in by_fold.items() if other != fold for item in items]
        scores.extend(score_at(found, choose_threshold(others)))
    return scores, baselines, choose_threshold([item for items in by_fold.values() for item in items])


def make_card(
    training: Sequence[Row],
    scores: Sequence[ImageScore],
    baselines: Sequence[BaselineScore],
    threshold: float,
    spec: PixelSpec,
) -> ModelCard:
    """Describe the model; its figures are those of the folds' models on images that each had not seen."""
    split = Split(
        {row.record.key: Subset.TRAIN for row in training},
        {row.record.key: row.record.patient_id for row in training},
    )
    patients = len({row.record.patient_id for row in training})
    return ModelCard(
        name="opacities",
        classes=CLASSES,
        architecture=STRIDE4_UNET,
        encoder=ENCODER,
        pixels=spec,
        normalization=GRAY_NORMALIZATION,
        thresholds=(threshold,),
        license=f"Apache-2.0; attribution: {ATTRIBUTION}",
        training=TrainingData(
            name="open chest radiographs with opacities, scored out of fold",
            images=len(training),
            patients=patients,
            validation_images=len(training),
            validation_patients=patients,
            split_hash=split.hash,
            license=ATTRIBUTION,
        ),
        metrics={CLASS: class_metrics(scores)},
        baselines=compare_with_baselines(scores, baselines),
        versions=versions(("cxr", "torch", "segmentation-models-pytorch")),
    )


@click.command()
@click.argument("datasets", nargs=-1, required=True, type=click.Path(path_type=Path, exists=True))
@click.option("--init", required=True, type=click.Path(path_type=Path, exists=True), help="Weights, .pth.")
@click.option("--out", type=click.Path(path_type=Path), default=Path("runs/opacities"), show_default=True)
@click.option("--size", default=256, show_default=True, help="Side of the model's input in pixels.")
@click.option("--test-source", multiple=True, default=["GeneralBlockchain"], show_default=True)
@click.option("--int8", metavar="PROVIDER", help="Also write opacities_int8.onnx, measured on this provider.")
def main(
    datasets: tuple[Path, ...],
    init: Path,
    out: Path,
    size: int,
    test_source: tuple[str, ...],
    int8: str | None,
) -> None:
    """Train `opacities` on the open images of the DATASETS; write opacities.onnx and quality.csv to --out."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    make_folder(out)
    rows = [row for root in datasets for row in read_rows(root)]
    held_out = [row for row in rows if any(name in row.source for name in test_source)]
    training = [row for row in rows if row.is_open and row not in held_out]
    spec = PixelSpec(size, size)
    scores, baselines, threshold = cross_validate(training, init, spec)
    examples = load_examples([row.record for row in training], CLASSES, spec)
    final = fit(build(init), examples, SCHEDULE)
    torch.save(final.network.state_dict(), out / "opacities.pth")
    groups = {"out of fold": (scores, baselines)}
    if held_out:
        unseen = find(final, [row.record for row in held_out], spec)
        groups["never seen"] = score_at(unseen, threshold), mean_mask_scores(examples, unseen, spec)
    click.echo(f"threshold {threshold:.2f}")
    table = []
    for name, (own, trivial) in groups.items():
        click.echo(f"{name}: {describe(class_metrics(own))}")
        for baseline in compare_with_baselines(own, trivial).get(CLASS, ()):
            gain = baseline.difference
            click.echo(
                f"  {baseline.name} {baseline.dice.value:.3f}; the model's minus this: {gain.value:+.3f} "
                f"({gain.low:+.3f} to {gain.high:+.3f})"
            )
        table += [(name, item.key, item.patient_id, item.dice) for item in own]
    write_csv(out / "quality.csv", ("subset", "image", "patient_id", "dice"), table)
    card = make_card(training, scores, baselines, threshold, spec)
    records = [row.record for row in training]
    checked = [row.record for row in held_out] or records
    write_pair(final, card, out, training=records, validation=checked, provider=int8, scored_by_folds=True)


if __name__ == "__main__":
    main()
