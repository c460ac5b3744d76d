"""Train `lungs`: one network that segments the lungs as either of two annotation protocols draws them.

    python examples/train_lungs.py DATASET [DATASET ...] --out runs/lungs

Each DATASET is a folder with an index.csv that has the columns `mask_lung`, `lung_convention`,
`licence_status`, `source` and `fold`; see docs/semi-supervised.md. Only images under an open license are
trained on. What is held out (a fold of a source, and whole sources) is evaluated at the end, by source and by
patient. A run that was interrupted resumes with the network that was not finished.
"""

from __future__ import annotations

import logging
import shlex
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import click
import open_images
import torch
from open_images import ENCODER, Row

from cxr.data.csv_files import write_csv
from cxr.data.datasets.splits import Split, Subset
from cxr.data.decode.reader import read_image
from cxr.export.pair import write_pair
from cxr.machine.packages import versions
from cxr.metrics.overlap import ImageScore, class_metrics, describe
from cxr.metrics.records import ClassMetrics
from cxr.models.card import ModelCard, PixelSpec, TrainingData
from cxr.models.checks.uncertainty_reference import fit_lung_checks
from cxr.models.evaluate import evaluate
from cxr.models.fingerprint import Fingerprint, hash_pixels
from cxr.models.network.build import GRAY_NORMALIZATION, STRIDE4_UNET, build_network
from cxr.models.network.encoder_weights import IMAGENET
from cxr.models.network.segmenter import Segmenter, predictor
from cxr.train.frontal.fit import fit_frontal
from cxr.train.frontal.other_images import installed_images
from cxr.train.semi_supervision.in_memory import Schedule, load_examples
from cxr.train.semi_supervision.student import Recipe, Student, adapt_to_size, train_student

FIELDS, RETROCARDIAC = CLASSES = ("lung_fields", "lung_with_retrocardiac")
"""The lungs without the heart's shadow (Montgomery, Shenzhen), and with the lung behind it (V7 Labs)."""

THRESHOLDS = (0.5, 0.5)
QUALITY = ("source", "class", "images", "dice", "low", "high")
RECIPE = Recipe(
    teachers={FIELDS: Schedule(epochs=50), RETROCARDIAC: Schedule(epochs=80)},
    student=Schedule(epochs=8, seed=1),
)
SMALLER = Schedule(epochs=5, lr=5e-4, seed=2)
LICENSE = "Apache-2.0; attribution: "
ATTRIBUTION = (
    "National Library of Medicine, National Institutes of Health, Bethesda, MD, USA (Jaeger et al. 2014, "
    "10.1109/TMI.2013.2284099; Candemir et al. 2014, 10.1109/TMI.2013.2290491); "
    "NIH Clinical Center, https://nihcc.app.box.com/v/ChestXray-NIHCC (Wang et al., CVPR 2017); "
    "COVID-19 Image Repository, Hannover Medical School, CC BY 3.0 (10.6084/m9.figshare.12275009); "
    "V7 Labs lung masks, CC BY 4.0"
)


def read_rows(root: Path) -> list[Row]:
    """Read an index.csv: every image, with its lung mask as the class that its protocol stands for."""
    return open_images.read_rows(root, _masks)


def _masks(values: Mapping[str, Any]) -> dict[str, str | None]:
    masks: dict[str, str | None] = dict.fromkeys(CLASSES)
    if str(values["lung_ok"]) == "1":
        protocol = FIELDS if "without heart" in values["lung_convention"] else RETROCARDIAC
        masks[protocol] = values["mask_lung"]
    return masks


def split_rows(
    rows: Sequence[Row], hold_out: Mapping[str, int], test_sources: Sequence[str]
) -> tuple[list[Row], list[Row]]:
    """Return what is trained on and what is evaluated; no patient is in both.

    Parameters
    ----------
    rows : sequence of Row
    hold_out : mapping of str to int
        A fold that is left out of training, by the start of the source's name.
    test_sources : sequence of str
        A source whose name contains one of these is not trained on.
    """
    usable = [row for row in rows if row.is_open and not any(name in row.source for name in test_sources)]
    held_out_patients = {
        row.record.patient_id
        for row in usable
        if any(row.source.startswith(name) and row.record.fold == fold for name, fold in hold_out.items())
    }
    training = [row for row in usable if row.record.patient_id not in held_out_patients]
    patients = {row.record.patient_id for row in training}
    held = [row for row in rows if _is_masked(row) and row.record.patient_id not in patients]
    return training, held


def _is_masked(row: Row) -> bool:
    return any(row.record.known(CLASSES))


def build(classes: int) -> Segmenter:
    """Build the network with an encoder pretrained on ImageNet."""
    torch.manual_seed(0)
    network = build_network(STRIDE4_UNET, ENCODER, classes, encoder_weights=IMAGENET)
    return Segmenter(network, GRAY_NORMALIZATION)


def score(segmenter: Segmenter, rows: Sequence[Row], spec: PixelSpec) -> dict[str, list[ImageScore]]:
    """Evaluate the held-out images, by source; each in the class of its own protocol."""
    by_source = defaultdict(list)
    for row in rows:
        by_source[row.source].append(row.record)
    predict = predictor(segmenter)
    return {
        source: evaluate(predict, records, spec, CLASSES, THRESHOLDS) for source, records in by_source.items()
    }


