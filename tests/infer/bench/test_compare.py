from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner

from cxr.cli import main
from cxr.errors import InputError, ModelError, ProviderError
from cxr.infer.bench import compare as bench
from cxr.infer.bench.command import results_table
from cxr.infer.bench.compare import BenchResult, bench_models
from cxr.infer.runtime.providers import PROVIDERS
from cxr.infer.runtime.selection import load_best_setting
from cxr.infer.runtime.session import Session
from cxr.models.card import ModelCard, Precision


@pytest.fixture
def single_setting(monkeypatch: pytest.MonkeyPatch) -> None:
    """Measure one batch size and one number of threads: each trial takes a process."""
    monkeypatch.setattr(bench, "batch_sizes", lambda _provider: (3,))
    monkeypatch.setattr(bench, "usable_cores", lambda: 1)


@pytest.mark.usefixtures("single_setting")
def test_best_setting_is_measured_reported_and_stored(
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
    assert "stored for --provider auto" in ran.output
    headers = next(text for text in ran.stdout.splitlines() if "precision" in text)
    for name in ("provider", "batch", "threads", "images/s", "ms/batch", "peak MB", "same pixels"):
        assert name in headers
    best = load_best_setting(Session.open(model).model_hash)
    assert best is not None
    assert (best.provider, best.batch_size, best.rate) == ("cpu", 3, line["rate"])


@pytest.mark.usefixtures("single_setting")
def test_fp32_file_is_the_reference_in_any_order(
    make_model: Callable[..., Path],
    card_of: Callable[..., ModelCard],
    tmp_path: Path,
    draw_many: Callable[..., Path],
) -> None:
    int8 = make_model(card=card_of(thresholds=(0.9, 0.9), precision=Precision.INT8))
    fp32 = make_model()
    report = bench_models([int8, fp32], draw_many(tmp_path / "images", 3), providers=["cpu"])
    assert report.reference == str(fp32)
    assert f"same pixels: as {fp32} on the CPU" in str(results_table(report).title)
    first, second = report.lines
    assert first.agreement < first.same == 1
    assert second.agreement == 1


@pytest.mark.usefixtures("single_setting")
def test_files_with_the_same_name_are_distinguished(
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
        best = load_best_setting(Session.open(path).model_hash)
        assert best is not None
        assert best.rate == line.rate


def damage(path: Path) -> Path:
    path.write_bytes(b"\x89PNG\r\n\x1a\nno")
    return path


@pytest.mark.usefixtures("single_setting")
def test_unreadable_image_is_left_out_and_reported(
    model: Path, tmp_path: Path, draw_many: Callable[..., Path]
) -> None:
    broken = damage(draw_many(tmp_path / "images", 3) / "broken.png")
    report = bench_models([model], tmp_path / "images", providers=["cpu"])
    assert report.images == 3
    assert list(report.left_out) == [str(broken)]
    assert len(report.lines) == 1


def test_folder_of_broken_images_is_rejected(model: Path, tmp_path: Path) -> None:
    damage(tmp_path / "broken.png")
    with pytest.raises(InputError, match=r"no image can be read: .*broken\.png"):
        bench_models([model], tmp_path, providers=["cpu"])


def test_images_are_spread_over_the_folder_and_unreadable_ones_replaced(
    tmp_path: Path, draw: Callable[..., Path]
) -> None:
    paths = [str(draw(tmp_path / f"{number:03d}.png")) for number in range(50)]
    assert bench._choose_images(tmp_path, tmp_path, {}) == (*paths[::3], *paths[1::3][:7])
    for path in paths[::3]:
        damage(Path(path))
    assert bench._choose_images(tmp_path, tmp_path, {}) == (*paths[1::3], *paths[2::3][:7])


@pytest.mark.usefixtures("single_setting")
def test_results_are_reported_even_if_the_cache_cannot_be_written(
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
    assert "stored" not in ran.stdout


@pytest.mark.usefixtures("single_setting")
def test_trial_that_hangs_is_reported(
    model: Path, tmp_path: Path, draw_many: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bench, "TIMEOUT_S", 0.05)
    with pytest.raises(ModelError, match=r"not finished within 0\.05 seconds"):
        bench_models([model], draw_many(tmp_path / "images", 3), providers=["cpu"])


@pytest.mark.usefixtures("single_setting")
def test_module_in_the_working_directory_is_not_imported(
    model: Path, tmp_path: Path, draw_many: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = draw_many(tmp_path / "images", 3)
    (tmp_path / "statistics.py").write_text("raise SystemExit('wrong module')")
    monkeypatch.chdir(tmp_path)
    assert len(bench_models([model], folder, providers=["cpu"]).lines) == 1


def test_argument_that_is_neither_model_nor_folder_is_rejected_by_name(model: Path, tmp_path: Path) -> None:
    ran = CliRunner().invoke(main, ["bench", str(model), str(tmp_path / "nofolder")])
    assert ran.exit_code == 1
    assert f"{tmp_path / 'nofolder'}: neither a model file nor a folder" in ran.stderr


def test_models_that_cannot_be_compared_are_rejected(model: Path, make_model: Callable[..., Path]) -> None:
    with pytest.raises(ModelError, match="differ in classes"):
        bench_models([model, make_model(("lesion",))])


def test_empty_list_of_models_is_rejected() -> None:
    with pytest.raises(InputError, match="no model"):
        bench_models([])


def test_missing_provider_that_was_asked_for_is_rejected(model: Path) -> None:
    with pytest.raises(ProviderError, match="cuda: this onnxruntime has no"):
        bench_models([model], providers=["cuda"])


MODEL_FILE = bench._ModelFile("model.onnx", "ef" * 32, Precision.INT8)


def make_result(*, provider: str = "cpu", threads: int = 1, rate: float = 1, same: float = 1) -> BenchResult:
    return BenchResult(
        model=MODEL_FILE.path,
        hash=MODEL_FILE.hash,
        precision=MODEL_FILE.precision,
        provider=provider,
        batch_size=1,
        threads=threads,
        rate=rate,
        latency=0.1,
        peak_memory=None,
        agreement=0.99,
        same=same,
    )


@pytest.mark.usefixtures("single_setting")
def test_faster_provider_with_other_masks_is_not_the_best() -> None:
    lines = [make_result(provider="cpu", rate=10), make_result(provider="openvino", rate=30, same=0.98)]
    best = bench._best(MODEL_FILE, lines)
    assert best is not None
    assert best.provider == "cpu"
    assert bench._best(MODEL_FILE, lines[1:]) is None


def test_only_results_with_all_cores_can_be_the_best(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bench, "usable_cores", lambda: 4)
    lines = [
        make_result(threads=1, rate=30),
        make_result(threads=4, rate=20),
        make_result(threads=4, rate=10),
    ]
    assert bench._best(MODEL_FILE, lines) == lines[1]
    assert bench._best(MODEL_FILE, lines[:1]) is None


def test_default_batch_size_is_among_those_measured() -> None:
    assert {name: bench.batch_sizes(row) for name, row in PROVIDERS.items()} == {
        "cpu": (1, 4, 8),
        "openvino": (1, 4, 8),
        "cuda": (1, 16, 32),
        "tensorrt": (1, 16, 32),
        "coreml": (1, 8, 16),
        "directml": (1, 8, 16),
    }
