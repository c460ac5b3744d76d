"""Build networks with one gray input channel from the parts of segmentation-models-pytorch."""

from __future__ import annotations

from dataclasses import dataclass
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any

from ...errors import ModelError
from ...machine.extras import require
from ...machine.quiet import quiet_libraries
from ..card import Normalization
from .encoder_weights import WeightsFile, find_weights, load_encoder

if TYPE_CHECKING:
    from torch import nn

STRIDE4_UNET = "unet-s4"
"""A U-Net that stops at stride 4; see `stride4_unet`. The other architectures are the library's."""

UNET_DECODER = (128, 64, 32, 16, 16)
"""Half the decoder widths that the library gives a U-Net: equally accurate here, and much faster."""

GRAY_NORMALIZATION = Normalization(mean=0.449, std=0.226)
"""The mean of ImageNet's normalization over the color channels, which are summed to one gray channel."""

_MAX_SUGGESTIONS = 12
_TAKES_DECODER_CHANNELS = ("unet", "unetplusplus", "manet", STRIDE4_UNET)


@dataclass(frozen=True)
class NetworkSpec:
    """What a network is built from; empty `decoder_channels` are the architecture's defaults."""

    architecture: str
    encoder: str
    decoder_channels: tuple[int, ...] = ()

    def __str__(self) -> str:
        return f"{self.architecture} with encoder {self.encoder}"


DEFAULT_NETWORK = NetworkSpec("unet", "timm-tf_efficientnet_lite0", UNET_DECODER)


def default_decoder(architecture: str) -> tuple[int, ...]:
    """Return the decoder widths that training uses; empty: the defaults of the architecture."""
    return UNET_DECODER if architecture.lower() == "unet" else ()


def build_network(
    architecture: str,
    encoder: str,
    classes: int,
    *,
    encoder_weights: str = "none",
    decoder_channels: tuple[int, ...] = (),
) -> nn.Module:
    """Build a network that maps one gray channel to one logit map per class.

    Parameters
    ----------
    architecture, encoder : str
        Names of segmentation-models-pytorch; `tu-NAME` is the encoder NAME of timm. The architecture
        `unet-s4` is our own.
    classes : int
        Number of logit maps.
    encoder_weights : str
        "none" (random), "imagenet", or the path of a file with the encoder's weights. With "none" or a
        path, nothing is downloaded.
    decoder_channels : tuple of int
        Widths of the decoder's stages, deepest first: five, of `unet-s4` three; empty: the defaults of the
        architecture.

    Returns
    -------
    torch.nn.Module
        Maps normalized float32 [N,1,H,W] to logits [N,classes,H,W]; H and W are multiples of 32.

    Raises
    ------
    ModelError
        If a name is unknown, the two cannot be combined, or the weights are not available.
    """
    _check_names(architecture.lower(), encoder)
    weights = find_weights(encoder_weights, encoder)
    settings: dict[str, Any] = {"in_channels": 1, "classes": classes}
    if decoder_channels:
        if architecture.lower() not in _TAKES_DECODER_CHANNELS:
            raise ModelError(
                f"{architecture} does not take decoder_channels; only {_listed(_TAKES_DECODER_CHANNELS)} do"
            )
        settings["decoder_channels"] = decoder_channels
    created = _create(architecture.lower(), encoder, weights, settings)
    if isinstance(weights, WeightsFile):
        load_encoder(created.encoder, weights)
    network: nn.Module = created
    return network


def _create(
    architecture: str, encoder: str, weights: WeightsFile | str | None, settings: dict[str, Any]
) -> Any:
    smp = require("segmentation_models_pytorch", extra="train")
    to_download = weights if isinstance(weights, str) else None
    try:
        # The library comments on names of encoders, the hub on its retries.
        with quiet_libraries(
            loggers=("huggingface_hub",),
            ignored_warnings=("`timm-` encoders are deprecated", "For 'tu-'"),
        ):
            if architecture == STRIDE4_UNET:
                return _create_stride4_unet(encoder, to_download, settings)
            return smp.create_model(architecture, encoder, encoder_weights=to_download, **settings)
    except OSError as error:
        raise ModelError(
            f"the {to_download} weights of {encoder} cannot be downloaded ({type(error).__name__}); "
            f"give --encoder-weights none, or --encoder-weights PATH with a file of them"
        ) from error
    except (KeyError, ValueError, RuntimeError, TypeError) as error:
        reason = error.args[0] if error.args else error
        raise ModelError(f"{architecture} with encoder {encoder} cannot be built: {reason}") from error


def _create_stride4_unet(encoder: str, weights: str | None, settings: dict[str, Any]) -> nn.Module:
    from .stride4_unet import DECODER_CHANNELS, Stride4Unet

    smp = require("segmentation_models_pytorch", extra="train")
    parts = smp.encoders.get_encoder(encoder, in_channels=settings["in_channels"], depth=5, weights=weights)
    return Stride4Unet(parts, settings["classes"], settings.get("decoder_channels", DECODER_CHANNELS))


def _check_names(architecture: str, encoder: str) -> None:
    smp = require("segmentation_models_pytorch", extra="train")
    _check_name("architecture", architecture, [*smp.MODEL_ARCHITECTURES_MAPPING, STRIDE4_UNET])
    if encoder.startswith("tu-"):
        timm = require("timm", extra="train")
        names = timm.list_models()
        _check_name("encoder", f"tu-{encoder[3:].partition('.')[0]}", [f"tu-{name}" for name in names])
    elif not smp.encoders.is_equivalent_to_timm_universal(encoder):
        _check_name("encoder", encoder, smp.encoders.get_encoder_names())


def _check_name(what: str, name: str, known: list[str]) -> None:
    if name in known:
        return
    close = get_close_matches(name, known, n=3) or known[:_MAX_SUGGESTIONS]
    raise ModelError(f"unknown {what} {name!r}; did you mean {_listed(close)}?")


def _listed(names: tuple[str, ...] | list[str]) -> str:
    return ", ".join(names)
