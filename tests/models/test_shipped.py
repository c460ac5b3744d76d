from __future__ import annotations

from pathlib import Path

import pytest

from cxr.errors import ModelError
from cxr.models import shipped
from cxr.models.shipped import ShippedModel, expand_names, find_float_file, find_model, shipped_models


@pytest.fixture(autouse=True)
def folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "weights").mkdir()
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    monkeypatch.setattr(shipped, "_FOLDER", tmp_path / "weights")
    return tmp_path


def test_named_model_takes_precedence(folders: Path) -> None:
    (folders / "here" / "model.onnx").touch()
    (folders / "mine.onnx").touch()
    assert find_model(folders / "mine.onnx") == folders / "mine.onnx"


def test_model_in_the_working_directory_takes_precedence_over_the_shipped_one(folders: Path) -> None:
    (folders / "weights" / "lungs.onnx").touch()
    assert find_model(None) == ShippedModel("lungs", folders / "weights" / "lungs.onnx")
    (folders / "here" / "model.onnx").touch()
    assert find_model(None) == Path("model.onnx")


def test_shipped_models_are_sorted_by_name_with_their_two_files(folders: Path) -> None:
    for name in ("b.onnx", "a_int8.onnx", "a.onnx", "notes.txt"):
        (folders / "weights" / name).touch()
    weights = folders / "weights"
    assert shipped_models() == (
        ShippedModel("a", weights / "a.onnx", weights / "a_int8.onnx"),
        ShippedModel("b", weights / "b.onnx"),
    )


def test_shipped_model_is_found_by_its_name_unless_a_file_has_it(folders: Path) -> None:
    (folders / "weights" / "lungs.onnx").touch()
    assert find_model(Path("lungs")) == shipped_models()[0]
    assert find_float_file(Path("lungs")) == folders / "weights" / "lungs.onnx"
    with pytest.raises(ModelError, match="did you mean the shipped model 'lungs'"):
        find_model(Path("lung"))
    (folders / "here" / "lungs").touch()
    assert find_model(Path("lungs")) == Path("lungs")


def test_a_folder_does_not_hide_the_shipped_model_of_its_name(folders: Path) -> None:
    (folders / "weights" / "lungs.onnx").touch()
    (folders / "here" / "lungs").mkdir()
    (folders / "here" / "mine").mkdir()
    assert find_model(Path("lungs")) == shipped_models()[0]
    assert expand_names([Path("lungs")]) == (folders / "weights" / "lungs.onnx",)
    assert expand_names([Path("lungs")], folders=True) == (Path("lungs"),)
    with pytest.raises(ModelError, match=r"mine: is a folder; name the \.onnx file in it"):
        find_model(Path("mine"))


def test_names_stand_for_both_files_where_a_command_takes_several_models(folders: Path) -> None:
    for name in ("lungs.onnx", "lungs_int8.onnx"):
        (folders / "weights" / name).touch()
    own = folders / "mine.onnx"
    own.touch()
    weights = folders / "weights"
    assert expand_names([own, Path("lungs"), Path("gone")]) == (
        own,
        weights / "lungs.onnx",
        weights / "lungs_int8.onnx",
        Path("gone"),
    )


def test_error_without_any_model_says_how_to_make_one(folders: Path) -> None:
    with pytest.raises(ModelError, match=r"cxr-train, then cxr-export model\.onnx"):
        find_model(None)
    with pytest.raises(ModelError, match="no such model file"):
        find_model(folders / "gone.onnx")
