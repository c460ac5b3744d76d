"""A model whose answer is known by looking, and images to show it.

Lesions are the pixels above 180, lungs those above 90: probability 1 / (1 + exp((cut - value) / 4)).
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Generator, Iterator, Sequence
from copy import deepcopy
from dataclasses import dataclass
from importlib import invalidate_caches
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import onnx
import pytest
from hypothesis import settings
from onnx import TensorProto, helper, numpy_helper

from cxr.machine.telemetry import SWITCHES
from cxr.models.card import METADATA_KEY, ModelCard, Normalization, PixelSpec, ResizeRule

# As many examples as hypothesis has by default, or very many for `make soak`.
settings.register_profile("soak", max_examples=100_000)

RESEARCH_DATA = Path(__file__).resolve().parents[2] / "shared" / "data"

SIZE = 64
CUTS = {"lesion": 180.0, "lung": 90.0}

Blob = tuple[int, int, int, int, int]
MakeModel = Callable[..., Path]
Draw = Callable[..., Path]


def make_card(classes: Sequence[str] = ("lesion", "lung"), **changes: Any) -> ModelCard:
    values: dict[str, Any] = {
        "name": "bright spots",
        "classes": tuple(classes),
        "architecture": "none",
        "encoder": "none",
        "pixels": PixelSpec(SIZE, SIZE, ResizeRule.STRETCH),
        "normalization": Normalization(0.0, 1.0),
        "thresholds": (0.5,) * len(classes),
        "license": "Apache-2.0",
    }
    return ModelCard(**(values | changes))


def build_model(
    classes: Sequence[str], *, axes: Sequence[Any] = ("N", 1, SIZE, SIZE), kind: int = TensorProto.UINT8
) -> onnx.ModelProto:
    """Cast, scale, one 1 x 1 convolution and a sigmoid."""
    slope = 255 / 4
    weight = np.full((len(classes), 1, 1, 1), slope, np.float32)
    bias = np.array([-slope * CUTS[name] / 255 for name in classes], np.float32)
    graph = helper.make_graph(
        [
            helper.make_node("Cast", ["image"], ["gray"], to=TensorProto.FLOAT),
            helper.make_node("Div", ["gray", "white"], ["unit"]),
            helper.make_node("Conv", ["unit", "weight", "bias"], ["logit"]),
            helper.make_node("Sigmoid", ["logit"], ["probability"]),
        ],
        "spots",
        [helper.make_tensor_value_info("image", kind, axes)],
        [helper.make_tensor_value_info("probability", TensorProto.FLOAT, (axes[0], len(classes), *axes[2:]))],
        [
            numpy_helper.from_array(np.array(255, np.float32), "white"),
            numpy_helper.from_array(weight, "weight"),
            numpy_helper.from_array(bias, "bias"),
        ],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Escape names that are not UTF-8 in what a test printed: a process of `-n 2` cannot send them."""
    report = yield
    report.sections = [
        (title, text.encode(errors="backslashreplace").decode()) for title, text in report.sections
    ]
    return report


@pytest.fixture(scope="session")
def cxr_dev() -> Path:
    """Give the folder of the real radiographs beside the clone; skip where it is missing."""
    folder = RESEARCH_DATA / "cxr_dev"
    if not folder.is_dir():
        pytest.skip(f"the research data is not there: {folder}")
    return folder


@pytest.fixture(scope="session", autouse=True)
def own_cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Keep what is remembered between runs out of the user's cache, and the user's out of the tests."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))
        yield


@pytest.fixture(scope="session")
def make_model(tmp_path_factory: pytest.TempPathFactory) -> MakeModel:
    """Give a function that writes a model; `change` may spoil it first."""

    def make(
        classes: Sequence[str] = ("lesion", "lung"),
        *,
        card: ModelCard | str | None = None,
        change: Callable[[onnx.ModelProto], None] | None = None,
        **shape: Any,
    ) -> Path:
        model = build_model(classes, **shape)
        text = card if isinstance(card, str) else (card or make_card(classes)).to_json()
        helper.set_model_props(model, {METADATA_KEY: text} if text else {})
        if change is not None:
            change(model)
        path = tmp_path_factory.mktemp("model") / "model.onnx"
        onnx.save(model, path)
        return path

    return make


@pytest.fixture(scope="session")
def card_of() -> Callable[..., ModelCard]:
    return make_card


@pytest.fixture(scope="session")
def model(make_model: MakeModel) -> Path:
    return make_model()


