"""A model on a small labeled data set, drawn so that the model finds known masks.

The model's lesion are pixels from 180 on, its lung pixels from 90 on; images have its input size.
"""

from __future__ import annotations

import csv
import json
import math
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import onnx
import pytest

from cxr.data.datasets.splits import Split, Subset
from cxr.data.decode.reader import read_image
from cxr.data.image import Gray
from cxr.data.sample.write import make_sample
from cxr.errors import CxrError, InputError, ModelError, OutputError
from cxr.infer.evaluate import outputs
from cxr.infer.evaluate.examples import Kind, choose_examples
from cxr.infer.evaluate.records import (
    MODEL_AGAINST_SECOND,
    MODEL_WITH_BOTH_READERS,
    SECOND_READER,
    Evaluation,
    Metric,
)
from cxr.infer.evaluate.run import evaluate_model
from cxr.infer.evaluate.summary import minus
from cxr.infer.runtime.session import Session
from cxr.metrics.overlap import class_metrics, score
from cxr.models.card import LungReference, ModelCard
from cxr.models.file.onnx_file import read_card
from cxr.models.file.verify import verify_model
from cxr.models.fingerprint import Fingerprint, hash_pixels
from cxr.models.image_checks import UncertaintyReference
from cxr.models.trivial_masks import Baseline

MakeModel = Callable[..., Path]
CardOf = Callable[..., ModelCard]
ReadTable = Callable[[Path], list[dict[str, str]]]


Rectangle = tuple[int, int, int, int]
SIZE = 64


@dataclass(frozen=True)
class Labeled:
    """One image: where the model finds lesions, and what its readers drew (None: not read)."""

    name: str
    patient: str
    found: Sequence[Rectangle] = ()
    lesion: Sequence[Rectangle] | None = ()
    second: Sequence[Rectangle] | None = None
    lung: Sequence[Rectangle] | None = ((5, 4, 50, 20), (5, 38, 50, 20))
    source: str = "one"
    fold: int = 0


LUNG: Sequence[Rectangle] = ((6, 4, 50, 20), (5, 40, 50, 20))
"""Where the model finds lungs on every image."""

IMAGES = (
    Labeled("a.png", "p1", [(10, 8, 10, 10)], [(10, 8, 10, 10)], [(11, 8, 10, 10)]),
    Labeled("b.png", "p1", [(10, 8, 10, 10)], [(14, 8, 10, 10)], [(14, 8, 10, 10)], fold=1),
    Labeled("c.png", "p2", [(20, 42, 8, 8), (40, 8, 6, 6)], [(20, 42, 8, 12)], source="two"),
    Labeled("d.png", "p3", [], [(30, 10, 5, 5)], source="two", fold=1),
    Labeled("e.png", "p4", [], [], lung=None),
    Labeled("f.png", "p5", [(12, 42, 4, 4)], [], source="two"),
    Labeled("g.png", "p6", [(12, 42, 9, 9)], None),
    Labeled("h.png", "p7", [(12, 10, 9, 9)], [(12, 10, 9, 9)], fold=1),
)


def mask_of(rectangles: Sequence[Rectangle]) -> Gray:
    mask = np.zeros((SIZE, SIZE), np.uint8)
    for row, column, height, width in rectangles:
        mask[row : row + height, column : column + width] = 1
    return mask


def image_of(one: Labeled) -> Gray:
    pixels = np.broadcast_to(np.linspace(10, 50, SIZE, dtype=np.uint8), (SIZE, SIZE)).copy()
    pixels[mask_of(LUNG) > 0] = 120
    pixels[mask_of(one.found) > 0] = 250
    return pixels


WriteSet = Callable[..., Path]


@pytest.fixture(scope="session")
def write_set(tmp_path_factory: pytest.TempPathFactory) -> WriteSet:
    """Give a function that writes a data set in the index.csv layout."""

    def write(images: Sequence[Labeled] = IMAGES) -> Path:
        root = tmp_path_factory.mktemp("labeled")
        masks = ("lesion", "lung", "lesion_2")
        with (root / "index.csv").open("w", newline="") as file:
            table = csv.writer(file)
            table.writerow(["image", *(f"mask_{name}" for name in masks), "patient_id", "source", "fold"])
            for one in images:
                cv2.imwrite(str(root / one.name), image_of(one))
                cells = []
                for name, drawn in zip(masks, (one.lesion, one.lung, one.second), strict=True):
                    cell = "" if drawn is None else f"{name}-{one.name}"
                    if drawn is not None:
                        cv2.imwrite(str(root / cell), mask_of(drawn) * 255)
                    cells.append(cell)
                table.writerow([one.name, *cells, one.patient, one.source, one.fold])
        return root

    return write


