from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner

from cxr.cli import main
from cxr.errors import InputError, ModelError, ProviderError
from cxr.infer.bench import compare as bench
from cxr.infer.bench.command import table
from cxr.infer.bench.compare import Line, bench_models
from cxr.infer.runtime.providers import PROVIDERS
from cxr.infer.runtime.selection import recall
from cxr.infer.runtime.session import Session
from cxr.models.card import ModelCard, Precision


@pytest.fixture
def short(monkeypatch: pytest.MonkeyPatch) -> None:
    """One batch, one number of threads: each trial is a process of its own."""
    monkeypatch.setattr(bench, "batch_sizes", lambda _provider: (3,))
    monkeypatch.setattr(bench, "usable_cores", lambda: 1)


@pytest.mark.usefixtures("short")
def test_the_best_setting_is_measured_told_and_remembered(
    model: Path, tmp_path: Path, draw_many: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "80")  # as where the output is a file
    folder = draw_many(tmp_path / "images", 5)
    report = tmp_path / "bench.json"
    ran = CliRunner().invoke(
        main, ["bench", str(model), str(folder), "--provider", "cpu", "--out", str(report)]
    )
    assert ran.exit_code == 0, ran.output
    (line,) = json.loads(report.read_text())["lines"]
    assert (line["provider"], line["batch_size"], line["threads"]) == ("cpu", 3, 1)
    assert line["agreement"] == line["same"] == 1
    assert line["rate"] > 0
    assert line["peak_memory"] > 10e6
    assert f"best for {model}: cpu, batch 3, 1 threads" in ran.output
    assert "remembered for --provider auto" in ran.output
    heads = next(text for text in ran.stdout.splitlines() if "precision" in text)
    for name in ("provider", "batch", "threads", "images/s", "ms a pass", "peak MB", "same pixels"):
        assert name in heads
    best = recall(Session.open(model).model_hash)
    assert best is not None
    assert (best.provider, best.batch_size, best.rate) == ("cpu", 3, line["rate"])


@pytest.mark.usefixtures("short")
def test_the_fp32_file_is_the_reference_in_whatever_order(
    make_model: Callable[..., Path],
    card_of: Callable[..., ModelCard],
    tmp_path: Path,
    draw_many: Callable[..., Path],
) -> None:
    int8 = make_model(card=card_of(thresholds=(0.9, 0.9), precision=Precision.INT8))
    fp32 = make_model()
    report = bench_models([int8, fp32], draw_many(tmp_path / "images", 3), providers=["cpu"])
    assert report.reference == str(fp32)
    assert f"same pixels: as {fp32} on the CPU" in str(table(report).title)
    first, second = report.lines
    assert first.agreement < first.same == 1
    assert second.agreement == 1


@pytest.mark.usefixtures("short")
def test_files_of_one_name_are_told_apart(
    model: Path,
    make_model: Callable[..., Path],
    card_of: Callable[..., ModelCard],
    tmp_path: Path,
    draw_many: Callable[..., Path],
) -> None:
    other = make_model(card=card_of(name="of the same file name"))
    assert model.name == other.name
    report = bench_models([model, other], draw_many(tmp_path / "images", 3), providers=["cpu"])
    assert report.reference == str(model)
    assert [line.model for line in report.best] == [str(model), str(other)]
    for path, line in zip((model, other), report.best, strict=True):
        best = recall(Session.open(path).model_hash)
        assert best is not None
        assert best.rate == line.rate


def spoil(path: Path) -> Path:
    path.write_bytes(b"\x89PNG\r\n\x1a\nno")
    return path


@pytest.mark.usefixtures("short")
def test_a_image_that_cannot_be_read_is_left_out_and_said(
    model: Path, tmp_path: Path, draw_many: Callable[..., Path]
) -> None:
    broken = spoil(draw_many(tmp_path / "images", 3) / "broken.png")
    report = bench_models([model], tmp_path / "images", providers=["cpu"])
    assert report.images == 3
    assert list(report.left_out) == [str(broken)]
    assert len(report.lines) == 1


def test_a_folder_of_broken_images_is_refused(model: Path, tmp_path: Path) -> None:
    spoil(tmp_path / "broken.png")
    with pytest.raises(InputError, match=r"no image can be read: .*broken\.png"):
        bench_models([model], tmp_path, providers=["cpu"])


