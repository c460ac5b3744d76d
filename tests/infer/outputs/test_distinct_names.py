"""Names of outputs that would meet in one file, on this disk and on one that ignores case."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from pathlib import Path

import pytest

from cxr.errors import InputError
from cxr.infer.outputs.distinct_names import check_distinct_names
from cxr.infer.outputs.png_files import png_name

COMPOSED, DECOMPOSED = "é.png", unicodedata.normalize("NFD", "é.png")


@pytest.fixture
def forgetful_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let files replace those whose names differ only by case, accents' form or final periods."""
    replace = Path.replace

    def simplify(name: str) -> str:
        return unicodedata.normalize("NFC", name).casefold().rstrip(".")

    def replace_similar(path: Path, target: Path) -> Path:
        names = [other.name for other in target.parent.iterdir() if other != path]
        similar = [name for name in names if simplify(name) == simplify(target.name)]
        return replace(path, target.with_name(similar[0]) if similar else target)

    monkeypatch.setattr(Path, "replace", replace_similar)


def test_images_with_different_suffixes_get_different_names(tmp_path: Path) -> None:
    check_distinct_names(tmp_path, ["a/b.jpg", "a/b.png", "a/b.tif", "b.png"], png_name)


@pytest.mark.parametrize("keys", [["a", "a.png"], ["a.jpg", "a.jpg.png"], ["a.jpg", "a.jpg.png/b.png"]])
def test_two_images_with_the_same_output_file_are_rejected(tmp_path: Path, keys: Sequence[str]) -> None:
    with pytest.raises(InputError, match="would both write"):
        check_distinct_names(tmp_path, keys, png_name)


SIMILAR = [
    ["Thorax.png", "thorax.png"],
    ["P1/a.png", "p1/A.PNG"],
    [COMPOSED, DECOMPOSED],
    ["a./b.png", "a/b.png"],
    ["a", "A.png"],
]


@pytest.mark.usefixtures("forgetful_disk")
@pytest.mark.parametrize("keys", SIMILAR)
def test_names_that_the_disk_does_not_tell_apart_are_rejected(tmp_path: Path, keys: Sequence[str]) -> None:
    with pytest.raises(InputError, match="does not tell their names apart"):
        check_distinct_names(tmp_path / "out", keys, png_name)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.usefixtures("forgetful_disk")
def test_folders_that_meet_may_hold_different_files(tmp_path: Path) -> None:
    check_distinct_names(tmp_path, ["P1/a.png", "p1/b.png"], png_name)


def test_names_that_this_disk_tells_apart_are_accepted(tmp_path: Path) -> None:
    (tmp_path / "A").touch()
    if (tmp_path / "a").exists():
        pytest.skip("this disk ignores case")
    for keys in SIMILAR[:-1]:
        check_distinct_names(tmp_path, keys, png_name)


def test_disk_that_cannot_be_written_is_left_to_the_run(tmp_path: Path) -> None:
    (tmp_path / "out").write_text("a file")
    check_distinct_names(tmp_path / "out", ["a.png", "A.png"], png_name)
