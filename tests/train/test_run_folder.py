from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest

from cxr.errors import ModelError
from cxr.machine.files import make_folder
from cxr.train.run_folder import (
    TrainResult,
    find_run,
    is_finished,
    mark_latest,
    new_run_folder,
    read_run,
)


def finished(runs: Path, name: str) -> Path:
    folder = new_run_folder(runs, name)
    (folder / "model_card.json").write_text("{}")
    return folder


def test_runs_of_the_same_second_have_different_folders(tmp_path: Path) -> None:
    folders = {new_run_folder(tmp_path / "runs", "a") for _ in range(4)}
    assert len(folders) == 4
    assert all(folder.is_dir() for folder in folders)


@pytest.mark.parametrize(
    ("name", "ending"),
    [
        ("images", "images"),
        ("cxr sample (synthetic)", "cxr-sample-synthetic"),
        ("a/b..", "a-b"),
        ("Röntgen", "Röntgen"),
    ],
)
def test_folder_name_needs_no_quotes_in_a_shell(tmp_path: Path, name: str, ending: str) -> None:
    folder = new_run_folder(tmp_path / "runs", name)
    assert folder.parent == tmp_path / "runs"
    assert re.fullmatch(rf"\d{{8}}-\d{{6}}-{ending}", folder.name)


def test_latest_run_is_found_without_a_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("one", "two"):
        mark_latest(finished(tmp_path / "runs", name))
    assert find_run().name.endswith("-two")


def test_latest_is_a_file_where_links_are_not_supported(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def unsupported(*_args: object, **_settings: object) -> None:
        raise OSError("links are not supported")

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(Path, "symlink_to", unsupported)
    folder = finished(tmp_path / "runs", "one")
    mark_latest(folder)
    assert (tmp_path / "runs" / "latest").read_text() == folder.name + "\n"
    assert find_run().resolve() == folder


def test_error_without_any_run_names_cxr_train(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ModelError, match="make one with cxr-train"):
        find_run()
    with pytest.raises(ModelError, match="this training run does not exist"):
        find_run(tmp_path / "gone")


def test_error_for_an_unfinished_run_says_how_to_resume(tmp_path: Path) -> None:
    folder = new_run_folder(tmp_path, "half")
    assert not is_finished(folder)
    with pytest.raises(ModelError, match=f"cxr-train --resume {folder}"):
        find_run(folder)


def test_error_for_a_run_of_several_folds_names_one_of_them(tmp_path: Path) -> None:
    folder = new_run_folder(tmp_path, "folds")
    (folder / "folds.csv").write_text("fold\n")
    with pytest.raises(ModelError, match=f"{folder}: it holds one run per fold.* {folder}/fold-1$"):
        find_run(folder)


def test_run_is_read_with_its_settings_and_card(trained: TrainResult) -> None:
    run = read_run(trained.run)
    assert run.weights.is_file()
    assert run.config.classes == run.card.classes == ("lesion", "lung")


def copy_with_links_followed(runs: Path) -> None:
    (runs / "latest").unlink()
    shutil.copytree(finished(runs, "one"), runs / "latest")


def test_folder_in_the_place_of_the_link_never_makes_an_older_run_the_latest(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.chdir(tmp_path)
    runs = tmp_path / "runs"
    mark_latest(finished(runs, "zero"))
    copy_with_links_followed(runs)
    mark_latest(finished(runs, "two"))
    assert find_run().name.endswith("-two")
    assert "points to no run; using the newest finished one" in caplog.text
    assert not (runs / ".latest.part").exists()


def test_only_copy_of_a_run_is_found_under_the_name_of_the_link(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    finished(tmp_path / "elsewhere", "one").replace(make_folder(tmp_path / "runs") / "latest")
    assert find_run() == Path("runs/latest")


@pytest.mark.parametrize("text", ["", "gone", "../elsewhere", "\udcff"])
def test_latest_that_names_no_run_gives_the_newest_finished_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str
) -> None:
    monkeypatch.chdir(tmp_path)
    newest = finished(tmp_path / "runs", "one")
    (tmp_path / "runs" / "latest").write_bytes(text.encode("utf-8", "surrogateescape"))
    assert find_run().resolve() == newest


def test_link_to_a_run_that_was_removed_gives_the_newest_finished_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    left, removed = finished(tmp_path / "runs", "one"), finished(tmp_path / "runs", "two")
    mark_latest(removed)
    shutil.rmtree(removed)
    assert find_run().resolve() == left
