"""What a folder listing takes, what it leaves out and counts, and what it reports as a failure."""

from __future__ import annotations

import ctypes
import gzip
import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from cxr.errors import InputError
from cxr.infer.listing.folder import list_folder
from cxr.infer.records import Failure, ImageFile


def touch(root: Path, *names: str) -> None:
    for name in names:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()


def keys(root: Path) -> list[str]:
    return [entry.key for entry in list_folder(root).entries]


def test_images_of_all_folders_are_sorted_by_key(tmp_path: Path) -> None:
    touch(tmp_path, "b.png", "a/z.JPG", "a/y/x.tiff", "Ä ö.png", "a.png", "notes.txt", "table.csv")
    assert keys(tmp_path) == ["a.png", "a/y/x.tiff", "a/z.JPG", "b.png", "Ä ö.png"]


def test_hidden_files_and_folders_are_left_out(tmp_path: Path) -> None:
    touch(tmp_path, "a.png", ".hidden/b.png", ".c.png", ".notes")
    listing = list_folder(tmp_path)
    assert [entry.key for entry in listing.entries] == ["a.png"]
    assert dict(listing.skipped) == {"(hidden)": 1}


def test_folders_called_masks_or_overlays_hold_images_like_any_other(tmp_path: Path) -> None:
    touch(tmp_path, "a.png", "masks/b.png", "masks/lesion/c.png", "overlays/d.png")
    assert keys(tmp_path) == ["a.png", "masks/b.png", "masks/lesion/c.png", "overlays/d.png"]


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
    item, failure = list_folder(tmp_path).entries
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
    assert list_folder(tmp_path / "b.png").entries == (ImageFile("b.png", tmp_path / "b.png"),)


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


def test_files_that_are_not_images_are_counted_by_suffix_the_most_frequent_first(tmp_path: Path) -> None:
    touch(tmp_path, "a.png", "notes.TXT", "b/more.txt", "table.csv", "README", "1.2.840.113", "x. Smith, J.")
    (tmp_path / "image.dcm.gz").write_bytes(gzip.compress(b"DICM"))
    (tmp_path / "scan.gif").write_bytes(b"GIF89a" + bytes(20))
    listing = list_folder(tmp_path)
    assert list(listing.skipped.items()) == [
        ("(no suffix)", 3),
        (".txt", 2),
        (".csv", 1),
        (".dcm.gz", 1),
        (".gif", 1),
    ]
    assert listing.left_out == ("left out, not images: 8 (3 (no suffix), 2 .txt, 1 .csv, 1 .dcm.gz, 1 .gif)",)


def test_names_that_are_easily_misread_are_shown(tmp_path: Path) -> None:
    touch(tmp_path, "a.png", "b.png\r", "ward\tA/c.png", "d.png ", "e\x1b.png")
    (note,) = list_folder(tmp_path).notes
    assert note == (
        r"4 names hold a control character or end in a blank: 'b.png\r', 'd.png ', 'e\x1b.png', ..."
    )


def test_backups_of_an_image_are_counted_and_not_measured_again(
    tmp_path: Path, draw: Callable[..., Path]
) -> None:
    image = draw(tmp_path / "a.png").read_bytes()
    for name in ("a.png~", "a.png.bak", "a.png_original", "a.png.crdownload"):
        (tmp_path / name).write_bytes(image)
    assert keys(tmp_path) == ["a.png"]
    assert sum(list_folder(tmp_path).skipped.values()) == 4


def test_links_without_target_and_pipes_are_counted(tmp_path: Path) -> None:
    touch(tmp_path, "a.png")
    (tmp_path / "gone").symlink_to(tmp_path / "nowhere")
    os.mkfifo(tmp_path / "pipe")
    assert dict(list_folder(tmp_path).skipped) == {"(broken link)": 1, "(no regular file)": 1}


def test_file_with_the_suffix_of_an_image_is_not_opened(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    touch(tmp_path, "a.png", "b.dcm", "c.JPG ", "d.tif\r")

    def refuse(path: Path, *_: object, **__: object) -> None:
        raise AssertionError(path)

    monkeypatch.setattr(Path, "open", refuse)
    assert keys(tmp_path) == ["a.png", "b.dcm", "c.JPG ", "d.tif\r"]


def test_folder_that_holds_only_other_files_says_what_they_are(tmp_path: Path) -> None:
    touch(tmp_path, "a.txt", "b.txt")
    with pytest.raises(InputError, match=r"no images in this folder .*left out, not images: 2 \(2 \.txt\)"):
        list_folder(tmp_path)


def test_image_file_knows_its_size_and_time_of_modification(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(b"12345")
    os.utime(tmp_path / "a.png", ns=(1, 7_000))
    (entry,) = list_folder(tmp_path).entries
    assert isinstance(entry, ImageFile)
    assert (entry.size, entry.modified_ns) == (5, 7_000)


def _drop_root_rights() -> None:
    """Drop the two capabilities by which root reads everything: it then has the rights of any owner."""
    libc = ctypes.CDLL(None)
    for capability in (1, 2):
        libc.prctl(24, capability, 0, 0, 0)


@pytest.mark.skipif(sys.platform != "linux", reason="drops capabilities as Linux has them")
def test_what_may_not_be_read_is_a_failure(tmp_path: Path) -> None:
    touch(tmp_path, "a.png", "locked/deep/b.png", "locked/IM0002", "IM0003", "closed/c.png")
    (tmp_path / "locked").chmod(0o644)  # its names can be listed, what it holds cannot be reached
    (tmp_path / "closed").chmod(0)
    (tmp_path / "IM0003").chmod(0)
    code = (
        "import json, sys\nfrom pathlib import Path\nfrom cxr.infer.listing.folder import list_folder\n"
        "entries = list_folder(Path(sys.argv[1])).entries\n"
        "print(json.dumps([[entry.key, getattr(entry, 'error', '')] for entry in entries]))"
    )
    try:
        done = subprocess.run(
            [sys.executable, "-c", code, str(tmp_path)],
            capture_output=True,
            text=True,
            check=True,
            preexec_fn=_drop_root_rights,
        )
    finally:
        (tmp_path / "locked").chmod(0o755)
        (tmp_path / "closed").chmod(0o755)
    found = dict(json.loads(done.stdout))
    assert list(found) == ["IM0003", "a.png", "closed", "locked/IM0002", "locked/deep"]
    assert all("Permission denied" in error for key, error in found.items() if key != "a.png")