@pytest.fixture(scope="session")
def labeled(write_set: WriteSet) -> Path:
    """Eight images of seven patients."""
    return write_set()


def evaluate(model: Path | Session, root: Path, **settings: Any) -> Evaluation:
    return evaluate_model(model, root, **{"provider": "cpu", "threads": 1, "out": None, **settings})


def figure(evaluation: Evaluation, *names: str, **settings: Any) -> Metric:
    found = evaluation.metric(*names, **settings)
    assert found is not None
    return found


def dice(first: Sequence[tuple[int, ...]], second: Sequence[tuple[int, ...]]) -> float:
    a, b = mask_of(first), mask_of(second)  # type: ignore[arg-type]
    return float(2 * (a & b).sum() / (a.sum() + b.sum()))


@pytest.fixture(scope="module")
def evaluated(model: Path, labeled: Path, tmp_path_factory: pytest.TempPathFactory) -> Evaluation:
    out = tmp_path_factory.mktemp("out") / "evaluation"
    return evaluate(
        model, labeled, out=out, by="source", second_readers={"lesion": "mask_lesion_2"}, threads=2
    )


def test_every_image_and_class_with_known_masks_has_a_row(
    evaluated: Evaluation, read_table: ReadTable
) -> None:
    assert evaluated.out is not None
    rows = read_table(evaluated.out / "scores.csv")
    expected = [
        (one.name, name)
        for one in IMAGES
        for name, drawn in (("lesion", one.lesion), ("lung", one.lung))
        if drawn is not None
    ]
    assert [(row["image"], row["class"]) for row in rows] == expected
    for one in IMAGES:
        (lesion,) = [row for row in rows if (row["image"], row["class"]) == (one.name, "lesion")] or [None]
        if lesion is None:
            continue
        assert lesion["predicted_area"] == str(mask_of(one.found).sum())
        assert lesion["dice"] == ("" if not one.lesion else str(round(dice(one.lesion, one.found), 6)))


def test_summary_equals_the_scores_of_training(evaluated: Evaluation) -> None:
    """The same figures and intervals as `class_metrics`, which the model card holds."""
    scores = [
        score(
            mask_of(one.lesion),
            mask_of(one.found),
            key=one.name,
            patient_id=one.patient,
            class_name="lesion",
        )
        for one in IMAGES
        if one.lesion is not None
    ]
    expected = class_metrics(scores)
    assert figure(evaluated, "lesion", "dice").interval == expected.dice
    assert figure(evaluated, "lesion", "iou").interval == expected.iou
    assert figure(evaluated, "lesion", "specificity").interval == expected.specificity
    assert figure(evaluated, "lesion", "specificity").images == 2


def test_dice_on_all_images_counts_an_empty_prediction_as_right(evaluated: Evaluation) -> None:
    values = [
        dice(one.lesion, one.found) if one.lesion else float(not one.found)
        for one in IMAGES
        if one.lesion is not None
    ]
    assert figure(evaluated, "lesion", "dice_all").interval.value == pytest.approx(np.mean(values))


def test_surface_distances_are_per_mille_of_the_height(evaluated: Evaluation) -> None:
    """Only where both masks exist: image d has no prediction, and counts as missed."""
    metric = figure(evaluated, "lesion", "hd95")
    assert (metric.unit, metric.images) == ("per mille of the height", 4)
    assert figure(evaluated, "lesion", "missed").interval.value == pytest.approx(1 / 5)
    assert any("nothing is predicted on 1 of 5 images" in line for line in evaluated.warnings)


