"""The files of an evaluation; those that no evaluation wrote are never replaced."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import msgspec

from ...errors import OutputError
from ...machine.files import check_output_file, make_folder, write_json, write_text
from ...machine.packages import versions
from ...models.file.onnx_file import read_onnx
from .records import ClassEvaluation, Evaluation
from .tables import SCORES, SUMMARY, write_image_scores, write_summary

RECORD, PAGE = "evaluation.json", "evaluation.html"
FILES = (SCORES, SUMMARY, RECORD, PAGE)
KIND = "evaluate"

PACKAGES = ("cxr", "numpy", "opencv-python-headless", "onnxruntime", "onnxruntime-gpu", "openvino")


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
    """Create the folder if there is none; check that it can be written and holds nothing of others.

    Raises
    ------
    OutputError
        If it cannot be written, or holds files of these names that no evaluation wrote, or another evaluation
        and not `overwrite`.
    """
    check_output_file(make_folder(out) / RECORD)
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
        If the path is that of the model, exists already and not `overwrite`, or cannot be written; or if the
        model has tensors in other files, which a copy elsewhere would lack.
    """
    check_output_file(path)
    if external := read_onnx(model).external:
        raise OutputError(
            f"{path}: cannot be written: {model} has tensors in other files ({external[0]}); "
            "save it as one file first"
        )
    if not path.exists():
        return
    if path.samefile(model):
        raise OutputError(f"{path}: is the evaluated model itself; name another file")
    if not overwrite:
        raise OutputError(f"{path}: exists already; name another file, or give --overwrite")


def write_outputs(
    out: Path, evaluation: Evaluation, identity: Identity, page: str, facts: Mapping[str, Any]
) -> None:
    """Write the record, by which the folder of a run that is cut short is recognized, then the others.

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
        "versions": versions(PACKAGES),
        "files": list(FILES),
        "seconds": evaluation.seconds,
    }
    write_json(out / RECORD, record)
    write_image_scores(out / SCORES, evaluation.results)
    write_summary(out / SUMMARY, evaluation.metrics)
    write_text(out / PAGE, page)


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


def _read(path: Path) -> _Record | None:
    """Read a record; None if it is missing, or is another program's file of that name."""
    try:
        record = msgspec.convert(json.loads(path.read_bytes()), _Record)
    except (OSError, ValueError):
        return None
    return record if record.kind == KIND else None
