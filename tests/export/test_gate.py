"""The gate, tested with two models whose speeds differ by orders of magnitude.

One thresholds the pixels; the other is an untrained U-Net.
"""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import onnx
import pytest
from onnx import TensorProto, numpy_helper

from cxr.data.datasets.records import Record
from cxr.errors import ModelError
from cxr.export.gate import Candidate, Gate, GateError, Outcome, assess
from cxr.export.graph import save_with_card
from cxr.export.run import ExportSummary
from cxr.infer.runtime.session import Session
from cxr.metrics.baselines import BaselineScore
from cxr.metrics.records import ClassMetrics, Interval
from cxr.models.card import ModelCard, Precision
from cxr.models.file.onnx_file import read_card

SIZE = 64


@pytest.fixture(scope="module")
def unet(exported: ExportSummary) -> Session:
    return Session.open(exported.path)


@pytest.fixture(scope="module")
def bright(exported: ExportSummary, tmp_path_factory: pytest.TempPathFactory) -> Session:
    return Session.open(
        threshold_model(tmp_path_factory.mktemp("bright") / "bright.onnx", exported.card, threshold=127.5)
    )


@pytest.fixture(scope="module")
def records(tmp_path_factory: pytest.TempPathFactory) -> list[Record]:
    """Black images with a white disc, the lung; lesion masks are unknown."""
    folder = tmp_path_factory.mktemp("images")
    made = []
    for number in range(3):
        image = np.zeros((SIZE, SIZE), np.uint8)
        cv2.circle(image, (32, 28 + number), 20, 255, -1)
        path = folder / f"{number}.png"
        cv2.imwrite(str(path), image)
        made.append(Record(path.name, path, f"p{number}", {"lung": path, "lesion": None}))
    return made


def threshold_model(path: Path, card: ModelCard, *, threshold: float) -> Path:
    """Write a model that marks, for every class, the pixels above `threshold`."""
    shapes = [["N", channels, SIZE, SIZE] for channels in (1, len(card.classes))]
    graph = onnx.helper.make_graph(
        [
            onnx.helper.make_node("Cast", ["image"], ["gray"], to=TensorProto.FLOAT),
            onnx.helper.make_node("Sub", ["gray", "cut"], ["above"]),
            onnx.helper.make_node("Sigmoid", ["above"], ["one"]),
            onnx.helper.make_node("Concat", ["one"] * len(card.classes), ["probability"], axis=1),
        ],
        "finder",
        [onnx.helper.make_tensor_value_info("image", TensorProto.UINT8, shapes[0])],
        [onnx.helper.make_tensor_value_info("probability", TensorProto.FLOAT, shapes[1])],
        [numpy_helper.from_array(np.array(threshold, np.float32), "cut")],
    )
    model = onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 20)], ir_version=10)
    save_with_card(model, card, path)
    return path


def thresholding(card: ModelCard, *, threshold: float) -> Candidate:
    return Candidate(
        f"above {threshold:g}", lambda path: threshold_model(path, card, threshold=threshold) and None
    )


def copy_of(session: Session) -> Candidate:
    return Candidate("a copy", lambda path: shutil.copyfile(session.path, path) and None)


def never() -> Candidate:
    def write(path: Path) -> None:
        raise AssertionError("tried after one was accepted")

    return Candidate("never", write)


@pytest.mark.parametrize(
    ("drop", "speed_up", "outcome"),
    [
        (0.01, 1.001, Outcome.ACCEPTED),
        (-0.2, 3.0, Outcome.ACCEPTED),
        (0.0101, 3.0, Outcome.LESS_ACCURATE),
        (0.0, 1.0, Outcome.NOT_FASTER),
        (0.5, 0.5, Outcome.NEITHER),
        (float("nan"), 2.0, Outcome.LESS_ACCURATE),
        (0.0, float("nan"), Outcome.NOT_FASTER),
    ],
)
def test_file_is_accepted_only_if_accurate_and_faster(drop: float, speed_up: float, outcome: Outcome) -> None:
    assert assess(drop, speed_up, max_dice_drop=0.01) is outcome


def test_candidates_are_tried_in_order_until_one_is_accepted(
    unet: Session, records: list[Record], tmp_path: Path
) -> None:
    gate = Gate.open(unet, records, Precision.INT8)
    card = unet.card
    candidates = [thresholding(card, threshold=300), thresholding(card, threshold=127.5), never()]
    _, results = gate.select(candidates, tmp_path / "x.onnx")
    assert [(result.name, result.outcome) for result in results] == [
        ("above 300", Outcome.LESS_ACCURATE),
        ("above 127.5", Outcome.ACCEPTED),
    ]
    assert results[0].dice == 0
    assert results[1].dice == 1
    assert all(result.dice_drop == gate.dice - result.dice for result in results)


