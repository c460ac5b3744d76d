"""The files of an evaluation; those that no evaluation wrote are never replaced."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import msgspec

from ...errors import OutputError
from ...machine.files import check_output_file, make_folder, write_json, write_text
from ...machine.packages import versions
from .records import ClassEvaluation, Evaluation
from .tables import SCORES, SUMMARY, write_image_scores, write_summary

RECORD, PAGE = "evaluation.json", "evaluation.html"
FILES = (SCORES, SUMMARY, RECORD, PAGE)
KIND = "evaluate"

_PACKAGES = ("cxr", "numpy", "opencv-python-headless", "onnxruntime", "onnxruntime-gpu", "openvino")


@dataclass(frozen=True)
class Identity:
    """What an evaluation is of: another one is never replaced without being told to."""

    model: str
    dataset: str
    selection: Mapping[str, Any]
    thresholds: Mapping[str, float]


class _Record(msgspec.Struct):
    """The fields by which an evaluation.json is recognized."""

    kind: str
    identity: dict[str, Any]


def check_outputs(out: Path, identity: Identity, *, overwrite: bool) -> None:
    """Check that a folder holds nothing that must not be replaced.

    Raises
    ------
    OutputError
        If it holds files of these names that no evaluation wrote, or another evaluation and not `overwrite`.
    """
    existing = [name for name in FILES if os.path.lexists(out / name)]
    earlier = _read(out / RECORD)
    if earlier is None:
        if existing:
            raise OutputError(
                f"{out / existing[0]}: exists already, but not from cxr evaluate, so it is not overwritten; "
                "move it away, or choose another --out"
            )
        return
    different = [name for name, value in asdict(identity).items() if earlier.identity.get(name) != value]
    if different and not overwrite:
        raise OutputError(
            f"{out / RECORD}: is of an evaluation with another {', '.join(different)}; choose another --out, "
            "or give --overwrite"
        )


def check_model_copy(path: Path, model: Path, *, overwrite: bool) -> None:
    """Check that a copy of a model can be written.

    Raises
    ------
    OutputError
        If the path is that of the model, exists already and not `overwrite`, or cannot be written.
    """
    check_output_file(path)
    if not path.exists():
        return
    if path.samefile(model):
        raise OutputError(f"{path}: is the evaluated model itself; name another file")
    if not overwrite:
        raise OutputError(f"{path}: exists already; name another file, or give --overwrite")


def write_outputs(
    out: Path, evaluation: Evaluation, identity: Identity, page: str, facts: Mapping[str, Any]
) -> None:
    """Write the tables, the page and, last, the record.

    Parameters
    ----------
    out : Path
    evaluation : Evaluation
    identity : Identity
    page : str
        HTML.
    facts : mapping
        What the record holds besides: see `run`.
    """
    make_folder(out)
    write_image_scores(out / SCORES, evaluation.results)
    write_summary(out / SUMMARY, evaluation.metrics)
    write_text(out / PAGE, page)
    record = {
        "kind": KIND,
        "identity": asdict(identity),
        **facts,
        "provider": evaluation.provider,
        "images": evaluation.images,
        "in_training": evaluation.in_training,
        "classes": [_class_record(one) for one in evaluation.classes],
        "metrics": [asdict(one) for one in evaluation.metrics],
        "warnings": list(evaluation.warnings),
        "versions": versions(_PACKAGES),
        "files": list(FILES),
        "seconds": evaluation.seconds,
    }
    write_json(out / RECORD, _strict(record))


def _class_record(one: ClassEvaluation) -> dict[str, Any]:
    return {
        "class": one.pair.name,
        "ground_truth": one.pair.truth,
        "second_reader": one.pair.second,
        "images": one.images,
        "positives": one.positives,
        "patients": one.patients,
        "threshold": one.threshold,
        "best_threshold": one.best_threshold,
        "curve": [asdict(point) for point in one.curve],
    }


def _strict(value: Any) -> Any:
    """Replace numbers that JSON lacks by null."""
    if isinstance(value, dict):
        return {key: _strict(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_strict(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _read(path: Path) -> _Record | None:
    """Read a record; None if it is missing, or is another program's file of that name."""
    try:
        record = msgspec.convert(json.loads(path.read_bytes()), _Record)
    except (OSError, ValueError):
        return None
    return record if record.kind == KIND else None
