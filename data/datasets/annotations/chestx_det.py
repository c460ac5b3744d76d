"""ChestX-Det: polygons of 13 findings that radiologists drew on 3,578 images of NIH ChestX-ray14.

Lian et al. 2021, "A Structure-Aware Relation Network for Thoracic Diseases Detection and Segmentation",
arXiv:2104.10326; https://github.com/Deepwise-AILab/ChestX-Det-Dataset, Apache-2.0. Its images have names of
their own; a table in this package gives the NIH name of 3,543 of them (`tables/README.md`).
"""

from __future__ import annotations

import csv
import gzip
from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec

from ....errors import InputError
from ..class_names import class_name_of
from ..nih_name import nih_patient
from ..polygons import polygon_of
from ..shapes import Polygon
from .json_file import read_json
from .records import Annotations

FINDINGS = (
    "atelectasis",
    "calcification",
    "cardiomegaly",
    "consolidation",
    "diffuse_nodule",
    "effusion",
    "emphysema",
    "fibrosis",
    "fracture",
    "mass",
    "nodule",
    "pleural_thickening",
    "pneumothorax",
)
GROUPS: Mapping[str, tuple[str, ...]] = {
    "opacity": ("atelectasis", "consolidation", "diffuse_nodule", "fibrosis", "mass", "nodule"),
}
"""Classes that are the union of several findings."""

DEFAULT = "opacity"
LICENSE = "annotations: ChestX-Det (Deepwise AILab), Apache-2.0"

_FILES = ("ChestX_Det_train.json", "ChestX_Det_test.json")
_FRAME = (1024, 1024)
_NAMES = Path(__file__).parents[1] / "tables" / "chestx_det_nih_names.csv.gz"


class _Image(msgspec.Struct):
    file_name: str
    syms: list[str]
    polygons: Any = "[]"


def find_chestx_det(root: Path) -> tuple[Path, ...]:
    """Find the JSON files in a data set's folder.

    Raises
    ------
    InputError
        If there is none.
    """
    found = [next(filter(Path.is_file, (root / name, root / f"{name}.gz")), None) for name in _FILES]
    if not any(found):
        raise InputError(
            f"{root}: contains none of {', '.join(_FILES)} (or .gz); put them there, or give --annotations "
            "(from https://github.com/Deepwise-AILab/ChestX-Det-Dataset)"
        )
    return tuple(path for path in found if path is not None)


def read_chestx_det(paths: Sequence[Path]) -> Annotations:
    """Read the polygons of ChestX-Det, by NIH file name.

    The radiologists looked for all findings, so one that has no polygon in an image is absent from it.

    Raises
    ------
    InputError
        If a file cannot be read, is not of this form, or lists an image twice.
    """
    names = read_nih_names()
    images: dict[str, dict[str, tuple[Polygon, ...]]] = {}
    unknown: list[str] = []
    for path in paths:
        for number, entry in enumerate(read_json(path, list[_Image], "ChestX-Det's list of images")):
            name = names.get(entry.file_name)
            if name is None and nih_patient(entry.file_name) is not None:
                name = entry.file_name  # the first edition had NIH names
            if name is None:
                unknown.append(entry.file_name)
            elif name in images:
                raise InputError(f"{path}: {entry.file_name} is listed twice; give every file once")
            else:
                images[name] = _with_groups(_by_finding(f"{path}: entry {number}", entry))
    notes: list[str] = []
    if unknown:
        notes.append(f"{len(unknown)} images of ChestX-Det have no known NIH name, such as {unknown[0]}")
    return Annotations(tuple(paths), (*FINDINGS, *GROUPS), images, LICENSE, tuple(notes))


def read_nih_names() -> dict[str, str]:
    """Return the NIH file names of ChestX-Det's images, by their own."""
    with gzip.open(_NAMES, "rt", encoding="utf-8", newline="") as file:
        lines = (line for line in file if not line.startswith("#"))
        return {row["chestx_det_name"]: row["nih_image_index"] for row in csv.DictReader(lines)}


def _by_finding(where: str, entry: _Image) -> dict[str, tuple[Polygon, ...]]:
    found: defaultdict[str, list[Polygon]] = defaultdict(list)
    try:
        for label, points in zip(entry.syms, _lists_of_points(entry), strict=True):
            found[_finding(label)].append(polygon_of(points, _FRAME))
    except (InputError, msgspec.MsgspecError, RecursionError) as error:
        raise InputError(f"{where} ({entry.file_name}): {error}") from error
    return {name: tuple(found[name]) for name in FINDINGS}


def _lists_of_points(entry: _Image) -> list[Any]:
    """Return the points of each polygon; as published, they are JSON within JSON."""
    polygons = entry.polygons
    if isinstance(polygons, str):
        polygons = msgspec.json.decode(polygons)
    if not isinstance(polygons, list) or len(polygons) != len(entry.syms):
        raise InputError("there must be one polygon for each of its syms")
    return polygons


def _finding(label: str) -> str:
    name = class_name_of(label)
    if name not in FINDINGS:
        raise InputError(f"{label!r} is none of ChestX-Det's findings: {', '.join(FINDINGS)}")
    return name


def _with_groups(found: dict[str, tuple[Polygon, ...]]) -> dict[str, tuple[Polygon, ...]]:
    groups = {
        group: tuple(polygon for name in members for polygon in found[name])
        for group, members in GROUPS.items()
    }
    return found | groups
