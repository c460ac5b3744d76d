"""Load the weights of a trained network into a new one whose classes may differ."""

from __future__ import annotations

import copy
import logging
from collections.abc import Mapping, Sequence
from dataclasses import replace

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from ...errors import InputError, ModelError
from ...models.network.build import DEFAULT_NETWORK, NetworkSpec, default_decoder
from ..config import TrainConfig
from .weights import InitialWeights

log = logging.getLogger(__name__)

_COUNTER = "num_batches_tracked"


def choose_network(config: TrainConfig, initial: InitialWeights | None) -> NetworkSpec:
    """Choose the network that a configuration asks for: that of the initial weights, where there are some.

    Raises
    ------
    InputError
        If the configuration asks for another network than that of the initial weights.
    """
    default = initial.network if initial else DEFAULT_NETWORK
    architecture = (config.architecture or default.architecture).lower()
    decoder = default.decoder_channels if initial else default_decoder(architecture)
    if config.decoder_channels is not None:
        decoder = config.decoder_channels
    network = NetworkSpec(architecture, config.encoder or default.encoder, decoder)
    if initial and network != (own := replace(default, architecture=default.architecture.lower())):
        raise InputError(
            f"{initial.source} is a {own}{_widths(own)}, not a {network}{_widths(network)}: leave out "
            "--architecture and --encoder, or --init"
        )
    return network


def _widths(network: NetworkSpec) -> str:
    widths = "-".join(map(str, network.decoder_channels))
    return f" and decoder {widths}" if widths else ""


def initialize(network: nn.Module, weights: InitialWeights, classes: Sequence[str], *, size: int) -> None:
    """Load the weights; the head keeps the rows of classes with the same name.

    A new class has the weights that the network was built with. All else must fit.

    Parameters
    ----------
    network : torch.nn.Module
        Built from the weights' own `NetworkSpec`, for `classes`.
    weights : InitialWeights
    classes : sequence of str
        In the order of the network's logit maps.
    size : int
        Side of the input in pixels; used to find out which weights have no effect and may be missing.

    Raises
    ------
    ModelError
        If a tensor is missing, or has another shape.
    """
    target: dict[str, Tensor] = network.state_dict()
    head = _head_tensors(network)
    loaded = {
        name: _head_rows(target[name], tensor, weights, classes) if name in head else tensor
        for name, tensor in weights.tensors.items()
        if name in target
    }
    for name, tensor in loaded.items():
        if tensor.shape != target[name].shape:
            raise ModelError(
                f"{weights.source}: {name} is {_shape(tensor)} in the file, {_shape(target[name])} in "
                f"{weights.network}; the file is damaged or was edited"
            )
    missing = {name for name in target.keys() - loaded.keys() if not name.endswith(_COUNTER)}
    if missing and (needed := sorted(missing - _without_effect(network, size))):
        raise ModelError(_missing(network, weights, needed))
    network.load_state_dict(loaded, strict=False)
    kept = [name for name in classes if name in weights.classes]
    new = [name for name in classes if name not in weights.classes]
    log.info(
        "initialized from %s; classes kept: %s; new: %s",
        *(weights.source, ", ".join(kept) or "none", ", ".join(new) or "none"),
    )


def _head_tensors(network: nn.Module) -> set[str]:
    """Return the names of the tensors that have one row per class: those of the head's last layer."""
    head = network.get_submodule("segmentation_head")
    names = [f"segmentation_head.{name}" for name, _ in head.named_parameters()]
    last = names[-1].rpartition(".")[0]
    return {name for name in names if name.rpartition(".")[0] == last}


def _head_rows(new: Tensor, given: Tensor, weights: InitialWeights, classes: Sequence[str]) -> Tensor:
    """Return the new head's rows, with those of classes that both know from the given one."""
    if len(given) != len(weights.classes) or given.shape[1:] != new.shape[1:]:
        return given  # of another network: its shape is reported
    rows = new.clone()
    for index, name in enumerate(classes):
        if name in weights.classes:
            rows[index] = given[weights.classes.index(name)]
    return rows


def _without_effect(network: nn.Module, size: int) -> set[str]:
    """Return the names of weights that no output depends on, such as an encoder's unused classifier."""
    trial = copy.deepcopy(network).eval()
    parameters: Mapping[str, Tensor] = dict(trial.named_parameters())
    total = trial(torch.zeros((1, 1, size, size))).sum()
    gradients = torch.autograd.grad(total, list(parameters.values()), allow_unused=True)
    unused = {name for name, gradient in zip(parameters, gradients, strict=True) if gradient is None}
    modules = {name.rpartition(".")[0] for name in unused}
    statistics = {name for name, _ in trial.named_buffers() if name.rpartition(".")[0] in modules}
    return unused | statistics


def _missing(network: nn.Module, weights: InitialWeights, needed: Sequence[str]) -> str:
    normalization = {name for name, module in network.named_modules() if isinstance(module, _BatchNorm)}
    if all(name.rpartition(".")[0] in normalization for name in needed):
        return (
            f"{weights.source}: its normalization is merged into its convolutions, as earlier versions of "
            "cxr wrote it; export its run again with cxr-export"
        )
    return f"{weights.source}: has no {needed[0]}, so it is no {weights.network}; export its run again"


def _shape(tensor: Tensor) -> str:
    return " x ".join(map(str, tensor.shape)) or "a number"