@pytest.fixture(scope="session")
def draw() -> Draw:
    """Give a function that writes an image: gray, with rectangles (row, column, height, width, level).

    The background has more than one value, as an image of one is rejected: up to 40 away from `level`.
    """

    def write(
        path: Path, blobs: Sequence[Blob] = (), *, size: tuple[int, int] = (64, 64), level: int = 20
    ) -> Path:
        texture = np.linspace(0, 40, size[0] * size[1], dtype=np.int64).reshape(size)
        pixels = (level + np.where(level < 128, texture, -texture)).astype(np.uint8)
        for row, column, height, width, value in blobs:
            pixels[row : row + height, column : column + width] = value
        path.parent.mkdir(parents=True, exist_ok=True)
        assert cv2.imwrite(str(path), pixels)
        return path

    return write


@pytest.fixture(scope="session")
def draw_many(draw: Draw) -> Callable[[Path, int], Path]:
    """Give a function that fills a folder with images of different spots."""

    def write(folder: Path, count: int) -> Path:
        rng = np.random.default_rng(count)
        for number in range(count):
            spots = [
                (int(row), int(column), int(height), int(width), int(level))
                for row, column, height, width, level in rng.integers(
                    (2, 2, 2, 2, 120), (40, 40, 16, 16, 250), (number % 4, 5)
                )
            ]
            draw(folder / f"{number // 20:02d}" / f"{number:08d}_000.png", spots, size=(96, 80))
        return folder

    return write


@pytest.fixture(scope="session")
def write_dicom() -> Callable[..., Path]:
    """Return a function that writes a DICOM image of a patient called 4711."""
    pydicom = pytest.importorskip("pydicom", reason="DICOM is an extra")
    from pydicom.dataset import FileMetaDataset
    from pydicom.uid import DigitalXRayImageStorageForPresentation, ExplicitVRLittleEndian

    def write(path: Path, pixels: np.ndarray, **values: Any) -> Path:
        image = pydicom.Dataset()
        image.SOPClassUID = DigitalXRayImageStorageForPresentation
        image.SOPInstanceUID = f"1.2.3.{sum(path.name.encode())}"
        image.StudyInstanceUID, image.SeriesInstanceUID = "1.2", "1.3"
        image.PatientName, image.PatientID, image.Modality = "Doe^Jane", "4711", "DX"
        image.Rows, image.Columns = pixels.shape
        image.SamplesPerPixel, image.PhotometricInterpretation = 1, "MONOCHROME2"
        image.BitsAllocated, image.BitsStored, image.HighBit, image.PixelRepresentation = 8, 8, 7, 0
        image.PixelSpacing = [0.5, 0.25]
        image.PixelData = pixels.tobytes() + b"\0" * (pixels.size % 2)
        image["PixelData"].VR = "OB"
        for keyword, value in values.items():
            setattr(image, keyword, value)
        image.file_meta = FileMetaDataset()
        image.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
        image.file_meta.MediaStorageSOPClassUID = image.SOPClassUID
        image.file_meta.MediaStorageSOPInstanceUID = image.SOPInstanceUID
        path.parent.mkdir(parents=True, exist_ok=True)
        image.save_as(path, enforce_file_format=True)
        return path

    return write


@pytest.fixture(scope="session")
def write_segmentation(write_dicom: Callable[..., Path]) -> Callable[..., Path]:
    """Return a function that writes a Segmentation with highdicom, and its images to `sources/` beside it.

    A segment is its label and its mask, or a list of the masks of several images.
    """
    seg = pytest.importorskip("highdicom", reason="DICOM is an extra").seg
    from pydicom.sr.codedict import codes

    def write(
        path: Path, segments: Sequence[tuple[str, Any]], *, kind: str = "BINARY", refers: bool = True
    ) -> Path:
        """Write a frame for every image and segment, as segments of one image first."""
        stacks = [np.stack(masks) if isinstance(masks, list) else masks[np.newaxis] for _, masks in segments]
        folder, shape = path.parent / "sources", stacks[0].shape[1:]
        images = [_source(folder, number, write_dicom, shape) for number in range(1, len(stacks[0]) + 1)]
        labels = [label for label, _ in segments for _ in images]
        descriptions = [
            seg.SegmentDescription(
                number, label, codes.SCT.Organ, codes.SCT.Lung, seg.SegmentAlgorithmTypeValues.MANUAL
            )
            for number, label in enumerate(labels, 1)
        ]
        pixels = np.concatenate(stacks).transpose(1, 2, 0)[np.newaxis]
        written = seg.Segmentation(
            source_images=images[:1],
            pixel_array=pixels.astype(np.float64 if kind == "FRACTIONAL" else np.uint8),
            segmentation_type=kind,
            segment_descriptions=descriptions,
            series_instance_uid="1.2.9",
            series_number=1,
            sop_instance_uid="1.2.9.1",
            instance_number=1,
            manufacturer="a reader",
            manufacturer_model_name="a pen",
            software_versions="1",
            device_serial_number="1",
            omit_empty_frames=True,
        )
        if len(images) > 1:
            _give_frames_to_images(written, images)
        if not refers:
            _remove_references(written)
        path.parent.mkdir(parents=True, exist_ok=True)
        written.save_as(path, enforce_file_format=True)
        return path

    return write


