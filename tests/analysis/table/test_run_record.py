"""What run.json says about the images reaches the notes of the analysis."""

from __future__ import annotations

import json
from pathlib import Path

import pandas as pd
import pytest

from cxr.analysis.records import RunRecord
from cxr.analysis.table.load import load_table
from cxr.analysis.table.run_record import read_run_record, run_notes
from cxr.errors import InputError


def write(folder: Path, record: object) -> Path:
    pd.DataFrame({"image": ["a.png", "b.png"], "lesion_ratio": [0.1, 0.2]}).to_csv(
        folder / "features.csv", index=False
    )
    (folder / "run.json").write_text(record if isinstance(record, str) else json.dumps(record))
    return folder / "features.csv"


def test_images_that_are_gone_are_named_and_their_rows_are_kept(tmp_path: Path) -> None:
    table = load_table(write(tmp_path, {"missing": ["b.png", "never_measured.png"]}))
    assert len(table.frame) == 2
    assert any("files of 1 images are gone" in note and "(b.png)" in note for note in table.notes)


@pytest.mark.parametrize(("overlap", "named"), [(7, True), (0, False), (None, False)])
def test_images_of_the_models_training_data_are_counted(
    tmp_path: Path, overlap: int | None, *, named: bool
) -> None:
    table = load_table(write(tmp_path, {"training_overlap": overlap}))
    assert any("trained on 7 of the measured images" in note for note in table.notes) is named


def test_model_and_lung_classes_are_read(tmp_path: Path) -> None:
    record = {"folder": "/images", "model": {"classes": ["heart", "chest"]}, "lung_classes": ["chest"]}
    found = read_run_record(write(tmp_path, record | {"status": "done"}))
    assert (found.folder, found.classes, found.lung_classes) == (
        Path("/images"),
        ("heart", "chest"),
        ("chest",),
    )


def test_older_record_takes_the_class_lung_as_the_lung_class(tmp_path: Path) -> None:
    assert read_run_record(write(tmp_path, {"folder": "/images"})).lung_classes == ("lung",)


def test_table_without_a_record_has_an_empty_one(tmp_path: Path) -> None:
    assert read_run_record(tmp_path / "features.csv") == RunRecord()
    assert run_notes(RunRecord(), {"a.png"}) == ()


@pytest.mark.parametrize("record", [{"folder": 3}, ["a"], {"missing": True}])
def test_record_of_another_program_is_ignored_with_a_note(tmp_path: Path, record: object) -> None:
    table = load_table(write(tmp_path, record))
    assert any("run.json is not the record of a cxr-infer run" in note for note in table.notes)


def test_record_that_is_not_json_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"run\.json: cannot be read"):
        load_table(write(tmp_path, "{"))
