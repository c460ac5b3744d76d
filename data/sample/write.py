"""Write the synthetic sample: a small data set in the NIH layout, with pixel masks and known effects."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

import cv2
import numpy as np

from ...errors import InputError, OutputError
from ...machine.files import write_json, write_text
from ..csv_files import csv_line
from ..datasets.nih_layout import BOX_FRAME, BOXES, MASKS, NO_FINDING, SYNTHETIC
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
_MIN_SIZE = 64

# The largest fraction of the image that a nodule and a mass cover; larger opacities get a diffuse finding.
_NODULE, _MASS = 0.004, 0.010
_DIFFUSE = ("Pneumonia", "Infiltrate", "Atelectasis", "Effusion")


@dataclass(frozen=True)
class SampleSummary:
    """What was written.

    `linear_r2` is the R² of a linear model of the true lesion ratio on age, sex and view.
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
        A new or empty folder. Its content appears once everything is written.
    patients : int
        Number of patients; each has one to five images.
    size : int
        Width and height of the images in pixels.
    seed : int

    Raises
    ------
    InputError
        If the folder is not empty, or a number is out of range.
    OutputError
        If the folder cannot be written.
    """
    target = Path(folder)
    _check(target, patients, size, seed)
    images = draw_cohort(patients, seed)
    with _filling(target) as temporary:
        drawn = [_draw(temporary, image, size, seed) for image in images]
        findings, ratios = [boxes for boxes, _ in drawn], [ratio for _, ratio in drawn]
        linear_r2 = _linear_r2(images, ratios)
        _write_tables(temporary, images, findings, size)
        _write_truth(temporary, images, ratios, seed, linear_r2)
    empty = sum(not boxes for boxes in findings)
    return SampleSummary(target, patients, len(images), empty, sum(map(len, findings)), linear_r2)


def _check(folder: Path, patients: int, size: int, seed: int) -> None:
    if patients < 1 or size < _MIN_SIZE or seed < 0:
        raise InputError(
            f"a sample needs patients >= 1, size >= {_MIN_SIZE} and seed >= 0, "
            f"got {patients}, {size} and {seed}"
        )
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise InputError(f"{folder}: this exists and is not an empty folder; choose a new one")


@contextmanager
def _filling(target: Path) -> Iterator[Path]:
    """Yield a temporary folder next to `target`; on success its content moves to `target`."""
    final = target.resolve()
    temporary = final.with_name(f".{final.name}.part-{os.getpid()}")
    try:
        for name in ("images", MASKS):
            (temporary / name).mkdir(parents=True)
        yield temporary
        if not final.exists():
            temporary.rename(final)
            return
        for entry in temporary.iterdir():  # an existing folder is not replaced: it may be in use
            entry.rename(final / entry.name)
    except OSError as error:
        raise OutputError(f"{target}: cannot be written ({error.strerror or error})") from error
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def _draw(folder: Path, image: SampleImage, size: int, seed: int) -> tuple[list[_Finding], float]:
    """Draw and write one image and its mask; return its findings and its lesion ratio.

    A patient has the same build in all images. Each image has its own random numbers, independent of the
    others.
    """
    build = draw_build(np.random.default_rng([seed, image.patient, 1]), image.sex)
    rendered = render_radiograph(
        image, build, size, np.random.default_rng([seed, image.patient, 2, image.follow_up])
    )
    _write_png(folder / "images" / image.name, rendered.pixels)
    _write_png(folder / MASKS / image.name, rendered.mask * np.uint8(255))
    findings = _find(rendered.mask, np.random.default_rng([seed, image.patient, 3, image.follow_up]))
    return findings, float(rendered.mask.mean())


def _find(mask: Gray, rng: np.random.Generator) -> list[_Finding]:
    """Return a box around each connected component, in pixels of NIH's boxes, labeled by its size."""
    scale = BOX_FRAME / mask.shape[0]
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
    folder: Path, images: Iterable[SampleImage], findings: Iterable[list[_Finding]], size: int
) -> None:
    spacing = round(_IMAGE_MM / size, 4)
    entries, boxes = [_ENTRY_HEADER], [_BOX_HEADER]  # as NIH writes them: no CSV writer would
    for image, found in zip(images, findings, strict=True):
        labels = {"Infiltration" if one.label == "Infiltrate" else one.label for one in found}
        named = "|".join(sorted(labels)) or NO_FINDING
        person = (image.follow_up, image.patient, image.age, image.sex, image.view)
        entries.append(csv_line((image.name, named, *person, size, size, spacing, spacing)))
        boxes += [csv_line((image.name, one.label, one.x, one.y, one.width, one.height)) for one in found]
    write_text(folder / _ENTRIES, "".join(entries))
    write_text(folder / BOXES, "".join(boxes))


def _write_truth(
    folder: Path, images: Iterable[SampleImage], ratios: Iterable[float], seed: int, linear_r2: float
) -> None:
    truth = {
        "made_by": "cxr sample",
        "seed": seed,
        "what": "lesion_ratio in per cent is the sum of these effects, 0 where it is below `least`",
        "effects_percent": asdict(EFFECTS),
        "linear_r2": round(linear_r2, 4),
        "lesion_ratio": {image.name: round(ratio, 6) for image, ratio in zip(images, ratios, strict=True)},
    }
    write_json(folder / SYNTHETIC, truth)


def _linear_r2(images: Iterable[SampleImage], ratios: Iterable[float]) -> float:
    """Compute the R² of a linear fit of the true ratio to age, sex and view: what an analysis can reach."""
    causes = np.array([(1, image.age, image.sex == "M", image.view == "AP") for image in images], np.float64)
    ratio = np.array(list(ratios))
    total = float(((ratio - ratio.mean()) ** 2).sum())
    if total == 0:
        return 0.0
    weights, *_ = np.linalg.lstsq(causes, ratio, rcond=None)
    return 1 - float(((ratio - causes @ weights) ** 2).sum()) / total
