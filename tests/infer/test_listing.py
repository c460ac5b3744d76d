from __future__ import annotations

import os
from pathlib import Path

import pytest

from cxr.errors import InputError
from cxr.infer.listing import list_folder
from cxr.infer.records import Failure, ImageFile


def touch(root: Path, *names: str) -> None:
    for name in names:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()


def keys(root: Path, **options: object) -> list[str]:
    return [entry.key for entry in list_folder(root, **options)]  # type: ignore[arg-type]


def test_images_of_all_folders_are_sorted_by_key(tmp_path: Path) -> None:
    touch(tmp_path, "b.png", "a/z.JPG", "a/y/x.tiff", "Ä ö.png", "a.png", "notes.txt", "table.csv")
    assert keys(tmp_path) == ["a.png", "a/y/x.tiff", "a/z.JPG", "b.png", "Ä ö.png"]


def test_hidden_and_skipped_folders_are_left_out(tmp_path: Path) -> None:
    touch(tmp_path, "a.png", ".hidden/b.png", ".c.png", "masks/lesion/a.png", "deep/masks/d.png")
    assert keys(tmp_path, skip=[tmp_path / "masks"]) == ["a.png", "deep/masks/d.png"]


def test_link_loops_end_and_links_are_followed_once(tmp_path: Path) -> None:
    root, other = tmp_path / "root", tmp_path / "other"
    touch(root, "z/a.png")
    touch(other, "b.png")
    (root / "z" / "loop").symlink_to(root)
    (root / "again").symlink_to(root / "z")
    (root / "other").symlink_to(other)
    (root / "self").symlink_to("self")
    assert keys(root) == ["other/b.png", "z/a.png"]


def test_dangling_link_is_listed_so_that_its_failure_is_recorded(tmp_path: Path) -> None:
    touch(tmp_path, "a.png")
    (tmp_path / "gone.png").symlink_to(tmp_path / "nowhere.png")
    assert keys(tmp_path) == ["a.png", "gone.png"]


def test_named_pipe_is_not_an_image(tmp_path: Path) -> None:
    touch(tmp_path, "a.png")
    os.mkfifo(tmp_path / "pipe.png")
    assert keys(tmp_path) == ["a.png"]


def test_unreadable_folder_is_a_failure(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    touch(tmp_path, "a.png", "locked/b.png")
    scan = os.scandir

    def deny(path: Path) -> object:
        if Path(path).name == "locked":
            raise PermissionError(13, "Permission denied")
        return scan(path)

    monkeypatch.setattr(os, "scandir", deny)
    item, failure = list_folder(tmp_path)
    assert isinstance(item, ImageFile)
    assert isinstance(failure, Failure)
    assert (failure.key, failure.stage) == ("locked", "list")
    assert "Permission denied" in failure.error


def test_name_that_is_not_utf8_is_escaped(tmp_path: Path) -> None:
    (Path(os.fsdecode(os.fsencode(tmp_path) + b"/\xff.png"))).touch()
    (key,) = keys(tmp_path)
    assert key.encode("utf-8") == rb"\udcff.png"


def test_single_image_is_accepted_in_place_of_a_folder(tmp_path: Path) -> None:
    touch(tmp_path, "a.png", "b.png")
    assert list_folder(tmp_path / "b.png") == [ImageFile("b.png", tmp_path / "b.png")]


@pytest.mark.parametrize(
    ("name", "message"), [("none", "no such folder"), ("empty", "no images in this folder")]
)
def test_folder_without_images_is_an_input_error(tmp_path: Path, name: str, message: str) -> None:
    touch(tmp_path, "empty/notes.txt")
    with pytest.raises(InputError, match=message):
        list_folder(tmp_path / name)


def test_dicom_files_are_recognized_by_their_content(tmp_path: Path) -> None:
    touch(tmp_path, "README", "1.2.840.txt")
    dicom = bytes(128) + b"DICM" + bytes(10)
    for name in ("IM000001", "1.2.840.113619", "DICOMDIR", "image.dcm"):
        (tmp_path / name).write_bytes(dicom)
    assert keys(tmp_path) == ["1.2.840.113619", "IM000001", "image.dcm"]
