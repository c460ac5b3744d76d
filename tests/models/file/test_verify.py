from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import onnx
import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st
from onnx import TensorProto, helper

from cxr.errors import ExitCode, ModelError
from cxr.models.card import METADATA_KEY, ModelCard
from cxr.models.file.command import command
from cxr.models.file.onnx_file import read_card, read_onnx
from cxr.models.file.stored_card import store_card
from cxr.models.file.verify import verify_model

MakeModel = Callable[..., Path]


@pytest.fixture(scope="session")
def sealed(make_model: MakeModel) -> Path:
    """A small model whose card holds its checksums."""
    path = make_model()
    path.write_bytes(store_card(path.read_bytes(), read_card(path)))
    return path


def test_model_as_it_was_written_is_ok(sealed: Path) -> None:
    checksum = verify_model(sealed)
    assert read_card(sealed).checksum == checksum
    result = CliRunner().invoke(command, [str(sealed)])
    assert result.exit_code == ExitCode.DONE
    assert result.output == f"{sealed}: ok  graph sha256 {checksum.graph}\n"


@given(st.data())
def test_a_flipped_byte_anywhere_is_never_ok(
    sealed: Path, tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    content = bytearray(sealed.read_bytes())
    at = data.draw(st.integers(0, len(content) - 1))
    content[at] ^= data.draw(st.integers(1, 255))
    path = tmp_path_factory.getbasetemp() / "flipped.onnx"
    path.write_bytes(content)
    with pytest.raises(ModelError) as caught:
        verify_model(path)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_every_byte_of_the_card_and_its_checksums_is_covered(sealed: Path, tmp_path: Path) -> None:
    """The case of a hexadecimal digit, too, which a number does not have."""
    content = sealed.read_bytes()
    start = content.index(b'"checksum"')
    path = tmp_path / "flipped.onnx"
    for at in range(start, start + 250):
        path.write_bytes(content[:at] + bytes([content[at] ^ 0x20]) + content[at + 1 :])
        with pytest.raises(ModelError):
            verify_model(path)


@given(st.integers(0, 2**16))
def test_a_file_that_is_cut_or_continued_is_never_ok(
    sealed: Path, tmp_path_factory: pytest.TempPathFactory, number: int
) -> None:
    content = sealed.read_bytes()
    path = tmp_path_factory.getbasetemp() / "cut.onnx"
    for damaged in (content[: number % len(content)], content + number.to_bytes(3, "little")):
        path.write_bytes(damaged)
        with pytest.raises(ModelError):
            verify_model(path)


def test_another_card_leaves_the_hash_of_the_graph(sealed: Path, tmp_path: Path) -> None:
    path = tmp_path / "other.onnx"
    card = replace(read_card(sealed), thresholds=(0.25, 0.75))
    path.write_bytes(store_card(sealed.read_bytes(), card))
    assert verify_model(path).graph == verify_model(sealed).graph
    assert verify_model(path).metadata != verify_model(sealed).metadata
    assert read_card(path) == card


def test_a_stored_card_is_what_onnx_reads(sealed: Path) -> None:
    model = onnx.load(sealed)
    onnx.checker.check_model(model, full_check=True)
    metadata = {entry.key: entry.value for entry in model.metadata_props}
    assert metadata == read_onnx(sealed).metadata
    assert ModelCard.from_json(metadata[METADATA_KEY]).checksum is not None
    assert metadata["names"] == "{0: 'lesion', 1: 'lung'}"


def test_metadata_of_other_tools_stay_and_are_covered(make_model: MakeModel, tmp_path: Path) -> None:
    path = make_model()
    model = onnx.load(path)
    entry = model.metadata_props.add()
    entry.key, entry.value = "note", "from a scanner"
    path.write_bytes(store_card(model.SerializeToString(), read_card(path)))
    assert read_onnx(path).metadata["note"] == "from a scanner"
    verify_model(path)
    path.write_bytes(path.read_bytes().replace(b"a scanner", b"a Scanner"))
    with pytest.raises(ModelError, match="card or metadata have changed"):
        verify_model(path)


def test_external_data_is_covered(make_model: MakeModel, sealed: Path) -> None:
    path = make_model()
    model = onnx.load(path)
    tensor = model.graph.initializer[1]
    data, tensor.data_location = tensor.raw_data, TensorProto.EXTERNAL
    tensor.ClearField("raw_data")
    entry = tensor.external_data.add()
    entry.key, entry.value = "location", "w.bin"
    (path.parent / "w.bin").write_bytes(data)
    path.write_bytes(store_card(model.SerializeToString(), read_card(path), external=[data]))
    verify_model(path)
    (path.parent / "w.bin").write_bytes(data[:-1] + b"?")
    with pytest.raises(ModelError, match="graph or tensors have changed"):
        verify_model(path)
    path.write_bytes(path.read_bytes().replace(b"w.bin", b"w\0bin"))
    result = CliRunner().invoke(command, [str(path), str(sealed)])
    assert result.exit_code == ExitCode.ERROR
    assert result.stdout.startswith(f"{sealed}: ok")
    assert result.stderr.startswith(f"{path}: its external data 'w\\x00bin' cannot be read")


def test_every_bad_file_is_one_line_and_the_others_are_still_verified(
    sealed: Path, make_model: MakeModel, tmp_path: Path
) -> None:
    without_checksum, without_card = make_model(), make_model(card="")
    newer = make_model(card=json.dumps({"schema": 9, "classes": 5}))
    damaged = tmp_path / "damaged.onnx"
    damaged.write_bytes(b"\xff" * 40)
    missing = tmp_path / "missing.onnx"
    bad = [without_checksum, without_card, newer, damaged, missing]
    result = CliRunner().invoke(command, [*map(str, bad), str(sealed)])
    assert result.exit_code == ExitCode.ERROR
    assert result.stdout == f"{sealed}: ok  graph sha256 {verify_model(sealed).graph}\n"
    lines = result.stderr.splitlines()
    causes = [
        "holds no checksum",
        "no model card",
        "newer version of cxr",
        "not an ONNX model",
        "cannot be read",
    ]
    assert len(lines) == len(bad)
    for line, path, cause in zip(lines, bad, causes, strict=True):
        assert line.startswith(f"{path}: ")
        assert cause in line


def test_graph_in_a_function_is_covered(make_model: MakeModel) -> None:
    """Fields after the metadata count too: local functions are stored behind them."""

    def add_function(model: onnx.ModelProto) -> None:
        node = helper.make_node("Identity", ["x"], ["y"])
        opset = helper.make_opsetid("", 17)
        model.functions.append(helper.make_function("local", "same", ["x"], ["y"], [node], [opset]))

    path = make_model(change=add_function)
    path.write_bytes(store_card(path.read_bytes(), read_card(path)))
    verify_model(path)
    path.write_bytes(path.read_bytes().replace(b"same", b"Same"))
    with pytest.raises(ModelError, match="graph or tensors have changed"):
        verify_model(path)