def test_lesions_are_matched_and_counted(evaluated: Evaluation, read_table: ReadTable) -> None:
    assert evaluated.out is not None
    rows = {row["image"]: row for row in read_table(evaluated.out / "scores.csv") if row["class"] == "lesion"}
    assert (rows["c.png"]["truth_count"], rows["c.png"]["predicted_count"]) == ("1", "2")
    assert [rows["c.png"][f"matched_{limit}"] for limit in ("0.1", "0.3", "0.5")] == ["1", "1", "1"]
    # a, b, c, h are found at IoU 0.3 and above; 5 lesions are drawn, 6 components are predicted.
    assert figure(evaluated, "lesion", "lesion_f1_0.3").interval.value == pytest.approx(2 * 4 / 11)
    assert figure(evaluated, "lesion", "count_bias").interval.value == pytest.approx(1 / 7)
    assert evaluated.metric("lung", "lesion_f1_0.3") is None
    assert evaluated.metric("lung", "count_bias") is None
    bias = figure(evaluated, "lung", "ratio_bias").interval.value
    assert bias == pytest.approx(float(mask_of(LUNG).mean() - mask_of(IMAGES[0].lung or ()).mean()))


def test_trivial_predictions_stand_beside_the_model(evaluated: Evaluation) -> None:
    empty = figure(evaluated, "lesion", "dice", prediction=Baseline.EMPTY)
    assert empty.interval.value == 0
    difference = figure(evaluated, "lesion", "dice", prediction=minus(Baseline.EMPTY))
    assert difference.interval == figure(evaluated, "lesion", "dice").interval
    whole = figure(evaluated, "lesion", "dice", prediction=Baseline.WHOLE_LUNG)
    expected = np.mean([dice(one.lesion, one.lung or ()) for one in IMAGES if one.lesion])
    assert whole.interval.value == pytest.approx(expected)
    assert evaluated.metric("lung", "dice", prediction=Baseline.WHOLE_LUNG) is None


def test_the_whole_lung_is_no_trivial_prediction_of_lungs_of_another_name(
    make_model: MakeModel, card_of: CardOf, write_set: WriteSet
) -> None:
    root = write_set()
    index = root / "index.csv"
    index.write_text(index.read_text().replace("mask_lesion,", "mask_lung_fields,"))
    path = make_model(card=card_of(("lung_fields", "lung"), anatomy={"lung_fields": "lung"}))
    result = evaluate(path, root)
    assert figure(result, "lung_fields", "dice", prediction=Baseline.EMPTY).images == 5
    assert result.metric("lung_fields", "dice", prediction=Baseline.WHOLE_LUNG) is None


def test_a_lung_mask_that_no_score_needs_is_not_read(model: Path, write_set: WriteSet) -> None:
    """Image e shows no lesion, so its lung is a baseline of nothing."""
    root = write_set([replace(one, lung=LUNG) for one in IMAGES])
    expected = evaluate(model, root, classes=["lesion"])
    (root / "lung-e.png").write_bytes(b"")
    assert evaluate(model, root, classes=["lesion"]).metrics == expected.metrics


def test_the_mean_mask_is_that_of_other_patients(model: Path, write_set: WriteSet) -> None:
    """Each patient's lesion is elsewhere, so the mean of the others misses it."""
    images = [
        Labeled(f"{n}.png", f"p{n}", lesion=[(8 * n, 4, 6, 6)], found=[(8 * n, 4, 6, 6)]) for n in range(5)
    ]
    result = evaluate(model, write_set(images), classes=["lesion"])
    assert figure(result, "lesion", "dice", prediction=Baseline.MEAN).interval.value == 0
    assert figure(result, "lesion", "dice").interval.value == 1


def test_a_second_reader_is_compared_with_the_first_and_with_the_model(evaluated: Evaluation) -> None:
    readers = figure(evaluated, "lesion", "dice", prediction=SECOND_READER)
    assert readers.images == 2
    assert readers.interval.value == pytest.approx((0.9 + 1) / 2)
    same_images = figure(evaluated, "lesion", "dice", prediction=MODEL_WITH_BOTH_READERS)
    assert same_images.interval.value == pytest.approx((1 + 0.6) / 2)
    other = figure(evaluated, "lesion", "dice", prediction=MODEL_AGAINST_SECOND)
    assert other.interval.value == pytest.approx((0.9 + 0.6) / 2)
    assert evaluated.metric("lung", "dice", prediction=SECOND_READER) is None


