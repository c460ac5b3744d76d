"""Every file that an export writes holds the checksums of what is in it."""

from __future__ import annotations

from pathlib import Path

import pytest

from cxr.errors import ModelError
from cxr.export.graph import attach_card
from cxr.export.half_storage import store_in_half
from cxr.export.run import ExportSummary
from cxr.models.file.onnx_file import read_card
from cxr.models.file.verify import verify_model


def test_fp32_file_is_as_it_was_written(exported: ExportSummary) -> None:
    assert read_card(exported.path).checksum == verify_model(exported.path)


def test_file_with_weights_in_half_has_checksums_of_its_own(exported: ExportSummary, tmp_path: Path) -> None:
    store_in_half(exported.path, tmp_path / "half.onnx")
    assert verify_model(tmp_path / "half.onnx").graph != verify_model(exported.path).graph


def test_another_card_leaves_the_checksum_of_the_graph(exported: ExportSummary, tmp_path: Path) -> None:
    path = tmp_path / "copy.onnx"
    path.write_bytes(exported.path.read_bytes())
    attach_card(path, exported.card)
    assert verify_model(path) == verify_model(exported.path)


def test_a_changed_weight_is_found(exported: ExportSummary, tmp_path: Path) -> None:
    path, content = tmp_path / "changed.onnx", bytearray(exported.path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    with pytest.raises(ModelError, match="graph or tensors have changed"):
        verify_model(path)
