from __future__ import annotations

from pathlib import Path

import pytest

from cxr.errors import ModelError
from cxr.models import shipped
from cxr.models.shipped import find_model, shipped_models


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
    (folders / "weights" / "lung.onnx").touch()
    assert find_model(None) == folders / "weights" / "lung.onnx"
    (folders / "here" / "model.onnx").touch()
    assert find_model(None) == Path("model.onnx")


def test_shipped_models_are_sorted_by_name(folders: Path) -> None:
    for name in ("b.onnx", "a.onnx", "notes.txt"):
        (folders / "weights" / name).touch()
    assert [path.name for path in shipped_models()] == ["a.onnx", "b.onnx"]


def test_error_without_any_model_says_how_to_make_one(folders: Path) -> None:
    with pytest.raises(ModelError, match=r"cxr-train, then cxr-export model\.onnx"):
        find_model(None)
    with pytest.raises(ModelError, match="no such model file"):
        find_model(folders / "gone.onnx")