def test_card_of_the_accepted_file_has_its_own_metrics(
    unet: Session, records: list[Record], tmp_path: Path
) -> None:
    path = tmp_path / "x.onnx"
    gate = Gate.open(unet, records, Precision.INT8)
    card, (result,) = gate.select([thresholding(unet.card, threshold=127.5)], path, calibration_images=96)
    assert read_card(path) == card
    quantization = card.quantization
    assert card.precision is Precision.INT8
    assert quantization is not None
    assert (quantization.method, quantization.calibration_images, quantization.provider) == (
        "above 127.5",
        96,
        "cpu",
    )
    assert (quantization.dice_drop, quantization.speed_up) == (result.dice_drop, result.speed_up)
    lung = card.metrics["lung"]
    assert lung.positives == 3
    assert lung.dice is not None
    assert lung.dice.value == 1
    assert card.metrics["lesion"].positives == 0
    unchanged = replace(card, precision=Precision.FP32, quantization=None, metrics=unet.card.metrics)
    assert unchanged == unet.card


def test_metrics_by_source_are_those_of_the_accepted_file(
    unet: Session, records: list[Record], tmp_path: Path
) -> None:
    card = replace(unet.card, metrics=_half_right(), metrics_by_source={"first": _half_right()})
    save_with_card(onnx.load(unet.path), card, tmp_path / "reference.onnx")
    reference = Session.open(tmp_path / "reference.onnx")
    sources = dict(zip((record.key for record in records), ("first", "second", "second"), strict=True))
    candidates = [thresholding(card, threshold=127.5)]
    grouped, _ = Gate.open(reference, records, Precision.INT8, sources=sources).select(
        candidates, tmp_path / "grouped.onnx"
    )
    found = {
        source: {name: (one.positives, one.dice and one.dice.value) for name, one in classes.items()}
        for source, classes in grouped.metrics_by_source.items()
    }
    assert found == {"first": {"lung": (1, 1)}, "second": {"lung": (2, 1)}}
    unknown, _ = Gate.open(reference, records, Precision.INT8).select(candidates, tmp_path / "unknown.onnx")
    assert unknown.metrics_by_source == {}


def test_metrics_of_other_images_stay_if_the_caller_says_so(
    unet: Session, records: list[Record], tmp_path: Path
) -> None:
    card = replace(unet.card, metrics=_half_right(), metrics_by_source={"first": _half_right()})
    save_with_card(onnx.load(unet.path), card, tmp_path / "reference.onnx")
    reference = Session.open(tmp_path / "reference.onnx")
    gate = Gate.open(reference, records, Precision.INT8, keeps_metrics=True)
    kept, (result,) = gate.select([thresholding(card, threshold=127.5)], tmp_path / "x.onnx")
    assert (kept.metrics, kept.metrics_by_source) == (card.metrics, card.metrics_by_source)
    assert kept.quantization is not None
    assert kept.quantization.dice_drop == result.dice_drop == gate.dice - 1


def _half_right() -> dict[str, ClassMetrics]:
    return {"lung": ClassMetrics(9, 0, dice=Interval(0.5, 0.4, 0.6))}


def test_candidate_is_compared_with_the_baselines_anew(
    unet: Session, records: list[Record], tmp_path: Path
) -> None:
    baselines = [
        BaselineScore(record.key, record.patient_id, "lung", "mean mask", 0.25) for record in records
    ]
    elsewhere = BaselineScore("other.png", "p9", "lung", "mean mask", 1.0)
    gate = Gate.open(unet, records, Precision.INT8, baselines=[*baselines, elsewhere])
    card, _ = gate.select([thresholding(unet.card, threshold=127.5)], tmp_path / "x.onnx")
    (compared,) = card.baselines["lung"]
    assert (compared.images, compared.dice.value, compared.difference.value) == (3, 0.25, 0.75)


def test_error_holds_all_results_and_names_the_best_candidate(
    unet: Session, bright: Session, records: list[Record], tmp_path: Path
) -> None:
    gate = Gate.open(bright, records, Precision.INT8, max_dice_drop=0.02)
    with pytest.raises(GateError, match=r"best of 2 candidates on cpu \(a copy\) has Dice 0\.") as caught:
        gate.select([thresholding(bright.card, threshold=300), copy_of(unet)], tmp_path / "x.onnx")
    message, results = str(caught.value), caught.value.results
    assert [result.name for result in results] == ["above 300", "a copy"]
    assert results[1].outcome is Outcome.NEITHER
    assert results[1].speed_up < 1
    assert "fp32 has 1.0000 (allowed loss 0.02)" in message
    assert "fp16" not in message


def test_error_for_slow_fp16_on_the_cpu_recommends_a_gpu(
    unet: Session, bright: Session, records: list[Record], tmp_path: Path
) -> None:
    gate = Gate.open(bright, records, Precision.FP16)
    with pytest.raises(GateError, match=r"candidates on cpu.*fp16 is for GPUs.*--provider cuda"):
        gate.select([copy_of(unet)], tmp_path / "x.onnx")


def test_gate_needs_ground_truth(unet: Session, records: list[Record]) -> None:
    unknown = [replace(record, masks={"lung": None, "lesion": None}) for record in records]
    absent = [replace(record, masks={"lung": (), "lesion": ()}) for record in records]
    for split in (unknown, absent, []):
        with pytest.raises(ModelError, match="no validation image shows lung or lesion"):
            Gate.open(unet, split, Precision.INT8)