def _remove_references(written: Any) -> None:
    for keyword in ("ReferencedSeriesSequence", "SourceImageSequence"):
        written.pop(keyword, None)
    for frame in (*written.PerFrameFunctionalGroupsSequence, *written.SharedFunctionalGroupsSequence):
        frame.pop("DerivationImageSequence", None)


def _give_frames_to_images(written: Any, images: Sequence[Any]) -> None:
    """Make every n-th segment, from the k-th on, a frame of the k-th image and of the first segment of n."""
    for frame in written.PerFrameFunctionalGroupsSequence:
        segment = frame.SegmentIdentificationSequence[0]
        first, image = divmod(segment.ReferencedSegmentNumber - 1, len(images))
        segment.ReferencedSegmentNumber = first * len(images) + 1
        frame.DerivationImageSequence = deepcopy(frame.DerivationImageSequence)  # shared by all frames
        source = frame.DerivationImageSequence[0].SourceImageSequence[0]
        source.ReferencedSOPInstanceUID = images[image].SOPInstanceUID
    written.SegmentSequence = written.SegmentSequence[:: len(images)]


def _source(folder: Path, number: int, write_dicom: Callable[..., Path], shape: tuple[int, ...]) -> Any:
    from pydicom import dcmread

    pixels = np.random.default_rng(number).integers(0, 256, shape, dtype=np.uint8)
    without = ("PatientBirthDate", "PatientSex", "AccessionNumber", "StudyID", "StudyDate", "StudyTime")
    elements = dict.fromkeys((*without, "ReferringPhysicianName"), "")
    uid = f"1.2.3.{number}"
    return dcmread(write_dicom(folder / f"{number}.dcm", pixels, SOPInstanceUID=uid, **elements))


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Give a function that puts a package's metadata, without its modules, before what is installed."""
    site = tmp_path / "site"
    site.mkdir()
    monkeypatch.syspath_prepend(site)

    def write(
        name: str,
        version: str,
        *,
        module: str = "",
        requires: Sequence[str] = (),
        extras: Sequence[str] = (),
    ) -> None:
        folder = site / f"{name.replace('-', '_')}-{version}.dist-info"
        folder.mkdir()
        lines = ["Metadata-Version: 2.1", f"Name: {name}", f"Version: {version}"]
        lines += [f"Requires-Dist: {one}" for one in requires]
        lines += [f"Provides-Extra: {one}" for one in extras]
        (folder / "METADATA").write_text("\n".join(lines) + "\n")
        (folder / "top_level.txt").write_text(module)
        invalidate_caches()

    return write


@dataclass(frozen=True)
class NewHomeRun:
    """What Python left in a new home folder, and the internet connections it tried (None without strace)."""

    files: tuple[str, ...]
    connections: tuple[str, ...] | None


@pytest.fixture(scope="session")
def run_in_new_home(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., NewHomeRun]:
    """Return a function that runs Python as a new user would, outside CI, under strace where installed.

    Variables that turn telemetry off are removed. A proxy that does not exist takes every connection, so
    nothing is sent even if telemetry is on.
    """

    def run(*arguments: str) -> NewHomeRun:
        home = tmp_path_factory.mktemp("home")
        trace = tmp_path_factory.mktemp("trace") / "trace"
        unset = {
            "CI",
            "ORT_RUNNING_UNIT_TESTS",
            "TF_BUILD",
            "JENKINS_URL",
            "DISABLE_TELEMETRY",
            "DO_NOT_TRACK",
        }
        unset.update(variable for switches in SWITCHES.values() for variable in switches)
        kept = {name: value for name, value in os.environ.items() if name not in unset}
        proxy = dict.fromkeys(
            ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY"), "http://127.0.0.1:9"
        )
        strace = shutil.which("strace")
        prefix = [strace, "-f", "--seccomp-bpf", "-e", "trace=connect", "-o", str(trace)] if strace else []
        done = subprocess.run(
            [*prefix, sys.executable, *arguments],
            env=kept | proxy | {"HOME": str(home), "XDG_CACHE_HOME": str(home / "cache")},
            cwd=home,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        files = tuple(str(path.relative_to(home)) for path in sorted(home.rglob("*")))
        if not strace:
            return NewHomeRun(files, None)
        lines = trace.read_text(errors="replace").splitlines()
        return NewHomeRun(files, tuple(line for line in lines if "sa_family=AF_INET" in line))

    return run
