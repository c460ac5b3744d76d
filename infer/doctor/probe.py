"""Run a tiny model whose output is known, to prove that a provider works here.

Run as `python -m cxr.infer.doctor.probe NAME`: a library that crashes ends only that process.
"""

from __future__ import annotations

import sys
from base64 import b64decode

import numpy as np

from ...errors import CxrError
from ...machine.files import scratch_folder
from ...models.card import ModelCard, Normalization, PixelSpec
from ..runtime.providers import PROVIDERS, provider_error
from ..runtime.session import Session

SIZE = 8

# A Cast, then a Conv with a 3 x 3 kernel of ones: the sum of each pixel and its neighbors. A convolution
# needs more of a device's libraries than other operators: CUDA loads most of cuDNN only for it.
MODEL = b64decode(
    "CAkSADrdAQoeCgVpbWFnZRIEZ3JleSIEQ2FzdCoJCgJ0bxgBoAECCjIKBGdyZXkKBG9uZXMSC3Byb2JhYmlsaXR5IgRDb252"
    "KhEKBHBhZHNAAUABQAFAAaABBxIFcHJvYmUqNggBCAEIAwgDEAFCBG9uZXNKJAAAgD8AAIA/AACAPwAAgD8AAIA/AACAPwAA"
    "gD8AAIA/AACAP1ogCgVpbWFnZRIXChUIAhIRCgMSAU4KAggBCgIICAoCCAhiJgoLcHJvYmFiaWxpdHkSFwoVCAESEQoDEgFO"
    "CgIIAQoCCAgKAggIQgQKABAR"
)


def run_probe(name: str) -> None:
    """Run the tiny model with a provider, through a session.

    Parameters
    ----------
    name : str
        A provider's name.

    Raises
    ------
    ModelError, ProviderError
        With the cause, if the provider cannot be used or its output is wrong.
    """
    card = ModelCard(
        "probe", ("sum",), "none", "none", PixelSpec(SIZE, SIZE), Normalization(0, 1), (0.5,), ""
    )
    batch = np.arange(2 * SIZE * SIZE, dtype=np.uint8).reshape(2, 1, SIZE, SIZE)
    with scratch_folder() as folder:
        model, card_path = folder / "probe.onnx", folder / "card.json"
        model.write_bytes(MODEL)
        card_path.write_text(card.to_json(), encoding="utf-8")
        output = Session.open(model, provider=name, card=card_path, threads=1).run(batch)
    padded = np.pad(batch.astype(np.float32), ((0, 0), (0, 0), (1, 1), (1, 1)))
    expected = np.lib.stride_tricks.sliding_window_view(padded, (3, 3), axis=(2, 3)).sum((-2, -1))
    if not np.allclose(output, expected, rtol=1e-3):
        raise provider_error(PROVIDERS[name], "its result for a small convolution is wrong")


if __name__ == "__main__":
    try:
        run_probe(sys.argv[1])
    except CxrError as error:
        sys.exit(" ".join(str(error).split()))
