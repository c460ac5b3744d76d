"""Every row says whether its image can be an upright frontal chest radiograph."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import onnx
import pytest
from click.testing import CliRunner
from onnx import TensorProto, helper, numpy_helper

import cxr
from cxr.data.csv_files import read_csv_rows
from cxr.errors import InputError
from cxr.infer.command import command
from cxr.infer.run import infer_folder
from cxr.models.card import ModelCard, Normalization, PixelSpec, ResizeRule
from cxr.models.checks.plausibility import LungReference, find_lungs, fit_reference
from cxr.models.image_checks import FrontalReference

SIZE = 64


def draw_chest(seed: int) -> np.ndarray:
    """Draw two bright lungs, as the toy model finds them, a brighter spine and a bright abdomen."""
    rng = np.random.default_rng(seed)
    gray = np.full((SIZE, SIZE), 40.0)
    gray[48:] = 80
    for column in (20, 44):
        center = (int(column + rng.integers(-1, 2)), int(27 + rng.integers(-1, 2)))
        cv2.ellipse(gray, center, (8, int(19 + rng.integers(-1, 2))), 0, 0, 360, 140, -1)
    return np.clip(gray + rng.normal(0, 3, gray.shape), 0, 255).astype(np.uint8)


DARK, BRIGHT = sorted(range(500, 520), key=lambda seed: float(draw_chest(seed).mean()))[::19]
"""Two of the chests: with the smallest and with the largest mean gray value, as one's lungs are smaller."""


def probability_of(gray: np.ndarray) -> np.ndarray:
    return (1 / (1 + np.exp((90 - gray.astype(np.float32)) / 4))).astype(np.float32)


@pytest.fixture(scope="module")
def lungs() -> LungReference:
    found = [find_lungs(draw_chest(seed), probability_of(draw_chest(seed)), 0.5) for seed in range(80)]
    reference = fit_reference([one for one in found if one is not None])
    assert reference is not None
    return reference


@pytest.fixture(scope="module")
def lung_card(lungs: LungReference) -> ModelCard:
    return ModelCard(
        name="lungs",
        classes=("lung",),
        architecture="none",
        encoder="none",
        pixels=PixelSpec(SIZE, SIZE, ResizeRule.STRETCH),
        normalization=Normalization(0.0, 1.0),
        thresholds=(0.5,),
        license="Apache-2.0",
        lungs=lungs,
    )


@pytest.fixture(scope="module")
def lung_model(make_model: Callable[..., Path], lung_card: ModelCard) -> Path:
    return make_model(("lung",), card=lung_card)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    images = tmp_path / "images"
    images.mkdir()
    chest = draw_chest(500)
    for name, pixels in {
        "chest.png": chest,
        "turned.png": np.rot90(chest),
        "mask.png": np.where(chest > 100, 255, 0).astype(np.uint8),
        "dark.png": np.random.default_rng(0).integers(0, 60, chest.shape).astype(np.uint8),
    }.items():
        cv2.imwrite(str(images / name), pixels)
    colors = np.random.default_rng(1).integers(0, 255, (*chest.shape, 3)).astype(np.uint8)
    cv2.imwrite(str(images / "figure.png"), colors)
    return images


def test_rows_say_what_is_plausible_and_why(lung_model: Path, folder: Path, tmp_path: Path) -> None:
    run = infer_folder(folder, model=lung_model, out=tmp_path / "out")
    rows = {row["image"]: row for row in read_csv_rows(tmp_path / "out" / "features.csv")}
    assert {name: row["plausible"] for name, row in rows.items()} == {
        "chest.png": "yes",
        "turned.png": "doubtful",
        "mask.png": "no",
        "dark.png": "no",
        "figure.png": "doubtful",
    }
    assert rows["chest.png"]["plausible_why"] == ""
    assert rows["mask.png"]["plausible_why"] == "a mask or a drawing: 2 gray values"
    assert rows["dark.png"]["plausible_why"] == "no lungs found"
    assert rows["figure.png"]["plausible_why"] == "a color image"
    assert (run.doubtful, run.implausible) == (2, 2)
    assert any("2 images are doubtful" in note for note in run.notes)
    page = (tmp_path / "out" / "report.html").read_text()
    assert "Not plausible as upright frontal chest radiographs: 4" in page
    assert "no lungs found" in page


