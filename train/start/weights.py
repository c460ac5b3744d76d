"""Find and read the weights that training starts from: a shipped model, an exported file, a run."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from ...errors import InputError, ModelError
from ...machine.files import read_file
from ...models.ancestor import Ancestor
from ...models.card import ModelCard, Normalization
from ...models.file.onnx_file import read_onnx
from ...models.file.weights import read_float_weights
from ...models.fingerprint import Fingerprint
from ...models.network.build import GRAY_NORMALIZATION, NetworkSpec
from ...models.network.torch_file import load_torch_file
from ...models.shipped import shipped_models
from ..config import FILE, TrainConfig
from ..run_folder import CARD, WEIGHTS, find_run

_CHECKPOINT_PREFIX = "segmenter.network."
_SOURCES = "an exported .onnx file, a run folder, or its .pth or .ckpt file"


@dataclass(frozen=True)
class InitialWeights:
    """A trained network that another training starts from.

    Attributes
    ----------
    source : str
        What the user named, for messages.
    network : NetworkSpec
    classes : tuple of str
        Of its head, in order.
    tensors : mapping of str to Tensor
        By the names in the network's state dict; from an ONNX file, without those that have no effect.
    ancestor : Ancestor
    fingerprint : Fingerprint or None
        Of the images that it was trained and validated on.
    """

    source: str
    network: NetworkSpec
    classes: tuple[str, ...]
    tensors: Mapping[str, Tensor]
    ancestor: Ancestor
    fingerprint: Fingerprint | None = None


def read_initial_weights(source: str) -> InitialWeights:
    """Read the weights of a shipped model by its name, of an exported float file, or of a run.

    Parameters
    ----------
    source : str
        The name of a shipped model, such as `lungs`; the path of an .onnx file, of a run folder, or of a
        run's `best_unet.pth` or `last.ckpt`. A name is a shipped model first: write `./lungs` for a folder.

    Raises
    ------
    ModelError
        If nothing has that name, or weights cannot be read from it.
    """
    path = _find_shipped(source) or Path(source)
    if path.is_dir():
        path = find_run(path) / WEIGHTS
    if not path.is_file():
        names = [model.name for model in shipped_models()]
        shipped = f"the name of a shipped model ({', '.join(names)}), " if names else ""
        raise ModelError(f"--init {source}: there is no such file; give {shipped}{_SOURCES}")
    readers = {".onnx": _read_onnx, ".pth": _read_state_dict, ".ckpt": _read_checkpoint}
    if path.suffix.lower() not in readers:
        raise ModelError(f"{path}: training cannot start from this kind of file; give {_SOURCES}")
    return readers[path.suffix.lower()](path, source)


def resolve_source(source: str) -> str:
    """Return a source of weights as it is named from any folder: a shipped model, or an absolute path."""
    return source if _find_shipped(source) else str(Path(source).resolve())


def _find_shipped(name: str) -> Path | None:
    """Return the float file of a shipped model."""
    return next((model.float_file for model in shipped_models() if model.name == name), None)


def _read_onnx(path: Path, source: str) -> InitialWeights:
    file = read_onnx(path)
    card, weights = read_float_weights(file)
    tensors = {name: torch.from_numpy(values.copy()) for name, values in weights.items()}
    return _from_card(source, card, path, tensors, file.hash())


def _read_state_dict(path: Path, source: str) -> InitialWeights:
    card_path = path.with_name(CARD)
    if not card_path.is_file():
        raise ModelError(
            f"{path}: there is no {CARD} beside it that says which network and classes it is of; "
            "give its run folder or an exported .onnx file"
        )
    return _from_card(source, ModelCard.read(card_path), path, load_torch_file(path), _hash(path))


def _read_checkpoint(path: Path, source: str) -> InitialWeights:
    checkpoint = load_torch_file(path)
    tensors = checkpoint.get("state_dict") if isinstance(checkpoint, Mapping) else None
    if not isinstance(tensors, Mapping):
        raise ModelError(f"{path}: is not a checkpoint of cxr-train; give {_SOURCES}")
    own = {
        name.removeprefix(_CHECKPOINT_PREFIX): tensor
        for name, tensor in tensors.items()
        if name.startswith(_CHECKPOINT_PREFIX)
    }
    if path.with_name(CARD).is_file():
        return _from_card(source, ModelCard.read(path.with_name(CARD)), path, own, _hash(path))
    if not path.with_name(FILE).is_file():
        raise ModelError(
            f"{path}: there is no {FILE} beside it that says which network and classes it is of; "
            "give its run folder or an exported .onnx file"
        )
    config = TrainConfig.read(path.parent)
    if config.architecture is None or config.encoder is None or config.classes is None:
        raise ModelError(f"{path.with_name(FILE)}: does not say which network and classes the run is of")
    return InitialWeights(
        source,
        NetworkSpec(config.architecture, config.encoder, config.decoder_channels or ()),
        config.classes,
        own,
        Ancestor(config.name or path.parent.name, _hash(path), "not stated (an unfinished run)"),
    )


def _from_card(
    source: str, card: ModelCard, path: Path, tensors: Mapping[str, Tensor], sha256: str
) -> InitialWeights:
    _check_normalization(card.normalization, path)
    return InitialWeights(
        source,
        NetworkSpec(card.architecture, card.encoder, card.decoder_channels),
        card.classes,
        tensors,
        Ancestor(card.name, sha256, card.license),
        card.fingerprint,
    )


def _check_normalization(normalization: Normalization, path: Path) -> None:
    if normalization != GRAY_NORMALIZATION:
        raise InputError(
            f"{path}: it normalizes with mean {normalization.mean:g} and std {normalization.std:g}, training "
            f"with {GRAY_NORMALIZATION.mean:g} and {GRAY_NORMALIZATION.std:g}; give a model that cxr trained"
        )


def _hash(path: Path) -> str:
    return hashlib.sha256(read_file(path)).hexdigest()
