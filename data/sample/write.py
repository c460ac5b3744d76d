"""Write the synthetic sample: a small data set in the NIH layout, with pixel masks and a known truth."""

from __future__ import annotations

import csv
import os
import shutil
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

import cv2
import numpy as np

from ...errors import InputError, OutputError
from ...machine.files import write_json
from ..datasets.nih_files import BOXES, FRAME, MASKS, NO_FINDING, SYNTHETIC
from ..image import Gray
from .anatomy import draw_build
from .cohort import EFFECTS, SampleImage, draw_cohort
from .radiograph import render_radiograph

_ENTRIES = "Data_Entry_2017_v2020.csv"
_ENTRY_HEADER = (
    "Image Index,Finding Labels,Follow-up #,Patient ID,Patient Age,Patient Gender,View Position,"
    "OriginalImage[Width,Height],OriginalImagePixelSpacing[x,y]\n"
)
_BOX_HEADER = "Image Index,Finding Label,Bbox [x,y,w,h],,,\n"
_IMAGE_MM = 430
_SMALLEST = 64

# Shares of the image under a nodule and a mass; what is larger is one of the diffuse findings.
_NODULE, _MASS = 0.004, 0.010
_DIFFUSE = ("Pneumonia", "Infiltrate", "Atelectasis", "Effusion")


@dataclass(frozen=True)
class SampleSummary:
    """What was written.

    `linear_r2` is how much of the images' true lesion ratio a straight line in age, sex and view explains.
    """

    folder: Path
    patients: int
    images: int
    empty_images: int
    lesions: int
    linear_r2: float


@dataclass(frozen=True)
class _Finding:
    label: str
    x: int
    y: int
    width: int
    height: int


def make_sample(folder: Path | str, *, patients: int = 80, size: int = 512, seed: int = 0) -> SampleSummary:
    """Write a synthetic data set; the same arguments give the same bytes.

    Parameters
    ----------
    folder : Path or str
        A new or empty folder. It appears when all is written.
    patients : int
        One to five images each.
    size : int
        Side of the images in pixels.
    seed : int

    Raises
    ------
    InputError
        If the folder is not empty, or a number is out of range.
    OutputError
        If it cannot be written.
    """
    target = Path(folder)
    _check(target, patients, size, seed)
    images = draw_cohort(patients, seed)
    with _beside(target) as place:
        drawn = [_draw(place, image, size, seed) for image in images]
        findings, ratios = [found for found, _ in drawn], [ratio for _, ratio in drawn]
        linear_r2 = _linear_r2(images, ratios)
        _write_tables(place, images, findings, size)
        _write_truth(place, images, ratios, seed, linear_r2)
    empty = sum(not found for found in findings)
    return SampleSummary(target, patients, len(images), empty, sum(map(len, findings)), linear_r2)


def _check(folder: Path, patients: int, size: int, seed: int) -> None:
    if patients < 1 or size < _SMALLEST or seed < 0:
        raise InputError(
            f"a sample needs patients >= 1, size >= {_SMALLEST} and seed >= 0, "
            f"got {patients}, {size} and {seed}"
        )
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise InputError(f"{folder}: this exists and is not an empty folder; name a new one")


@contextmanager
def _beside(target: Path) -> Iterator[Path]:
    """Give a folder beside `target` to fill; on success its content is moved there, and it vanishes."""
    whole = target.resolve()
    place = whole.with_name(f".{whole.name}.part-{os.getpid()}")
    try:
        for name in ("images", MASKS):
            (place / name).mkdir(parents=True)
        yield place
        if not whole.exists():
            place.rename(whole)
            return
        for made in place.iterdir():  # an empty folder stays itself: someone may be working in it
            made.rename(whole / made.name)
    except OSError as error:
        raise OutputError(f"{target}: cannot be written ({error.strerror or error})") from error
    finally:
        shutil.rmtree(place, ignore_errors=True)