def test_groups_are_scored_on_their_own(evaluated: Evaluation) -> None:
    group = figure(evaluated, "lesion", "dice", group="two")
    expected = [dice(one.lesion, one.found) for one in IMAGES if one.lesion and one.source == "two"]
    assert group.interval.value == pytest.approx(np.mean(expected))
    assert group.images == 2


@pytest.mark.parametrize(
    ("settings", "names"),
    [
        ({"fold": 1}, {"b.png", "d.png", "h.png"}),
        ({"where": {"source": "two"}}, {"c.png", "d.png", "f.png"}),
        ({"where": {"source": "two"}, "fold": 1}, {"d.png"}),
    ],
)
def test_a_fold_or_a_value_selects_images(
    settings: dict[str, Any], names: set[str], model: Path, labeled: Path
) -> None:
    result = evaluate(model, labeled, classes=["lesion"], **settings)
    assert {one.key for one in result.results} == names
    assert result.images == len(names)


@pytest.mark.parametrize(("cell", "other"), [("01", "02"), ("true", "false"), ("1.50", "2")])
def test_a_value_is_what_the_table_says(cell: str, other: str, model: Path, write_set: WriteSet) -> None:
    root = write_set([replace(one, source=cell if one.source == "one" else other) for one in IMAGES])
    result = evaluate(model, root, classes=["lesion"], where={"source": cell}, by="source")
    assert {one.key for one in result.results} == {"a.png", "b.png", "e.png", "h.png"}
    assert {one.group for one in result.metrics} == {"", cell}


def test_the_validation_images_of_a_training_run_are_selected(
    model: Path, labeled: Path, tmp_path: Path
) -> None:
    held = {"c.png", "h.png"}
    subsets = {one.name: Subset.VALIDATION if one.name in held else Subset.TRAIN for one in IMAGES}
    path = tmp_path / "splits.csv"
    Split(subsets, {one.name: one.patient for one in IMAGES}).write(path)
    result = evaluate(model, labeled, classes=["lesion"], splits=path)
    assert {one.key for one in result.results} == held
    Split({"z.png": Subset.VALIDATION}, {"z.png": "p"}).write(path)
    with pytest.raises(InputError, match="none of its 1 validation images"):
        evaluate(model, labeled, classes=["lesion"], splits=path)


def test_pixel_spacing_gives_distances_in_millimeters(model: Path, write_set: WriteSet) -> None:
    pydicom = pytest.importorskip("pydicom", reason="pydicom is not installed")
    root = write_set([replace(IMAGES[1], name="b.dcm.png"), IMAGES[0]])
    pixels = cv2.imread(str(root / "b.dcm.png"), cv2.IMREAD_GRAYSCALE)
    data = pydicom.Dataset()
    data.file_meta = pydicom.dataset.FileMetaDataset()
    data.file_meta.TransferSyntaxUID = pydicom.uid.ExplicitVRLittleEndian
    data.SOPClassUID, data.SOPInstanceUID = "1.2.840.10008.5.1.4.1.1.1.1", "1.2.3"
    data.Rows, data.Columns, data.SamplesPerPixel = *pixels.shape, 1
    data.PhotometricInterpretation, data.PixelRepresentation = "MONOCHROME2", 0
    data.BitsAllocated, data.BitsStored, data.HighBit = 8, 8, 7
    data.WindowCenter, data.WindowWidth = 128, 256
    data.PixelSpacing, data.PixelData = [0.5, 0.5], pixels.tobytes()
    (root / "b.dcm.png").unlink()
    data.save_as(root / "b.dcm.png", enforce_file_format=True)
    result = evaluate(model, root, classes=["lesion"])
    in_mm = figure(result, "lesion", "assd", unit="mm")
    (shifted,) = [one for one in result.results if one.key == "b.dcm.png"]
    assert in_mm.images == 1
    assert in_mm.interval.value == pytest.approx(shifted.model.surface.assd / 2)
    data.PixelSpacing = [0.5, 0.25]
    data.save_as(root / "b.dcm.png", enforce_file_format=True)
    in_mm = figure(evaluate(model, root, classes=["lesion"]), "lesion", "assd", unit="mm")
    assert shifted.model.surface.assd / 4 < in_mm.interval.value < shifted.model.surface.assd / 2


