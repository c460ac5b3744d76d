"""The column `patient_id` of a run and of a loaded model."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

import cxr
from cxr.data.pseudonym import pseudonym
from cxr.errors import InputError

Draw = Callable[..., Path]
ReadTable = Callable[[Path], list[dict[str, str]]]
SALT = "correct horse battery"


@pytest.fixture
def images(tmp_path: Path, draw: Draw) -> Path:
    for name in ("20200131_001.png", "00012345_003.png", "p7/a.png"):
        draw(tmp_path / "images" / name)
    return tmp_path / "images"


def patients(table: list[dict[str, str]]) -> dict[str, str]:
    return {row["image"]: row["patient_id"] for row in table}


def test_names_outside_an_nih_set_hold_no_patient(
    images: Path, model: Path, read_table: ReadTable, caplog: pytest.LogCaptureFixture
) -> None:
    cxr.infer_folder(images, model=model, out=images / "out")
    assert set(patients(read_table(images / "out" / "features.csv")).values()) == {""}
    assert "1 file names have the form of the NIH data set" in caplog.text


def test_patients_of_an_nih_set_are_hashed_with_a_salt(
    images: Path, model: Path, read_table: ReadTable
) -> None:
    (images / "BBox_List_2017.csv").touch()
    cxr.infer_folder(images, model=model, out=images / "clear")
    cxr.infer_folder(images, model=model, out=images / "hashed", salt=SALT)
    clear, hashed = (patients(read_table(images / name / "features.csv")) for name in ("clear", "hashed"))
    assert clear == {"00012345_003.png": "12345", "20200131_001.png": "", "p7/a.png": ""}
    assert hashed["00012345_003.png"] == pseudonym(SALT.encode(), "12345", "")
    assert hashed["20200131_001.png"] == ""


def test_pattern_is_searched_in_the_path_below_the_folder(
    images: Path, model: Path, read_table: ReadTable
) -> None:
    cxr.infer_folder(images, model=model, out=images / "out", patient_from=r"^p(\d+)/")
    assert patients(read_table(images / "out" / "features.csv"))["p7/a.png"] == "7"
    record = json.loads((images / "out" / "run.json").read_text())
    assert record["arguments"]["patient_from"] == r"^p(\d+)/"


def test_run_with_another_rule_is_not_resumed(images: Path, model: Path) -> None:
    cxr.infer_folder(images, model=model, out=images / "out")
    with pytest.raises(cxr.CxrError, match="another patient_from"):
        cxr.infer_folder(images, model=model, out=images / "out", patient_from="nih")


def test_rule_that_cannot_be_used_stops_the_run_before_it_writes(images: Path, model: Path) -> None:
    with pytest.raises(InputError, match="needs one, the patient"):
        cxr.infer_folder(images, model=model, out=images / "out", patient_from=r"\d+")
    with pytest.raises(InputError, match="none of the 3 images has such a name"):
        cxr.infer_folder(images, model=model, out=images / "out", patient_from=r"nobody(\d)")
    assert not (images / "out").exists()


def test_loaded_model_reads_patients_by_the_same_rules(images: Path, model: Path) -> None:
    image = images / "00012345_003.png"
    assert cxr.load(model)(image).features["patient_id"] == ""
    loaded = cxr.load(model, patient_from="nih", salt=SALT)
    hashed = pseudonym(SALT.encode(), "12345", "")
    assert loaded(image).features["patient_id"] == hashed
    assert [result.features["patient_id"] for result in loaded.stream([image])] == [hashed]
    assert loaded(image.read_bytes(), name=image.name).features["patient_id"] == hashed
    assert cxr.load(model, patient_from=r"/p(\d+)/")(images / "p7" / "a.png").features["patient_id"] == "7"


def test_run_with_a_loaded_model_reads_patients_as_the_model_does(
    images: Path, model: Path, read_table: ReadTable
) -> None:
    loaded = cxr.load(model, patient_from="nih", salt=SALT)
    cxr.infer_folder(images, model=loaded, out=images / "out")
    found = patients(read_table(images / "out" / "features.csv"))
    assert found["00012345_003.png"] == pseudonym(SALT.encode(), "12345", "")