def test_implausible_images_are_failures_where_they_are_to_be_skipped(
    lung_model: Path, folder: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    result = CliRunner().invoke(
        command,
        [str(folder), "--model", str(lung_model), "--out", str(out), "--implausible", "skip"],
    )
    assert result.exit_code == 3, result.output
    assert [row["image"] for row in read_csv_rows(out / "features.csv")] == ["chest.png"]
    failures = {row["path"]: row for row in read_csv_rows(out / "failures.csv")}
    assert set(failures) == {"turned.png", "mask.png", "dark.png", "figure.png"}
    assert failures["mask.png"]["stage"] == "assess"
    assert "two" in failures["mask.png"]["error"] or "2 gray values" in failures["mask.png"]["error"]


def test_model_without_a_lung_reference_assesses_header_and_gray_values_only(
    model: Path, folder: Path, tmp_path: Path
) -> None:
    infer_folder(folder, model=model, out=tmp_path / "out")
    rows = {row["image"]: row for row in read_csv_rows(tmp_path / "out" / "features.csv")}
    assert rows["mask.png"]["plausible"] == "no"
    assert rows["turned.png"]["plausible"] == rows["chest.png"]["plausible"] == "not assessed"


def test_python_object_says_the_same(lung_model: Path, folder: Path) -> None:
    loaded = cxr.load(lung_model, provider="cpu")
    assert loaded(folder / "chest.png").features["plausible"] == "yes"
    assert loaded(folder / "turned.png").features["plausible"] == "doubtful"
    assert loaded(np.rot90(draw_chest(500))).features["plausible"] == "doubtful"


@pytest.fixture(scope="module")
def frontal_model(make_model: Callable[..., Path], lung_card: ModelCard) -> Path:
    """The same model with a second output: 1 for images that are dark on the whole, else 0."""

    def add_output(model: onnx.ModelProto) -> None:
        model.opset_import[0].version = 18
        middle = sum(float(draw_chest(seed).mean()) for seed in (DARK, BRIGHT)) / 2 / 255
        tensors = {"frontal_axes": np.array([1, 2, 3], np.int64), "frontal_slope": np.float32(-400)}
        tensors["frontal_shift"] = np.float32(400 * middle)
        model.graph.initializer.extend(
            numpy_helper.from_array(np.asarray(value), name) for name, value in tensors.items()
        )
        model.graph.node.extend(
            [
                helper.make_node("ReduceMean", ["unit", "frontal_axes"], ["frontal_mean"], keepdims=0),
                helper.make_node("Mul", ["frontal_mean", "frontal_slope"], ["frontal_scaled"]),
                helper.make_node("Add", ["frontal_scaled", "frontal_shift"], ["frontal_logit"]),
                helper.make_node("Sigmoid", ["frontal_logit"], ["frontal"]),
            ]
        )
        model.graph.output.append(helper.make_tensor_value_info("frontal", TensorProto.FLOAT, ["N"]))

    reference = FrontalReference(cutoff=0.4, images=100, false_alarms=0.0, caught={"inverted": 1.0})
    card = replace(lung_card, frontal=reference)
    return make_model(("lung",), card=card, change=add_output)


def test_low_frontal_score_is_doubtful_and_with_odd_lungs_no(frontal_model: Path, tmp_path: Path) -> None:
    images = tmp_path / "images"
    images.mkdir()
    chest, bright = draw_chest(DARK), draw_chest(BRIGHT)
    for name, pixels in {"a": chest, "b": bright, "c": 255 - chest, "d": np.rot90(chest)}.items():
        cv2.imwrite(str(images / f"{name}.png"), pixels)
    infer_folder(images, model=frontal_model, out=tmp_path / "out")
    rows = [(row["plausible"], row["plausible_why"]) for row in read_csv_rows(tmp_path / "out/features.csv")]
    assert rows[0] == ("yes", "")
    assert rows[1][0] == "doubtful"
    assert re.fullmatch(r"not a frontal chest radiograph \(score 0\.\d\d\)", rows[1][1])
    assert rows[2][0] == "no"
    assert rows[2][1].startswith("not a frontal chest radiograph (score 0.00); ")
    assert (rows[3][0], "frontal" in rows[3][1]) == ("doubtful", False)


def test_second_pass_compares_with_the_mirrored_image(lung_model: Path, folder: Path, tmp_path: Path) -> None:
    plain, both = tmp_path / "plain", tmp_path / "both"
    infer_folder(folder, model=lung_model, out=plain)
    options = [str(folder), "--model", str(lung_model), "--out", str(both), "--uncertainty", "flip"]
    assert CliRunner().invoke(command, options).exit_code == 0
    rows = list(read_csv_rows(both / "features.csv"))
    # This model judges each pixel alone, so a mirrored image gives the mirrored mask.
    assert {row.pop("uncertainty_flip") for row in rows} == {"0.000000"}
    assert rows == list(read_csv_rows(plain / "features.csv"))
    uncertain = {row["image"]: float(row["uncertainty"]) for row in rows}
    assert 0 < uncertain["chest.png"] < 0.1
    with pytest.raises(cxr.OutputError, match="another mirror"):
        infer_folder(folder, model=lung_model, out=both)


def test_python_object_measures_the_uncertainty(lung_model: Path, folder: Path, tmp_path: Path) -> None:
    infer_folder(folder, model=lung_model, out=tmp_path)
    row = next(read_csv_rows(tmp_path / "features.csv"))
    once, twice = (cxr.load(lung_model, provider="cpu", uncertainty=kind) for kind in (None, "flip"))
    assert once(folder / row["image"]).features["uncertainty"] == float(row["uncertainty"])
    assert "uncertainty_flip" not in once(folder / row["image"]).features
    assert twice(folder / row["image"]).features["uncertainty_flip"] == 0
    with pytest.raises(InputError, match="uncertainty can be flip; got 'mirror'"):
        cxr.load(lung_model, uncertainty="mirror")


def test_reference_survives_the_card(lungs: LungReference) -> None:
    card = ModelCard(
        name="x",
        classes=("lung",),
        architecture="none",
        encoder="none",
        pixels=PixelSpec(SIZE, SIZE),
        normalization=Normalization(0.0, 1.0),
        thresholds=(0.5,),
        license="CC0",
        lungs=lungs,
    )
    assert ModelCard.from_json(card.to_json()).lungs == lungs
    with pytest.raises(cxr.ModelError, match="lung reference"):
        replace(card, lungs=replace(lungs, center=(0.0,)))


def test_setting_must_be_warn_or_skip() -> None:
    with pytest.raises(InputError, match="warn or skip"):
        cxr.InferConfig(implausible="drop")
