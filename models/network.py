"""The network factory: any architecture and encoder of segmentation-models-pytorch, one gray channel in."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any

from ..errors import ModelError
from ..machine.extras import require
from .card import Normalization
from .encoder_weights import Source, load_encoder, source_of

if TYPE_CHECKING:
    from torch import nn

DEFAULT_ARCHITECTURE = "unet"
DEFAULT_ENCODER = "timm-tf_efficientnet_lite0"
UNET_DECODER = (128, 64, 32, 16, 16)
"""Half the width that the library gives a U-Net's decoder: as good here, and much quicker."""

GRAY_NORMALIZATION = Normalization(mean=0.449, std=0.226)
"""The mean over colors of ImageNet's own normalization, for encoders whose colors were folded to gray."""

_TAKES_DECODER_CHANNELS = ("unet", "unetplusplus", "manet")
_STRIDE = 32


def default_decoder(architecture: str) -> tuple[int, ...]:
    """Give the decoder's widths that training takes; empty: the architecture's own."""
    return UNET_DECODER if architecture.lower() == "unet" else ()


def build_network(
    architecture: str,
    encoder: str,
    classes: int,
    *,
    encoder_weights: str = "none",
    decoder_channels: tuple[int, ...] = (),
) -> nn.Module:
    """Build a network from one gray channel to one logit map a class.

    Parameters
    ----------
    architecture, encoder : str
        Names as segmentation-models-pytorch has them; `tu-NAME` takes any encoder of timm.
    classes : int
        Number of logit maps.
    encoder_weights : str
        "none" (random), "imagenet", or the path of a file with the encoder's weights. With "none" and a
        path nothing is ever downloaded.
    decoder_channels : tuple of int
        Widths of the decoder's five stages, deepest first; empty: the architecture's own.

    Returns
    -------
    torch.nn.Module
        From float32 [N,1,H,W], normalized, to logits [N,classes,H,W]. H and W are multiples of 32.

    Raises
    ------
    ModelError
        If a name is not known, the two do not go together, or the weights cannot be had.
    """
    _check_names(architecture.lower(), encoder)
    source = source_of(encoder_weights, encoder)
    settings: dict[str, Any] = {"in_channels": 1, "classes": classes}
    if decoder_channels:
        if architecture.lower() not in _TAKES_DECODER_CHANNELS:
            raise ModelError(
                f"{architecture} takes no decoder channels; only {_names(_TAKES_DECODER_CHANNELS)} do"
            )
        settings["decoder_channels"] = decoder_channels
    created = _create(architecture.lower(), encoder, source, settings)
    if isinstance(source, Source):
        load_encoder(created.encoder, source)
    network: nn.Module = created
    return network


def _create(architecture: str, encoder: str, source: Source | str | None, settings: dict[str, Any]) -> Any:
    smp = require("segmentation_models_pytorch", extra="train")
    weights = source if isinstance(source, str) else None
    try:
        with _quiet():
            return smp.create_model(architecture, encoder, encoder_weights=weights, **settings)
    except OSError as error:
        raise ModelError(
            f"the {weights} weights of {encoder} cannot be downloaded here ({type(error).__name__}); "
            f"take --encoder-weights none, or --encoder-weights PATH with a file of them"
        ) from error
    except (KeyError, ValueError, RuntimeError, TypeError) as error:
        reason = error.args[0] if error.args else error
        raise ModelError(f"{architecture} with encoder {encoder} cannot be built: {reason}") from error


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep the libraries' advice on names and their retries off the screen; errors still come through."""
    hub = logging.getLogger("huggingface_hub")
    level = hub.level
    hub.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "`timm-` encoders are deprecated", DeprecationWarning)
            warnings.filterwarnings("ignore", "For 'tu-'", UserWarning)
            yield
    finally:
        hub.setLevel(level)


def _check_names(architecture: str, encoder: str) -> None:
    smp = require("segmentation_models_pytorch", extra="train")
    _check("architecture", architecture, list(smp.MODEL_ARCHITECTURES_MAPPING))
    if encoder.startswith("tu-"):
        timm = require("timm", extra="train")
        names = timm.list_models()
        _check("encoder", f"tu-{encoder[3:].partition('.')[0]}", [f"tu-{name}" for name in names])
    elif not smp.encoders.is_equivalent_to_timm_universal(encoder):
        _check("encoder", encoder, smp.encoders.get_encoder_names())


def _check(what: str, name: str, known: list[str]) -> None:
    if name in known:
        return
    close = get_close_matches(name, known, n=3) or known[:12]
    raise ModelError(f"{what} {name!r} is not known; did you mean {_names(close)}?")


def _names(names: tuple[str, ...] | list[str]) -> str:
    return ", ".join(names)