def _draw(place: Path, image: SampleImage, size: int, seed: int) -> tuple[list[_Finding], float]:
    """Draw and write one image and its mask; give its findings and its lesion ratio.

    A patient keeps the same build on all images. Each image depends on its own numbers alone.
    """
    build = draw_build(np.random.default_rng([seed, image.patient, 1]), image.sex)
    developed = render_radiograph(
        image, build, size, np.random.default_rng([seed, image.patient, 2, image.follow_up])
    )
    _write_png(place / "images" / image.name, developed.pixels)
    _write_png(place / MASKS / image.name, developed.mask * np.uint8(255))
    found = _find(developed.mask, np.random.default_rng([seed, image.patient, 3, image.follow_up]))
    return found, float(developed.mask.mean())


def _find(mask: Gray, rng: np.random.Generator) -> list[_Finding]:
    """Box each connected part of the mask, in NIH's frame, and name it by its size."""
    scale = FRAME / mask.shape[0]
    _, _, stats, _ = cv2.connectedComponentsWithStats(mask, connectivity=8)
    return [
        _Finding(_label(area / mask.size, rng), *(round(side * scale) for side in (x, y, width, height)))
        for x, y, width, height, area in stats[1:].tolist()
    ]


def _label(share: float, rng: np.random.Generator) -> str:
    if share < _NODULE:
        return "Nodule"
    return "Mass" if share < _MASS and rng.random() < 0.5 else str(rng.choice(_DIFFUSE))


def _write_png(path: Path, pixels: Gray) -> None:
    _, encoded = cv2.imencode(".png", pixels)
    path.write_bytes(encoded.tobytes())


def _write_tables(
    place: Path, images: Iterable[SampleImage], findings: Iterable[list[_Finding]], size: int
) -> None:
    spacing = round(_IMAGE_MM / size, 4)
    with (
        (place / _ENTRIES).open("w", encoding="utf-8", newline="") as entries,
        (place / BOXES).open("w", encoding="utf-8", newline="") as boxes,
    ):
        entries.write(_ENTRY_HEADER)
        boxes.write(_BOX_HEADER)
        entry_rows = csv.writer(entries, lineterminator="\n")
        box_rows = csv.writer(boxes, lineterminator="\n")
        for image, found in zip(images, findings, strict=True):
            labels = {"Infiltration" if one.label == "Infiltrate" else one.label for one in found}
            named = "|".join(sorted(labels)) or NO_FINDING
            person = (image.follow_up, image.patient, image.age, image.sex, image.view)
            entry_rows.writerow((image.name, named, *person, size, size, spacing, spacing))
            box_rows.writerows((image.name, one.label, one.x, one.y, one.width, one.height) for one in found)


def _write_truth(
    place: Path, images: Iterable[SampleImage], ratios: Iterable[float], seed: int, linear_r2: float
) -> None:
    truth = {
        "made_by": "cxr sample",
        "seed": seed,
        "what": "lesion_ratio in per cent is the sum of these effects, 0 where it is below `least`",
        "effects_percent": asdict(EFFECTS),
        "linear_r2": round(linear_r2, 4),
        "lesion_ratio": {image.name: round(ratio, 6) for image, ratio in zip(images, ratios, strict=True)},
    }
    write_json(place / SYNTHETIC, truth)


def _linear_r2(images: Iterable[SampleImage], ratios: Iterable[float]) -> float:
    """Fit the true ratio to age, sex and view: what an analysis can hope to find."""
    causes = np.array([(1, image.age, image.sex == "M", image.view == "AP") for image in images], np.float64)
    ratio = np.array(list(ratios))
    spread = float(((ratio - ratio.mean()) ** 2).sum())
    if spread == 0:
        return 0.0
    weights, *_ = np.linalg.lstsq(causes, ratio, rcond=None)
    return 1 - float(((ratio - causes @ weights) ** 2).sum()) / spread
