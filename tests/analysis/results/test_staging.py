"""The output folder: whole results or none, and no file is replaced that no analysis wrote."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from cxr.analysis.records import AnalysisSummary, Family, Task
from cxr.analysis.results.outputs import output_names
from cxr.analysis.results.staging import RECORD, staged_outputs
from cxr.analysis.run import analyze_features
from cxr.errors import OutputError

FAST = {"models": ("lgb",), "trials": 1, "folds": 2}
NAMES = output_names([Family.LGB], Task.REGRESSION)


@pytest.fixture
def out(analyzed: AnalysisSummary, tmp_path: Path) -> Path:
    """A copy of a finished analysis."""
    return Path(shutil.copytree(analyzed.out, tmp_path / "out"))


def content(folder: Path) -> dict[str, bytes]:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()
    }


def test_names_are_known_before_the_analysis(analyzed: AnalysisSummary) -> None:
    assert {path.name for path in analyzed.out.iterdir()} == set(output_names(list(Family), Task.REGRESSION))


def test_files_of_an_earlier_analysis_are_replaced_or_removed_and_no_others(
    features: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    (out / "mine").mkdir(parents=True)
    (out / "note.txt").write_text("kept")
    analyze_features(features, out=out, models=("rf",), trials=1, folds=2)
    analyze_features(features, out=out, **FAST)
    names = {path.name for path in out.iterdir()}
    assert {"lgb_best_model.txt", "note.txt", "mine"} <= names
    assert not {name for name in names if "rf" in name or name.startswith(".")}


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("report.html", "my thesis"),
        ("features_and_target.csv", "image,age\n"),
        ("cv_scatter_lgb.png", "not an image"),
        (RECORD, '{"project": "mine"}'),
        (RECORD, '{"files": ["report.html"]}'),
        (RECORD, "not JSON"),
    ],
)
def test_foreign_file_is_rejected_before_the_first_search(
    features: Path, tmp_path: Path, name: str, text: str
) -> None:
    (tmp_path / name).write_text(text)
    searches: list[int] = []
    with pytest.raises(OutputError, match=rf"{name}: exists and was not written by cxr-analyze.*--out"):
        analyze_features(features, out=tmp_path, progress=lambda done, _: searches.append(done), **FAST)
    assert searches == []
    assert content(tmp_path) == {name: text.encode()}


def test_foreign_file_of_another_family_does_not_matter(features: Path, tmp_path: Path) -> None:
    (tmp_path / "cv_scatter_rf.png").write_text("mine")
    analyze_features(features, out=tmp_path, **FAST)
    assert (tmp_path / "cv_scatter_rf.png").read_text() == "mine"


def test_folder_in_the_place_of_a_file_is_rejected(out: Path) -> None:
    (out / "report.html").unlink()
    (out / "report.html").mkdir()
    with pytest.raises(OutputError, match=r"report\.html: exists"), staged_outputs(out, NAMES):
        pytest.fail("the work has begun")


def test_file_added_beside_an_earlier_analysis_is_foreign(out: Path) -> None:
    record = json.loads((out / RECORD).read_text())
    record["files"].remove("report.html")
    (out / RECORD).write_text(json.dumps(record))
    with pytest.raises(OutputError, match=r"report\.html: exists"), staged_outputs(out, NAMES):
        pytest.fail("the work has begun")


def test_table_that_is_analyzed_is_not_replaced(out: Path) -> None:
    table = out / "features_and_target.csv"
    with pytest.raises(OutputError, match="is a table of this analysis; choose another --out"):
        analyze_features(table, out=out, **FAST)
    assert table.is_file()


def test_analysis_that_was_killed_while_its_files_moved_can_be_repeated(out: Path, tmp_path: Path) -> None:
    """The record moves last, so a killed analysis leaves it in the temporary folder."""
    killed = out / ".part-killed"
    killed.mkdir()
    for name in (RECORD, "report.html"):
        (out / name).rename(killed / name)
    with staged_outputs(out, NAMES) as stage:
        (stage / RECORD).write_text("{}")
    assert {path.name for path in out.iterdir()} == {RECORD}


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