def test_overlap_with_the_training_images_is_reported(
    make_model: MakeModel, card_of: CardOf, labeled: Path
) -> None:
    known = [hash_pixels(read_image(labeled / name).pixels) for name in ("c.png", "h.png")]
    card = card_of(("lesion", "lung"), fingerprint=Fingerprint.of(known))
    result = evaluate(make_model(card=card), labeled, classes=["lesion"])
    assert result.in_training == 2
    assert any("2 of 7 images were in the model's data set" in line for line in result.warnings)
    unknown = evaluate(make_model(), labeled, classes=["lesion"])
    assert unknown.in_training is None
    assert any("has no fingerprint" in line for line in unknown.warnings)


def test_the_best_threshold_is_written_into_a_copy(
    make_model: MakeModel, write_set: WriteSet, tmp_path: Path
) -> None:
    """The lesions are drawn one pixel wider than the model's, over pixels of a lower probability."""
    images = [Labeled(f"{n}.png", f"p{n}", [(20, 8 + n, 6, 6)], [(19, 7 + n, 8, 8)]) for n in range(4)]
    root = write_set(images)
    for one in images:
        pixels = cv2.imread(str(root / one.name), cv2.IMREAD_GRAYSCALE)
        rim = (mask_of(one.lesion or ()) > 0) & (mask_of(one.found) == 0)
        pixels[rim] = 174  # a probability of 0.18
        cv2.imwrite(str(root / one.name), pixels)
    path, copy = make_model(), tmp_path / "copy.onnx"
    result = evaluate(path, root, classes=["lesion"], choose_threshold=copy)
    assert result.classes[0].best_threshold == 0.15
    card = read_card(copy)
    assert card.thresholds == (0.15, 0.5)
    assert "on 4 images that show it" in card.threshold_choice["lesion"]
    assert figure(evaluate(copy, root, classes=["lesion"]), "lesion", "dice").interval.value == 1
    verify_model(copy)
    with pytest.raises(OutputError, match="exists already"):
        evaluate(path, root, choose_threshold=copy)
    with pytest.raises(OutputError, match="is the evaluated model itself"):
        evaluate(path, root, choose_threshold=path, overwrite=True)


def test_what_the_card_said_at_another_threshold_is_left_out(card_of: CardOf) -> None:
    from cxr.infer.evaluate.pairing import ClassPair
    from cxr.infer.evaluate.records import ClassEvaluation
    from cxr.infer.evaluate.threshold_copy import choose_thresholds
    from cxr.metrics.records import ClassMetrics

    metrics = {"lesion": ClassMetrics(1, 0), "lung": ClassMetrics(1, 0)}
    by_source = {"a": metrics, "b": {"lesion": ClassMetrics(1, 0)}}
    lungs = LungReference(("x",), (0.0,), (1.0,), ((1.0,),), 3.0)
    uncertainty = UncertaintyReference(0.3, 0.9, 9, 2, 0.8, 0.5, 0.1)
    judging: dict[str, Any] = {"lungs": lungs, "uncertainty": uncertainty}
    card = card_of(("lesion", "lung"), metrics=metrics, metrics_by_source=by_source, **judging)
    pairs = [ClassPair(name, index, name, None, is_lung=False) for index, name in enumerate(card.classes)]
    classes = [
        ClassEvaluation(pair, 0.5, 9, 9, 9, (), best) for pair, best in zip(pairs, (0.3, 0.5), strict=True)
    ]
    chosen = choose_thresholds(card, classes, "a set")
    assert chosen.thresholds == (0.3, 0.5)
    assert list(chosen.metrics) == ["lung"]
    assert chosen.metrics_by_source == {"a": {"lung": ClassMetrics(1, 0)}}
    assert list(chosen.threshold_choice) == ["lesion", "lung"]
    assert (chosen.lungs, chosen.uncertainty) == (lungs, uncertainty)
    judged_anew = choose_thresholds(card, [replace(classes[1], best_threshold=0.3)], "a set")
    assert list(judged_anew.metrics) == ["lesion"]
    assert (judged_anew.lungs, judged_anew.uncertainty) == (None, None)
    without_lungs = card_of(("lesion", "heart"), uncertainty=uncertainty)
    assert choose_thresholds(without_lungs, classes[:1], "a set").uncertainty is None


