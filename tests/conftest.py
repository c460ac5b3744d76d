"""A model whose answer is known by looking, and images to show it.

Lesions are the pixels above 180, lungs those above 90: probability 1 / (1 + exp((cut - value) / 4)).
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Generator, Iterator, Sequence
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
