"""A missing package stops a run before it writes."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from cxr.errors import MissingExtraError
from cxr.infer.records import ImageFile, Stage
from cxr.infer.run import infer_folder
from cxr.infer.stages import Stages
from cxr.machine.extras import require

Draw = Callable[..., Path]
UNCOMPRESSED, JPEG_LOSSLESS = b"1.2.840.10008.1.2.1", b"1.2.840.10008.1.2.4.70"


class Blocker:
    """Makes a package as good as missing."""

    def __init__(self, name: str) -> None:
        self.name = name

    def find_spec(self, name: str, *_: object) -> None:
        if name.partition(".")[0] == self.name:
            raise ModuleNotFoundError(name, name=name)


@pytest.fixture
def without(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Return a function that hides an installed package."""

    def hide(package: str) -> None:
        monkeypatch.setattr(sys, "meta_path", [Blocker(package), *sys.meta_path])
        for name in [name for name in sys.modules if name.partition(".")[0] == package]:
            monkeypatch.delitem(sys.modules, name)
        with pytest.raises(ModuleNotFoundError):
            importlib.util.find_spec(package)

    return hide


def write_dicom(path: Path, syntax: bytes) -> None:
    path.write_bytes(bytes(128) + b"DICM" + b"\2\0\x10\0UI" + len(syntax).to_bytes(2, "little") + syntax)


@pytest.mark.parametrize("name", ["scan.dcm", "IM0001", "1.2.840.5"])
def test_dicom_without_pydicom_is_one_line_and_nothing_is_written(
    model: Path, tmp_path: Path, draw: Draw, without: Callable[[str], None], name: str
) -> None:
    draw(tmp_path / "in" / "a.png", [(8, 8, 4, 5, 250)])
    write_dicom(tmp_path / "in" / name, UNCOMPRESSED)
    without("pydicom")
    with pytest.raises(MissingExtraError, match=r"pydicom is not installed; the extra \[dicom\]"):
        infer_folder(tmp_path / "in", model=model, out=tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_compressed_dicom_without_its_decoder_is_one_line_and_nothing_is_written(
    model: Path, tmp_path: Path, draw: Draw, without: Callable[[str], None]
) -> None:
    draw(tmp_path / "in" / "a.png", [(8, 8, 4, 5, 250)])
    write_dicom(tmp_path / "in" / "scan.dcm", JPEG_LOSSLESS)
    without("imagecodecs")
    with pytest.raises(MissingExtraError, match=r"imagecodecs is not installed; the extra \[dicom\]"):
        infer_folder(tmp_path / "in", model=model, out=tmp_path / "out")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("package", ["pydicom", "imagecodecs"])
def test_folder_without_dicom_needs_no_package_for_it(
    model: Path, tmp_path: Path, draw: Draw, without: Callable[[str], None], package: str
) -> None:
    draw(tmp_path / "in" / "a.png", [(8, 8, 4, 5, 250)])
    (tmp_path / "in" / "page.dcm").write_text("<html>")
    without(package)
    assert infer_folder(tmp_path / "in", model=model, out=tmp_path / "out").rows == 1


def test_package_that_is_found_missing_later_is_not_the_failure_of_an_image() -> None:
    """As for a DICOM file that is called `.png`, which only its decoder recognizes."""
    with pytest.raises(MissingExtraError, match="nowhere is not installed"):
        Stages().run(ImageFile("a.png", Path("a.png")), Stage.DECODE, require, "nowhere", extra="dicom")