def test_external_data_is_loaded_only_where_it_is_allowed_and_is_not_copied(
    make_model: MakeModel, labeled: Path, tmp_path: Path
) -> None:
    def move_out(model: onnx.ModelProto) -> None:
        tensor = model.graph.initializer[1]
        data.append(tensor.raw_data)
        tensor.ClearField("raw_data")
        tensor.data_location = onnx.TensorProto.EXTERNAL
        entry = tensor.external_data.add()
        entry.key, entry.value = "location", "w.bin"

    data: list[bytes] = []
    path = make_model(change=move_out)
    (path.parent / "w.bin").write_bytes(data[0])
    with pytest.raises(ModelError, match="give --allow-external-data"):
        evaluate(path, labeled)
    assert evaluate(path, labeled, allow_external_data=True).images == 8
    with pytest.raises(OutputError, match=r"has tensors in other files \(w\.bin\)") as caught:
        evaluate(path, labeled, allow_external_data=True, choose_threshold=tmp_path / "copy.onnx")
    assert "\n" not in str(caught.value)


def test_the_same_evaluation_again_gives_the_same_tables(model: Path, labeled: Path, tmp_path: Path) -> None:
    first = evaluate(model, labeled, out=tmp_path / "e", threads=1)
    tables = [(tmp_path / "e" / name).read_bytes() for name in ("scores.csv", "summary.csv")]
    again = evaluate(model, labeled, out=tmp_path / "e", threads=3)
    assert [(tmp_path / "e" / name).read_bytes() for name in ("scores.csv", "summary.csv")] == tables
    assert again.metrics == first.metrics
    assert {path.name for path in (tmp_path / "e").iterdir()} == set(first.files)


def test_another_evaluation_is_replaced_only_when_told_to(model: Path, labeled: Path, tmp_path: Path) -> None:
    evaluate(model, labeled, out=tmp_path, classes=["lung"])
    with pytest.raises(OutputError, match=r"another selection.*--out, or give --overwrite"):
        evaluate(model, labeled, out=tmp_path, classes=["lesion"])
    evaluate(model, labeled, out=tmp_path, classes=["lesion"], overwrite=True)
    record = json.loads((tmp_path / "evaluation.json").read_text())
    assert [one["class"] for one in record["classes"]] == ["lesion"]


@pytest.mark.parametrize("name", ["scores.csv", "evaluation.html", "evaluation.json"])
def test_files_of_others_are_never_overwritten(name: str, model: Path, labeled: Path, tmp_path: Path) -> None:
    (tmp_path / name).write_text("{}")
    with pytest.raises(OutputError, match="not from cxr evaluate"):
        evaluate(model, labeled, out=tmp_path, overwrite=True)
    assert (tmp_path / name).read_text() == "{}"
    assert [path.name for path in tmp_path.iterdir()] == [name]


