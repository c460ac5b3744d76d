"""The output folder: whole results or none, and only files of our own are replaced or removed."""

from __future__ import annotations

from pathlib import Path

import pytest

from cxr.analysis.run import analyze_features
from cxr.errors import OutputError

FAST = {"models": ("lgb",), "trials": 1, "folds": 2}


def test_files_of_an_earlier_analysis_are_removed(features: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    (out / "mine").mkdir(parents=True)
    (out / "note.txt").write_text("kept")
    analyze_features(features, out=out, models=("rf",), trials=1, folds=2)
    analyze_features(features, out=out, **FAST)
    names = {path.name for path in out.iterdir()}
    assert {"lgb_best_model.txt", "note.txt", "mine"} <= names
    assert not {name for name in names if "rf" in name or name.startswith(".")}


def test_output_folder_that_cannot_be_made_is_an_error_before_the_first_search(
    features: Path, tmp_path: Path
) -> None:
    blocker = tmp_path / "file"
    blocker.write_text("")
    steps: list[int] = []
    with pytest.raises(OutputError, match="file/out"):
        analyze_features(features, out=blocker / "out", progress=lambda done, _: steps.append(done))
    assert steps == []


def test_failed_analysis_leaves_no_files(features: Path, tmp_path: Path) -> None:
    def stop(done: int, total: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        analyze_features(features, out=tmp_path / "out", progress=stop, **FAST)
    assert list((tmp_path / "out").iterdir()) == []
