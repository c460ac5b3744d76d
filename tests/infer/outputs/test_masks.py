"""The contract of every mask format, and masks in a run."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Mapping
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt
import pytest
from click.testing import CliRunner
from pycocotools import mask as coco

from cxr.cli import main
from cxr.infer.outputs.mask_formats import mask_files, mask_sink
from cxr.infer.outputs.masks import MaskFormat, MaskSink
from cxr.infer.records import ImageFile
from cxr.infer.run import infer_folder
from cxr.models.card import ModelCard

# pycocotools 2.0.11 passes arrays to NumPy 2 in a deprecated way.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")

Mask = npt.NDArray[np.uint8]
Masks = Mapping[str, Mask]
Fill = Callable[[Path, int], Path]
ReadTable = Callable[[Path], list[dict[str, str]]]

KEY = "sub/image.dcm"


def read_png(out: Path, _rows: Mapping[str, str]) -> dict[str, Mask]:
    masks = {}
    for path in sorted((out / "masks").rglob("*.png")):
        assert path.read_bytes()[24:26] == b"\x01\x00"  # one bit per pixel, gray
        pixels = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
        assert pixels is not None
        assert path.relative_to(out / "masks" / path.parts[-3]).as_posix() == f"{KEY}.png"
        masks[path.parts[-3]] = np.asarray(pixels > 0, np.uint8)
    return masks


def read_rle(_out: Path, rows: Mapping[str, str]) -> dict[str, Mask]:
    masks = {}
    for image, name, height, width, rle in csv.reader(io.StringIO(rows["masks.csv"])):
        assert image == KEY
        counts = {"size": [int(height), int(width)], "counts": rle.encode()}
        masks[name] = np.asarray(coco.decode(counts), np.uint8)
    return masks


def read_dicom(out: Path, _rows: Mapping[str, str]) -> dict[str, Mask]:
    pydicom = pytest.importorskip("pydicom", reason="needs the extra dicom")
    written = pydicom.dcmread(out / "masks" / f"{KEY}.seg.dcm")
    names = [segment.SegmentLabel for segment in written.SegmentSequence]
    frames = written.pixel_array.reshape(len(names), written.Rows, written.Columns)
    return dict(zip(names, frames, strict=True))


READERS = {MaskFormat.PNG: read_png, MaskFormat.RLE: read_rle, MaskFormat.DICOM_SEG: read_dicom}


@pytest.fixture(params=MaskFormat, ids=str)
def sink(request: pytest.FixtureRequest, card_of: Callable[..., ModelCard]) -> MaskSink:
    if request.param is MaskFormat.DICOM_SEG:
        pytest.importorskip("highdicom", reason="needs the extra dicom")
    return mask_sink(request.param, card_of(), "0" * 64)


@pytest.fixture
def image(source: Path) -> ImageFile:
    """Return a DICOM image: the one kind that every format accepts."""
    return ImageFile(KEY, source)


def write_and_read(sink: MaskSink, out: Path, image: ImageFile, masks: Masks) -> dict[str, Mask]:
    assert sink.format is not None
    sink.write(out, image, masks)
    return READERS[sink.format](out, sink.rows(image.key, masks))


@pytest.mark.parametrize("seed", range(4))
def test_written_masks_are_read_back_unchanged(
    sink: MaskSink, tmp_path: Path, image: ImageFile, make_masks: Callable[..., Masks], seed: int
) -> None:
    masks = make_masks(seed)
    read = write_and_read(sink, tmp_path / "out", image, masks)
    assert read.keys() == masks.keys()
    for name, mask in masks.items():
        np.testing.assert_array_equal(read[name], mask)


@pytest.mark.parametrize("value", [0, 1])
def test_empty_and_full_masks_are_written(
    sink: MaskSink, tmp_path: Path, image: ImageFile, make_masks: Callable[..., Masks], value: int
) -> None:
    masks = {name: np.full_like(mask, value) for name, mask in make_masks().items()}
    read = write_and_read(sink, tmp_path / "out", image, masks)
    for name in masks:
        np.testing.assert_array_equal(read[name], masks[name])


@pytest.mark.parametrize("name", ["left lung", "肺", "class_2"])
def test_class_names_are_kept(
    sink: MaskSink, tmp_path: Path, image: ImageFile, make_masks: Callable[..., Masks], name: str
) -> None:
    read = write_and_read(sink, tmp_path / "out", image, {name: make_masks()["lung"]})
    assert list(read) == [name]


def test_writing_again_gives_the_same_bytes(
    sink: MaskSink, tmp_path: Path, image: ImageFile, make_masks: Callable[..., Masks]
) -> None:
    masks = make_masks()
    files = []
    for out in (tmp_path / "first", tmp_path / "second"):
        sink.write(out, image, masks)
        files.append({path.relative_to(out): path.read_bytes() for path in out.rglob("*") if path.is_file()})
    assert files[0] == files[1]
    assert sink.rows(KEY, masks) == sink.rows(KEY, masks)


def test_outputs_and_tables_name_everything_that_is_written(
    sink: MaskSink, tmp_path: Path, image: ImageFile, make_masks: Callable[..., Masks]
) -> None:
    masks = make_masks()
    sink.write(tmp_path / "out", image, masks)
    rows = sink.rows(KEY, masks)
    folders = {f"{path.name}/" for path in (tmp_path / "out").glob("*")}
    assert set(sink.outputs) == folders | set(rows)
    assert set(sink.tables) == set(rows)
    for table, columns in sink.tables.items():
        cells = list(csv.reader(io.StringIO(rows[table])))
        assert {len(row) for row in cells} == {len(columns)}


def test_listed_files_are_those_that_were_written(
    sink: MaskSink, tmp_path: Path, image: ImageFile, make_masks: Callable[..., Masks]
) -> None:
    out, masks = tmp_path / "out", make_masks()
    sink.write(out, image, masks)
    written = {path for path in out.rglob("*") if path.is_file()}
    assert set(mask_files(sink.format, out, KEY, list(masks))) == written


def test_ordinary_names_pass_the_check(sink: MaskSink, tmp_path: Path) -> None:
    sink.check(tmp_path / "out", ["a.png", "b/a.png", "a.dcm"])


def test_no_format_writes_nothing(tmp_path: Path, image: ImageFile, make_masks: Callable[..., Masks]) -> None:
    sink = mask_sink(None, None, "")  # type: ignore[arg-type]
    sink.check(tmp_path / "out", [KEY])
    sink.write(tmp_path / "out", image, make_masks())
    assert mask_files(None, tmp_path / "out", KEY, ["lung"]) == []
    assert (sink.rows(KEY, make_masks()), sink.tables, sink.outputs) == ({}, {}, ())
    assert not (tmp_path / "out").exists()


def test_every_format_has_a_sink_of_its_own(card_of: Callable[..., ModelCard]) -> None:
    assert [mask_sink(one, card_of(), "").format for one in MaskFormat] == list(MaskFormat)


def test_masks_as_rle_equal_masks_as_png(
    model: Path, tmp_path: Path, draw_many: Fill, read_table: ReadTable
) -> None:
    folder = draw_many(tmp_path / "in", 5)
    infer_folder(folder, model=model, out=tmp_path / "png", masks="png")
    summary = infer_folder(folder, model=model, out=tmp_path / "rle", masks="rle")
    assert "masks.csv" in summary.files
    rows = read_table(tmp_path / "rle" / "masks.csv")
    assert [(row["image"], row["class"]) for row in rows[:3]] == [
        ("00/00000000_000.png", "lesion"),
        ("00/00000000_000.png", "lung"),
        ("00/00000001_000.png", "lesion"),
    ]
    assert len(rows) == 10
    for row in rows:
        path = tmp_path / "png" / "masks" / row["class"] / row["image"]
        expected = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
        mask = coco.decode({"size": [int(row["height"]), int(row["width"])], "counts": row["rle"].encode()})
        np.testing.assert_array_equal(np.asarray(mask) > 0, expected > 0)
    assert not (tmp_path / "rle" / "masks").exists()


def test_resumed_run_gives_the_same_mask_table(model: Path, tmp_path: Path, draw_many: Fill) -> None:
    folder = draw_many(tmp_path / "in", 12)

    def interrupt(done: int, _total: int) -> None:
        if done == 7:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        infer_folder(folder, model=model, out=tmp_path / "out", masks="rle", progress=interrupt)
    infer_folder(folder, model=model, out=tmp_path / "out", masks="rle")
    infer_folder(folder, model=model, out=tmp_path / "whole", masks="rle")
    assert (tmp_path / "out" / "masks.csv").read_bytes() == (tmp_path / "whole" / "masks.csv").read_bytes()


@pytest.mark.parametrize(
    ("mask_format", "exit_code", "output"),
    [("png", 0, "masks/"), ("rle", 0, "masks.csv"), ("dicom-seg", 3, "masks/")],
)
def test_command_accepts_every_format_by_name(
    model: Path, tmp_path: Path, draw: Callable[..., Path], mask_format: str, exit_code: int, output: str
) -> None:
    """A PNG has no DICOM Segmentation, which is a failure of the image, exit code 3."""
    draw(tmp_path / "in" / "a.png")
    arguments = ["infer", tmp_path / "in", "--model", model, "--out", tmp_path / "out"]
    ran = CliRunner().invoke(main, [*map(str, arguments), "--masks-as", mask_format])
    assert ran.exit_code == exit_code, ran.output
    assert output in ran.output