def test_an_evaluation_that_was_cut_short_is_replaced(
    model: Path, labeled: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupt(_path: Path, _metrics: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(outputs, "write_summary", interrupt)
        with pytest.raises(KeyboardInterrupt):
            evaluate(model, labeled, out=tmp_path)
    assert not (tmp_path / "summary.csv").exists()
    assert evaluate(model, labeled, out=tmp_path).out == tmp_path
    assert (tmp_path / "summary.csv").exists()


@pytest.mark.parametrize("name", ["file", "file/below", "/proc/none"])
def test_a_folder_that_cannot_be_written_is_named_before_the_model_runs(
    name: str, model: Path, labeled: Path, tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("mine")
    steps: list[int] = []
    with pytest.raises(OutputError, match="cannot be created"):
        evaluate(model, labeled, out=tmp_path / name, progress=lambda done, _all: steps.append(done))
    assert not steps
    assert (tmp_path / "file").read_text() == "mine"


def test_the_record_is_strict_json_with_the_curve(evaluated: Evaluation) -> None:
    assert evaluated.out is not None

    def reject(text: str) -> None:
        raise AssertionError(text)

    record = json.loads((evaluated.out / "evaluation.json").read_text(), parse_constant=reject)
    assert (record["kind"], record["images"], record["in_training"]) == ("evaluate", 8, None)
    lesion = record["classes"][0]
    assert (lesion["class"], lesion["second_reader"], len(lesion["curve"])) == ("lesion", "lesion_2", 19)
    assert record["files"] == list(evaluated.files)


def test_the_page_shows_scores_curves_and_images(evaluated: Evaluation) -> None:
    assert evaluated.out is not None
    page = (evaluated.out / "evaluation.html").read_text()
    for text in ("Second reader", "mean mask", "By group", "Worst images", "d.png: Dice 0.000"):
        assert text in page
    assert page.count("<svg") == 5  # curve and ratio of both classes, count of the lesions
    assert page.count("data:image/jpeg;base64,") == 2 * 2 * 4
    assert "<script" not in page
    shown = re.sub(r"base64,[A-Za-z0-9+/=]+", "", page.split("<main>")[1]).lower()
    assert "</main>" in shown
    assert "nan" not in shown
    assert f"onnxruntime {version('onnxruntime')}" in page


def test_a_class_that_no_image_shows_has_a_specificity_only(model: Path, write_set: WriteSet) -> None:
    images = [replace(one, lesion=()) for one in IMAGES[:4]]
    result = evaluate(model, write_set(images), classes=["lesion"])
    assert result.metric("lesion", "dice") is None
    assert figure(result, "lesion", "specificity").interval.value == 0.25
    assert any("no image shows it" in line for line in result.warnings)


def test_no_threshold_is_chosen_without_a_positive(model: Path, write_set: WriteSet, tmp_path: Path) -> None:
    images = [replace(one, lesion=()) for one in IMAGES[:4]]
    copy, out = tmp_path / "x.onnx", tmp_path / "out"
    with pytest.raises(InputError, match="no image shows lesion"):
        evaluate(model, write_set(images), classes=["lesion"], choose_threshold=copy, out=out)
    assert not copy.exists()
    record = json.loads((out / "evaluation.json").read_text())
    assert {path.name for path in out.iterdir()} == set(record["files"])
    assert not any("copy of the model" in line for line in record["warnings"])


def test_one_patient_has_no_interval(model: Path, labeled: Path) -> None:
    result = evaluate(model, labeled, classes=["lesion"], where={"source": "two"}, fold=1)
    interval = figure(result, "lesion", "dice").interval
    assert interval.value == 0
    assert math.isnan(interval.low)
    assert math.isnan(interval.high)
    assert any("of one patient, so there are no intervals" in line for line in result.warnings)


def test_few_patients_are_warned_of(evaluated: Evaluation) -> None:
    assert any("intervals over only 6 patients are unreliable" in line for line in evaluated.warnings)


def test_groups_of_few_patients_are_warned_of(model: Path, write_set: WriteSet) -> None:
    """Also where all images together have enough."""
    images = [
        replace(IMAGES[0], name=f"{n}.png", patient=f"p{n}", source="few" if n < 2 else "many")
        for n in range(12)
    ]
    result = evaluate(model, write_set(images), classes=["lesion"], by="source")
    (line,) = [line for line in result.warnings if "unreliable" in line]
    assert line == "lesion: intervals of groups with few patients are unreliable: few (2)"


def test_a_class_that_nobody_drew_is_the_first_warning(
    model: Path, write_set: WriteSet, tmp_path: Path
) -> None:
    root = write_set([replace(one, lung=None) for one in IMAGES[:4]])
    result = evaluate(model, root, out=tmp_path / "out")
    expected = "lung: no image has a known mask of lung, so it is not evaluated"
    assert result.warnings[0] == expected
    assert json.loads((tmp_path / "out" / "evaluation.json").read_text())["warnings"][0] == expected
    assert expected in (tmp_path / "out" / "evaluation.html").read_text()


@pytest.mark.parametrize("count", [1, 4, 5, 9])
def test_images_are_not_shown_as_worst_and_again_as_median(
    count: int, model: Path, write_set: WriteSet
) -> None:
    images = [replace(IMAGES[0], name=f"{n}.png", patient=f"p{n}") for n in range(count)]
    chosen = choose_examples(evaluate(model, write_set(images), classes=["lesion"]).results)
    assert len(chosen[Kind.WORST]) == min(count, 4)
    assert len(chosen[Kind.MEDIAN]) == (4 if count > 4 else 0)
    assert chosen[Kind.WORST] != chosen[Kind.MEDIAN]


def test_a_model_no_better_than_trivial_is_named(model: Path, write_set: WriteSet) -> None:
    images = [Labeled(f"{n}.png", f"p{n}", [(50, 50, 3, 3)], [(10, 10, 9, 9)]) for n in range(3)]
    result = evaluate(model, write_set(images), classes=["lesion"])
    assert any("lesion: the model is not better than the mean mask" in line for line in result.warnings)


def test_an_open_session_is_used_as_it_is(model: Path, labeled: Path) -> None:
    session = Session.open(model, threads=1)
    assert evaluate(session, labeled, classes=["lung"]).provider == "cpu"


def spoil_mask(root: Path) -> None:
    cv2.imwrite(str(root / "lesion-a.png"), np.zeros((10, 10), np.uint8))


def spoil_image(root: Path) -> None:
    (root / "a.png").write_bytes((root / "a.png").read_bytes()[:60])


@pytest.mark.parametrize(("spoil", "message"), [(spoil_mask, "10 x 10 pixels"), (spoil_image, r"a\.png")])
def test_a_file_that_cannot_be_used_is_named(
    spoil: Callable[[Path], None], message: str, model: Path, write_set: WriteSet
) -> None:
    root = write_set()
    spoil(root)
    with pytest.raises(InputError, match=message):
        evaluate(model, root, classes=["lesion"])


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"classes": ["lesions"]}, "did you mean 'lesion'"),
        ({"fold": 7}, "no image with a known mask is in fold 7; the folds are 0, 1"),
        ({"where": {"sorce": "one"}}, "no column 'sorce'; did you mean 'source'"),
        ({"where": {"source": "three"}}, r"there is: one \(5\), two \(3\)"),
        ({"by": "site"}, "no column 'site'"),
        ({"threads": 0}, "threads"),
    ],
)
def test_what_does_not_exist_is_one_line(
    settings: dict[str, Any], message: str, model: Path, labeled: Path
) -> None:
    with pytest.raises(InputError, match=message) as caught:
        evaluate(model, labeled, **settings)
    assert "\n" not in str(caught.value)