def test_the_images_are_spread_over_the_folder_and_filled_up_with_others(
    tmp_path: Path, draw: Callable[..., Path]
) -> None:
    paths = [str(draw(tmp_path / f"{number:03d}.png")) for number in range(50)]
    assert bench._images(tmp_path, tmp_path, {}) == (*paths[::3], *paths[1::3][:7])
    for path in paths[::3]:
        spoil(Path(path))
    assert bench._images(tmp_path, tmp_path, {}) == (*paths[1::3], *paths[2::3][:7])


@pytest.mark.usefixtures("short")
def test_a_cache_that_cannot_be_written_loses_no_figure(
    model: Path, tmp_path: Path, draw_many: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, out = draw_many(tmp_path / "images", 3), tmp_path / "bench.json"
    (tmp_path / "file").touch()
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    arguments = ["bench", str(model), str(folder), "--provider", "cpu", "--out", str(out)]
    ran = CliRunner().invoke(main, arguments)
    assert ran.exit_code == 0, ran.output
    written = json.loads(out.read_text())
    assert len(written["best"]) == 1
    assert written["remembered"] == []
    assert f"best for {model}" in ran.stdout
    assert "remembered" not in ran.stdout


@pytest.mark.usefixtures("short")
def test_a_provider_that_hangs_is_left_out(
    model: Path, tmp_path: Path, draw_many: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bench, "TIMEOUT_S", 0.05)
    with pytest.raises(ModelError, match=r"not done within 0\.05 seconds"):
        bench_models([model], draw_many(tmp_path / "images", 3), providers=["cpu"])


@pytest.mark.usefixtures("short")
def test_a_module_in_the_working_directory_is_not_run(
    model: Path, tmp_path: Path, draw_many: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = draw_many(tmp_path / "images", 3)
    (tmp_path / "statistics.py").write_text("raise SystemExit('a stranger')")
    monkeypatch.chdir(tmp_path)
    assert len(bench_models([model], folder, providers=["cpu"]).lines) == 1


def test_what_is_neither_model_nor_folder_is_named(model: Path, tmp_path: Path) -> None:
    ran = CliRunner().invoke(main, ["bench", str(model), str(tmp_path / "nofolder")])
    assert ran.exit_code == 1
    assert f"{tmp_path / 'nofolder'}: neither a model file nor a folder" in ran.stderr


def test_models_that_cannot_be_compared_are_refused(model: Path, make_model: Callable[..., Path]) -> None:
    with pytest.raises(ModelError, match="differ in classes"):
        bench_models([model, make_model(("lesion",))])


def test_nothing_to_measure_is_said() -> None:
    with pytest.raises(InputError, match="no model"):
        bench_models([])


def test_a_provider_that_was_named_and_is_missing_is_refused(model: Path) -> None:
    with pytest.raises(ProviderError, match="cuda: this onnxruntime has no"):
        bench_models([model], providers=["cuda"])


KNOWN = bench._Model("model.onnx", "ef" * 32, Precision.INT8)


def make_line(*, provider: str = "cpu", threads: int = 1, rate: float = 1, same: float = 1) -> Line:
    hash_ = KNOWN.hash
    return Line(KNOWN.path, hash_, KNOWN.precision, provider, 1, threads, rate, 0.1, None, 0.99, same)


@pytest.mark.usefixtures("short")
def test_a_quicker_provider_that_moves_the_masks_is_not_the_best() -> None:
    lines = [make_line(provider="cpu", rate=10), make_line(provider="openvino", rate=30, same=0.98)]
    best = bench._best(KNOWN, lines)
    assert best is not None
    assert best.provider == "cpu"
    assert bench._best(KNOWN, lines[1:]) is None


def test_only_lines_of_all_cores_compete_for_what_auto_takes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bench, "usable_cores", lambda: 4)
    lines = [make_line(threads=1, rate=30), make_line(threads=4, rate=20), make_line(threads=4, rate=10)]
    assert bench._best(KNOWN, lines) == lines[1]
    assert bench._best(KNOWN, lines[:1]) is None


def test_what_a_run_takes_where_nobody_says_is_among_what_is_tried() -> None:
    assert {name: bench.batch_sizes(row) for name, row in PROVIDERS.items()} == {
        "cpu": (1, 4, 8),
        "openvino": (1, 4, 8),
        "cuda": (1, 16, 32),
        "tensorrt": (1, 16, 32),
        "coreml": (1, 8, 16),
        "directml": (1, 8, 16),
    }
