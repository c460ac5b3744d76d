"""`cxr-train --init FILE` starts from exactly the weights that an exported file was made of."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from torch import nn

from cxr.errors import CxrError
from cxr.export.fp16 import convert_to_fp16
from cxr.export.graph import attach_card, write_onnx
from cxr.export.half_storage import store_in_half
from cxr.export.quantize import Calibration, Recipe, quantize
from cxr.export.run import ExportSummary
from cxr.export.simplify import merge_normalization
from cxr.models import shipped
from cxr.models.card import ModelCard, Normalization, PixelSpec, Precision
from cxr.models.network.build import STRIDE4_UNET, build_network
from cxr.models.network.segmenter import Segmenter
from cxr.train.start.initialize import initialize
from cxr.train.start.weights import InitialWeights, read_initial_weights

SIZE = 64
HEAD = "segmentation_head.0.weight"


def build(weights: InitialWeights, classes: int) -> nn.Module:
    torch.manual_seed(7)
    spec = weights.network
    return build_network(
        spec.architecture, spec.encoder, classes, decoder_channels=spec.decoder_channels
    ).eval()


def initialized(source: Path | str, classes: tuple[str, ...] = ("lung", "lesion")) -> nn.Module:
    weights = read_initial_weights(str(source))
    network = build(weights, len(classes))
    initialize(network, weights, classes, size=SIZE)
    return network


@pytest.fixture(scope="module")
def original(run_folder: Path) -> dict[str, torch.Tensor]:
    state: dict[str, torch.Tensor] = torch.load(run_folder / "best_unet.pth", weights_only=True)
    return state


def test_float_file_gives_every_weight_bit_for_bit(
    exported: ExportSummary, original: dict[str, torch.Tensor]
) -> None:
    state = initialized(exported.path).state_dict()
    assert state.keys() == original.keys()
    for name, tensor in original.items():
        assert torch.equal(state[name], tensor), name


def test_weights_stored_in_half_precision_come_back_within_its_rounding(
    exported: ExportSummary, original: dict[str, torch.Tensor], tmp_path: Path
) -> None:
    store_in_half(exported.path, tmp_path / "half.onnx")
    state = initialized(tmp_path / "half.onnx").state_dict()
    for name, tensor in original.items():
        assert state[name].dtype == tensor.dtype
        # Numbers below 6e-5 are subnormal in fp16: evenly spaced by 6e-8.
        torch.testing.assert_close(state[name], tensor, rtol=2**-11, atol=3e-8, msg=name)


def test_class_of_the_same_name_keeps_its_rows_and_a_new_one_is_as_built(
    exported: ExportSummary, original: dict[str, torch.Tensor]
) -> None:
    network = initialized(exported.path, ("heart", "lesion"))
    fresh = build(read_initial_weights(str(exported.path)), 2).state_dict()
    for name in (HEAD, HEAD.replace("weight", "bias")):
        heart, lesion = network.state_dict()[name]
        assert torch.equal(lesion, original[name][1])
        assert torch.equal(heart, fresh[name][0])
    encoder = "encoder.layer1.0.conv1.weight"
    assert torch.equal(network.state_dict()[encoder], original[encoder])


@pytest.mark.parametrize("classes", [("lung",), ("a", "b", "c", "lung")])
def test_number_of_classes_may_change(
    exported: ExportSummary, original: dict[str, torch.Tensor], classes: tuple[str, ...]
) -> None:
    head = initialized(exported.path, classes).state_dict()[HEAD]
    assert len(head) == len(classes)
    assert torch.equal(head[-1], original[HEAD][0])


def test_ancestor_is_named_with_its_license_and_the_hash_of_the_file(exported: ExportSummary) -> None:
    from hashlib import sha256

    ancestor = read_initial_weights(str(exported.path)).ancestor
    assert (ancestor.name, ancestor.license) == ("small", "Apache-2.0")
    assert ancestor.sha256 == sha256(exported.path.read_bytes()).hexdigest()
    assert ancestor.license_with("CC0") == "CC0; initialized from small: Apache-2.0"


def test_shipped_model_is_found_by_name_and_its_float_file_is_taken(
    exported: ExportSummary, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shipped, "_FOLDER", tmp_path)
    int8 = tmp_path / "a_int8.onnx"
    shutil.copy(exported.path, int8)
    attach_card(int8, replace(exported.card, precision=Precision.INT8))
    shutil.copy(exported.path, tmp_path / "small.onnx")
    monkeypatch.chdir(tmp_path)
    (tmp_path / "small").mkdir()  # a folder of that name is not meant
    assert read_initial_weights("small").ancestor.sha256 == read_initial_weights("small.onnx").ancestor.sha256
    with pytest.raises(CxrError, match=r"--init large: .* the name of a shipped model \(small\)"):
        read_initial_weights("large")


def test_weights_without_effect_are_not_needed(tmp_path: Path) -> None:
    """The encoder keeps layers of its classifier, which an exported graph does not have."""
    card = ModelCard(
        name="lungs",
        classes=("lung",),
        architecture=STRIDE4_UNET,
        encoder="timm-tf_efficientnet_lite0",
        pixels=PixelSpec(SIZE, SIZE),
        normalization=Normalization(0.449, 0.226),
        thresholds=(0.5,),
        license="CC0",
    )
    torch.manual_seed(0)
    network = build_network(card.architecture, card.encoder, 1).eval()
    write_onnx(Segmenter(network, card.normalization).eval(), card, tmp_path / "lungs.onnx")
    weights = read_initial_weights(str(tmp_path / "lungs.onnx"))
    assert len(weights.tensors) < sum(tensor.is_floating_point() for tensor in network.state_dict().values())
    image = torch.rand((1, 1, SIZE, SIZE))
    loaded = initialized(tmp_path / "lungs.onnx", ("lung",))
    with torch.inference_mode():
        torch.testing.assert_close(loaded(image), network(image))


def _int8(source: Path, target: Path) -> None:
    quantize(source, target, [np.zeros((SIZE, SIZE), np.uint8)], Recipe(Calibration.MINMAX))
    attach_card(target, replace(ModelCard.from_json(_card(source)), precision=Precision.INT8))


def _fp16(source: Path, target: Path) -> None:
    convert_to_fp16(source, target)
    attach_card(target, replace(ModelCard.from_json(_card(source)), precision=Precision.FP16))


def _card(path: Path) -> str:
    return next(entry.value for entry in onnx.load(path).metadata_props if entry.key == "cxr.card")


def _without_card(source: Path, target: Path) -> None:
    model = onnx.load(source)
    del model.metadata_props[:]
    onnx.save(model, target)


def _anonymous(source: Path, target: Path) -> None:
    target.write_bytes(source.read_bytes().replace(b"network.", b"another."))


def _renamed(source: Path, target: Path) -> None:
    name = b"network.decoder.blocks.0.conv1.0.weight"
    target.write_bytes(source.read_bytes().replace(name, b"x" * len(name)))


def _other_width(source: Path, target: Path) -> None:
    shutil.copy(source, target)
    card = ModelCard.from_json(_card(source))
    attach_card(target, replace(card, decoder_channels=(32, 16, 16, 8, 16)))


def _other_normalization(source: Path, target: Path) -> None:
    shutil.copy(source, target)
    attach_card(target, replace(ModelCard.from_json(_card(source)), normalization=Normalization(0.5, 0.5)))


def _merged(source: Path, target: Path) -> None:
    onnx.save(merge_normalization(onnx.load(source)), target)


def _torn(source: Path, target: Path) -> None:
    target.write_bytes(source.read_bytes()[:5000])


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (_int8, "is an int8 file, whose weights are rounded; give the float file"),
        (_fp16, "is an fp16 file"),
        (_merged, "normalization is merged .* export its run again with cxr-export"),
        (_without_card, "has no model card; give a file that cxr-export wrote"),
        (_anonymous, "its weights have no names of PyTorch"),
        (_renamed, r"has no decoder\.blocks\.0\.conv1\.0\.weight, so it is no"),
        (_other_width, r"decoder\.blocks\.4\.conv1\.0\.weight is 8 x .* in the file, 16 x"),
        (_other_normalization, "normalizes with mean 0.5 and std 0.5"),
        (_torn, "not an ONNX model"),
    ],
)
def test_file_that_training_cannot_start_from_is_named_in_one_line(
    exported: ExportSummary, tmp_path: Path, damage: Callable[[Path, Path], None], message: str
) -> None:
    path = tmp_path / "model.onnx"
    damage(exported.path, path)
    with pytest.raises(CxrError, match=message) as caught:
        initialized(path)
    assert "model.onnx" in str(caught.value)
    assert "\n" not in str(caught.value)