def test_a_model_without_a_card_needs_one(
    make_model: MakeModel, card_of: CardOf, labeled: Path, tmp_path: Path
) -> None:
    path = make_model(card="")
    with pytest.raises(ModelError, match="--card"):
        evaluate(path, labeled)
    (tmp_path / "card.json").write_text(card_of().to_json())
    assert evaluate(path, labeled, card=tmp_path / "card.json").images == 8


def test_every_error_is_of_this_package(model: Path, tmp_path: Path) -> None:
    for root in (tmp_path, tmp_path / "missing"):
        with pytest.raises(CxrError):
            evaluate(model, root)


def test_an_nih_set_is_evaluated_by_view(model: Path, tmp_path: Path) -> None:
    """Its table has file names, and its ground truth boxes where an image has no pixel mask."""
    root = tmp_path / "sample"
    make_sample(root, patients=4, size=128)
    result = evaluate(model, root, classes=["lesion"], by="view")
    assert result.images == len({one.key for one in result.results}) > 3
    groups = {metric.group for metric in result.metrics} - {""}
    assert groups
    assert groups <= {"AP", "PA"}


def test_masks_are_taken_from_annotation_files(model: Path, labeled: Path, tmp_path: Path) -> None:
    """The same ground truth as run lengths: the same scores."""
    lines = ["ImageId,EncodedPixels"]
    for one in IMAGES[:4]:
        flat = np.concatenate([[0], mask_of(one.lesion or ()).T.ravel(), [0]]).astype(int)
        starts, ends = np.flatnonzero(np.diff(flat) == 1), np.flatnonzero(np.diff(flat) == -1)
        runs = " ".join(f"{start + 1} {end - start}" for start, end in zip(starts, ends, strict=True))
        lines.append(f"{one.name},{runs}")
    table = tmp_path / "runs.csv"
    table.write_text("\n".join(lines))
    result = evaluate(model, labeled, classes=["lesion"], masks="rle-kaggle", annotations=[table])
    direct = evaluate(model, labeled, classes=["lesion"])
    expected = {one.key: one.model for one in direct.results if one.key in {one.name for one in IMAGES[:4]}}
    assert {one.key: one.model for one in result.results} == expected
