"""The gate, shown with two models that differ so much in speed that no clock can confuse them.

One finds what is bright, in a single multiplication; the other is a U-Net, which was never trained to.
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
from cxr.export.gate import Candidate, Gate, GateError, Verdict, verdict
from cxr.export.graph import save_with_card
from cxr.export.run import ExportSummary
from cxr.infer.runtime.session import Session
from cxr.models.card import ModelCard, Precision
from cxr.models.onnx_file import read_card

SIZE = 64


@pytest.fixture(scope="module")
def unet(exported: ExportSummary) -> Session:
    return Session.open(exported.path)


@pytest.fixture(scope="module")
def bright(exported: ExportSummary, tmp_path_factory: pytest.TempPathFactory) -> Session:
    return Session.open(finder(tmp_path_factory.mktemp("bright") / "bright.onnx", exported.card, cut=127.5))


@pytest.fixture(scope="module")
def records(tmp_path_factory: pytest.TempPathFactory) -> list[Record]:
    """Black images with a white disc, which is the lung; of lesions nothing is known."""
    folder = tmp_path_factory.mktemp("images")
    made = []
    for number in range(3):
        image = np.zeros((SIZE, SIZE), np.uint8)
        cv2.circle(image, (32, 28 + number), 20, 255, -1)
        path = folder / f"{number}.png"
        cv2.imwrite(str(path), image)
        made.append(Record(path.name, path, f"p{number}", {"lung": path, "lesion": None}))
    return made


def finder(path: Path, card: ModelCard, *, cut: float) -> Path:
    """A model that says, for every class, whether a pixel is above `cut`."""
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
        [numpy_helper.from_array(np.array(cut, np.float32), "cut")],
    )
    model = onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 20)], ir_version=10)
    save_with_card(model, card, path)
    return path


def finds(card: ModelCard, *, cut: float) -> Candidate:
    return Candidate(f"above {cut:g}", lambda path: finder(path, card, cut=cut) and None)


def copy_of(session: Session) -> Candidate:
    return Candidate("a copy", lambda path: shutil.copyfile(session.path, path) and None)


def never() -> Candidate:
    def write(path: Path) -> None:
        raise AssertionError("tried after one had passed")

    return Candidate("never", write)


@pytest.mark.parametrize(
    ("drop", "speed_up", "says"),
    [
        (0.01, 1.001, Verdict.KEPT),
        (-0.2, 3.0, Verdict.KEPT),
        (0.0101, 3.0, Verdict.WORSE),
        (0.0, 1.0, Verdict.SLOWER),
        (0.5, 0.5, Verdict.BOTH),
        (float("nan"), 2.0, Verdict.WORSE),
        (0.0, float("nan"), Verdict.SLOWER),
    ],
)
def test_a_file_is_kept_only_if_it_is_good_and_fast(drop: float, speed_up: float, says: Verdict) -> None:
    assert verdict(drop, speed_up, max_dice_drop=0.01) is says


def test_candidates_are_tried_in_order_until_one_passes(
    unet: Session, records: list[Record], tmp_path: Path
) -> None:
    gate = Gate.open(unet, records, Precision.INT8)
    card = unet.card
    candidates = [finds(card, cut=300), finds(card, cut=127.5), never()]
    _, trials = gate.first_that_passes(candidates, tmp_path / "x.onnx")
    assert [(trial.name, trial.verdict) for trial in trials] == [
        ("above 300", Verdict.WORSE),
        ("above 127.5", Verdict.KEPT),
    ]
    assert trials[0].dice == 0
    assert trials[1].dice == 1
    assert all(trial.dice_drop == gate.dice - trial.dice for trial in trials)


def test_card_of_the_file_carries_both_figures_and_metrics_of_its_own(
    unet: Session, records: list[Record], tmp_path: Path
) -> None:
    path = tmp_path / "x.onnx"
    gate = Gate.open(unet, records, Precision.INT8)
    card, (trial,) = gate.first_that_passes([finds(unet.card, cut=127.5)], path, calibration_images=96)
    assert read_card(path) == card
    figures = card.quantization
    assert card.precision is Precision.INT8
    assert figures is not None
    assert (figures.method, figures.calibration_images, figures.provider) == ("above 127.5", 96, "cpu")
    assert (figures.dice_drop, figures.speed_up) == (trial.dice_drop, trial.speed_up)
    lung = card.metrics["lung"]
    assert lung.positives == 3
    assert lung.dice is not None
    assert lung.dice.value == 1
    assert card.metrics["lesion"].positives == 0
    unchanged = replace(card, precision=Precision.FP32, quantization=None, metrics=unet.card.metrics)
    assert unchanged == unet.card


def test_where_none_passes_the_error_has_every_trial_and_names_the_nearest(
    unet: Session, bright: Session, records: list[Record], tmp_path: Path
) -> None:
    gate = Gate.open(bright, records, Precision.INT8, max_dice_drop=0.02)
    with pytest.raises(GateError, match=r"of 2 tried on cpu, the nearest \(a copy\) has Dice 0\.") as refused:
        gate.first_that_passes([finds(bright.card, cut=300), copy_of(unet)], tmp_path / "x.onnx")
    words, trials = str(refused.value), refused.value.trials
    assert [trial.name for trial in trials] == ["above 300", "a copy"]
    assert trials[1].verdict is Verdict.BOTH
    assert trials[1].speed_up < 1
    assert "fp32 has 1.0000 (it may lose 0.02)" in words
    assert "fp16" not in words


def test_fp16_that_gains_nothing_on_the_cpu_is_told_to_try_a_gpu(
    unet: Session, bright: Session, records: list[Record], tmp_path: Path
) -> None:
    gate = Gate.open(bright, records, Precision.FP16)
    with pytest.raises(GateError, match=r"tried on cpu.*fp16 is for GPUs.*--provider cuda"):
        gate.first_that_passes([copy_of(unet)], tmp_path / "x.onnx")


def test_without_any_truth_the_gate_cannot_be_held(unet: Session, records: list[Record]) -> None:
    nothing_known = [replace(record, masks={"lung": None, "lesion": None}) for record in records]
    nothing_there = [replace(record, masks={"lung": (), "lesion": ()}) for record in records]
    for split in (nothing_known, nothing_there, []):
        with pytest.raises(ModelError, match="no validation image shows lung or lesion"):
            Gate.open(unet, split, Precision.INT8)
