"""The two files of a shipped model: float, and int8 if a candidate is accepted."""

from __future__ import annotations

from pathlib import Path

import pytest

from cxr.data.datasets.splits import Subset
from cxr.export import pair
from cxr.export.gate import GateError
from cxr.export.quantize import recipes
from cxr.export.run import load_segmenter
from cxr.export.run_data import read_split_records
from cxr.models.card import ModelCard, Precision
from cxr.models.file.onnx_file import read_card
from cxr.models.file.verify import verify_model
from cxr.train.run_folder import read_run


def write(run_folder: Path, folder: Path) -> ModelCard:
    run = read_run(run_folder)
    records = read_split_records(run)
    pair.write_pair(
        load_segmenter(run_folder, run.card),
        run.card,
        folder,
        training=records.training,
        validation=records.validation,
        provider="cpu",
        sources={record.key: str(Subset.VALIDATION) for record in records.validation},
    )
    return run.card


def test_pair_is_a_float_and_an_int8_file(
    run_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pair, "MAX_DROP", 0.1)
    write(run_folder, tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["small.onnx", "small_int8.onnx"]
    for path in tmp_path.iterdir():
        verify_model(path)
    card = read_card(tmp_path / "small_int8.onnx")
    assert card.precision is Precision.INT8
    assert card.metrics["lung"].positives == 5
    assert card.metrics_by_source == {"validation": card.metrics}


def test_rejected_int8_file_is_not_left(
    run_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pair, "MAX_DROP", -1.0)
    monkeypatch.setattr(pair, "recipes", lambda provider: recipes(provider)[:1])
    (tmp_path / "small_int8.onnx").write_bytes(b"an earlier file")
    with pytest.raises(GateError, match="no int8 file was written"):
        write(run_folder, tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["small.onnx", "small_int8.onnx"]
    assert (tmp_path / "small_int8.onnx").read_bytes() == b"an earlier file"
