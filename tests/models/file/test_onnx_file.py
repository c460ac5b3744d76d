from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import onnx
import pytest
from onnx import TensorProto, helper

from cxr.errors import ModelError
from cxr.models.file.onnx_file import read_onnx

MakeModel = Callable[..., Path]


def store_externally(location: str) -> Callable[[onnx.ModelProto], None]:
    """Return a change that moves the data of the weight to another file."""

    def change(model: onnx.ModelProto) -> None:
        tensor = model.graph.initializer[1]
        tensor.ClearField("raw_data")
        tensor.data_location = TensorProto.EXTERNAL
        entry = tensor.external_data.add()
        entry.key, entry.value = "location", location

    return change


def store_in_attribute(model: onnx.ModelProto) -> None:
    """Put a tensor with external data into a branch of an If node."""
    tensor = helper.make_tensor("hidden", TensorProto.FLOAT, [1], [1.0])
    tensor.ClearField("float_data")
    tensor.data_location = TensorProto.EXTERNAL
    entry = tensor.external_data.add()
    entry.key, entry.value = "location", "hidden.bin"
    constant = helper.make_node("Constant", [], ["c"], value=tensor)
    branch = helper.make_graph(
        [constant], "b", [], [helper.make_tensor_value_info("c", TensorProto.FLOAT, [1])]
    )
    model.graph.node.append(helper.make_node("If", ["x"], ["y"], then_branch=branch, else_branch=branch))


def test_metadata_equals_what_onnx_reads(model: Path) -> None:
    expected = {entry.key: entry.value for entry in onnx.load(model).metadata_props}
    assert read_onnx(model).metadata == expected


def test_model_in_one_file_has_no_external_data(model: Path) -> None:
    assert read_onnx(model).external == ()


@pytest.mark.parametrize(
    ("change", "expected"), [(store_externally("w.bin"), ("w.bin",)), (store_in_attribute, ("hidden.bin",))]
)
def test_external_data_is_found_in_initializers_and_in_attributes(
    make_model: MakeModel, change: Callable[[onnx.ModelProto], None], expected: tuple[str, ...]
) -> None:
    assert read_onnx(make_model(change=change)).external == expected


@pytest.mark.parametrize("location", ["../w.bin", "/etc/passwd", "link.bin"])
def test_external_data_outside_the_folder_is_rejected(make_model: MakeModel, location: str) -> None:
    path = make_model(change=store_externally(location))
    (path.parent / "link.bin").symlink_to("/etc/passwd")
    with pytest.raises(ModelError, match="is outside its folder"):
        read_onnx(path).external_files()


def test_missing_external_data_is_named(make_model: MakeModel) -> None:
    with pytest.raises(ModelError, match=r"'w\.bin' does not exist"):
        read_onnx(make_model(change=store_externally("w.bin"))).external_files()


@pytest.mark.parametrize("location", ["w\0.bin", "w" * 300, "circle/w.bin"])
def test_external_data_of_a_name_that_no_file_can_have_is_one_line(
    make_model: MakeModel, location: str
) -> None:
    path = make_model(change=store_externally(location))
    (path.parent / "circle").symlink_to("circle")
    with pytest.raises(ModelError, match=r"its external data '(w|circle)") as caught:
        read_onnx(path).hash()
    assert str(caught.value).startswith(f"{path}: ")
    assert "\n" not in str(caught.value)


def test_hash_covers_external_data(make_model: MakeModel) -> None:
    path = make_model(change=store_externally("w.bin"))
    hashes = set()
    for content in (b"12345678", b"12345679"):
        (path.parent / "w.bin").write_bytes(content)
        hashes.add(read_onnx(path).hash())
    assert len(hashes) == 2


@pytest.mark.parametrize(
    "content",
    [b"", b"\x00", b"<!doctype html>", b"PK\x03\x04 not a model", b"\xff" * 40, b"\x3a\xff\xff\xff"],
)
def test_file_that_is_not_onnx_is_rejected(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "x.onnx"
    path.write_bytes(content)
    with pytest.raises(ModelError, match=r"x\.onnx: not an ONNX model"):
        read_onnx(path)


def test_truncated_model_is_rejected(model: Path, tmp_path: Path) -> None:
    path = tmp_path / "cut.onnx"
    path.write_bytes(model.read_bytes()[:-20])
    with pytest.raises(ModelError, match="not an ONNX model"):
        read_onnx(path)


def test_missing_model_is_named(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="this model cannot be read"):
        read_onnx(tmp_path / "none.onnx")
