from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner

from cxr.cli import main
from cxr.errors import InputError, ModelError, ProviderError
from cxr.infer import bench
from cxr.infer.bench import Line, bench_models
from cxr.infer.remembered import recall
from cxr.infer.session import Session
from cxr.models.card import ModelCard, Precision


@pytest.fixture
def short(monkeypatch: pytest.MonkeyPatch) -> None:
    """One batch, one number of threads: each trial is a process of its own."""
    monkeypatch.setattr(bench, "BATCHES", (3,))
    monkeypatch.setattr(bench, "usable_cores", lambda: 1)


@pytest.mark.usefixtures("short")
def test_the_best_setting_is_measured_told_and_remembered(
    model: Path, tmp_path: Path, draw_many: Callable[..., Path]
) -> None:
    folder = draw_many(tmp_path / "films", 5)
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
    assert "best for model.onnx: cpu, batch 3, 1 threads" in ran.output
    best = recall(Session.open(model).model_hash)
    assert best is not None
    assert (best.provider, best.batch_size, best.rate) == ("cpu", 3, line["rate"])


@pytest.mark.usefixtures("short")
def test_masks_are_compared_with_the_first_model(
    model: Path,
    make_model: Callable[..., Path],
    card_of: Callable[..., ModelCard],
    tmp_path: Path,
    draw_many: Callable[..., Path],
) -> None:
    other = make_model(card=card_of(thresholds=(0.9, 0.9)))
    folder = draw_many(tmp_path / "films", 3)
    first, second = bench_models([model, other], folder, providers=["cpu"]).lines
    assert first.agreement == 1
    assert second.agreement < 1
    assert second.same == 1


@pytest.mark.usefixtures("short")
def test_a_picture_that_cannot_be_read_stops_the_bench(model: Path, tmp_path: Path) -> None:
    (tmp_path / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\nno")
    with pytest.raises(ModelError, match=r"nothing can be compared: .*broken\.png"):
        bench_models([model], tmp_path, providers=["cpu"])


def test_models_that_cannot_be_compared_are_refused(model: Path, make_model: Callable[..., Path]) -> None:
    with pytest.raises(ModelError, match="differ in classes"):
        bench_models([model, make_model(("lesion",))])


def test_nothing_to_measure_is_said() -> None:
    with pytest.raises(InputError, match="no model"):
        bench_models([])


def test_a_provider_that_was_named_and_is_missing_is_refused(model: Path) -> None:
    with pytest.raises(ProviderError, match="cuda: this onnxruntime has no"):
        bench_models([model], providers=["cuda"])


def test_a_quicker_provider_that_moves_the_masks_is_not_the_best(model: Path) -> None:
    def line(provider: str, rate: float, same: float) -> Line:
        return Line("model.onnx", Precision.INT8, provider, 1, 1, rate, 0.1, None, 0.99, same)

    known = bench._Model(model, "ef" * 32, Precision.INT8)
    best = bench._remember(known, [line("cpu", 10, 1.0), line("openvino", 30, 0.98)])
    assert best is not None
    assert best.provider == "cpu"
    assert bench._remember(known, [line("openvino", 30, 0.98)]) is None