def make_card(
    student: Student,
    training: Sequence[Row],
    held: Sequence[Row],
    scores: Mapping[str, Sequence[ImageScore]],
    spec: PixelSpec,
    command: str,
) -> ModelCard:
    """Describe the model: data, license, and its figures on the held-out images, by source."""
    subsets = {row.record.key: Subset.TRAIN for row in training}
    subsets |= {row.record.key: Subset.VALIDATION for row in held}
    split = Split(subsets, {row.record.key: row.record.patient_id for row in (*training, *held)})
    masks = "; ".join(
        f"{name}: {counts.human} drawn, {counts.pseudo} pseudo-labels"
        for name, counts in student.counts.items()
    )
    return ModelCard(
        name="lungs",
        classes=CLASSES,
        architecture=STRIDE4_UNET,
        encoder=ENCODER,
        pixels=spec,
        normalization=GRAY_NORMALIZATION,
        thresholds=THRESHOLDS,
        license=LICENSE + ATTRIBUTION,
        anatomy=dict.fromkeys(CLASSES, "lung"),
        training=TrainingData(
            name=f"open chest radiographs ({masks})",
            images=len(training),
            patients=len({row.record.patient_id for row in training}),
            validation_images=len(held),
            validation_patients=len({row.record.patient_id for row in held}),
            split_hash=split.hash,
            license=ATTRIBUTION,
            command=command,
        ),
        metrics=_metrics([item for items in scores.values() for item in items]),
        metrics_by_source={source: _metrics(items) for source, items in sorted(scores.items())},
        fingerprint=Fingerprint.of({hash_pixels(read_image(row.record.path).pixels) for row in training}),
        versions=versions(("cxr", "torch", "segmentation-models-pytorch")),
    )


def _metrics(scores: Sequence[ImageScore]) -> dict[str, ClassMetrics]:
    """Summarize each class that has scores."""
    by_class = {name: [item for item in scores if item.class_name == name] for name in CLASSES}
    return {name: class_metrics(own) for name, own in by_class.items() if own}


def quality_rows(card: ModelCard) -> Iterator[tuple[object, ...]]:
    """Yield the rows of quality.csv: Dice by source and class."""
    for source, classes in card.metrics_by_source.items():
        for name, metrics in classes.items():
            dice = metrics.dice
            bounds = (dice.value, dice.low, dice.high) if dice else (None, None, None)
            yield source, name, metrics.positives, *bounds


def command_line(
    datasets: Sequence[Path],
    size: int,
    final_size: int,
    hold_out: Sequence[tuple[str, int]],
    test_source: Sequence[str],
    int8: str | None,
) -> str:
    """Return the command that makes the same model, for the card; folders by their names only."""
    words = ["python", "examples/train_lungs.py", *(root.resolve().name for root in datasets)]
    words += ["--size", size, "--final-size", final_size]
    words += [word for one in hold_out for word in ("--hold-out", *one)]
    words += [word for name in test_source for word in ("--test-source", name)]
    words += ["--int8", int8] if int8 else []
    return shlex.join(map(str, words))


@click.command()
@click.argument("datasets", nargs=-1, required=True, type=click.Path(path_type=Path, exists=True))
@click.option("--out", type=click.Path(path_type=Path), default=Path("runs/lungs"), show_default=True)
@click.option("--size", default=256, show_default=True, help="Side of the input that is trained on, pixels.")
@click.option("--final-size", default=192, show_default=True, help="Side of the model's input, pixels.")
@click.option(
    "--hold-out",
    type=(str, int),
    multiple=True,
    default=[("Montgomery", 0)],
    show_default=True,
    metavar="SOURCE FOLD",
    help="A fold of a source (the start of its name) that is evaluated and not trained on.",
)
@click.option("--test-source", multiple=True, default=["GeneralBlockchain"], show_default=True)
@click.option("--int8", metavar="PROVIDER", help="Also write lungs_int8.onnx, measured on this provider.")
def main(
    datasets: tuple[Path, ...],
    out: Path,
    size: int,
    final_size: int,
    hold_out: tuple[tuple[str, int], ...],
    test_source: tuple[str, ...],
    int8: str | None,
) -> None:
    """Train `lungs` on the open images of the DATASETS; write lungs.onnx and quality.csv to --out."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    rows = [row for root in datasets for row in read_rows(root)]
    training, held = split_rows(rows, dict(hold_out), test_source)
    records = [row.record for row in training]
    spec = PixelSpec(size, size)
    examples = load_examples(records, CLASSES, spec)
    student = train_student(build, examples, CLASSES, RECIPE, out)
    if final_size != size:
        spec = PixelSpec(final_size, final_size)
        smaller = load_examples(records, CLASSES, spec)
        adapted = adapt_to_size(
            student.segmenter, examples, smaller, SMALLER, out / f"student_{final_size}.pth"
        )
        student = replace(student, segmenter=adapted)
    scores = score(student.segmenter, held, spec)
    command = command_line(datasets, size, final_size, hold_out, test_source, int8)
    card = make_card(student, training, held, scores, spec, command)
    for source, classes in card.metrics_by_source.items():
        for name, metrics in classes.items():
            click.echo(f"{source}, {name}: {describe(metrics)}")
    write_csv(out / "quality.csv", QUALITY, quality_rows(card))
    held_records, segmenter = [row.record for row in held], student.segmenter
    if fitted := fit_frontal(segmenter, records, installed_images(), spec):
        segmenter.frontal, frontal = fitted
        card = replace(card, frontal=frontal)
    card = fit_lung_checks(predictor(segmenter), held_records, card)
    write_pair(
        segmenter,
        card,
        out,
        training=records,
        validation=held_records,
        provider=int8,
        sources={row.record.key: row.source for row in held},
    )


if __name__ == "__main__":
    main()
