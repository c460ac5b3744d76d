"""Whether a provider runs a model here: the proof is one pass of a tiny one, with the answer known.

Run as `python -m cxr.infer.doctor.probe NAME`, since a library that crashes then ends only that process.
"""

from __future__ import annotations

import sys
from base64 import b64decode
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from ...errors import CxrError
from ...models.card import ModelCard, Normalization, PixelSpec
from ..runtime.providers import PROVIDERS, refusal
from ..runtime.session import Session

SIZE = 8

# Cast, then Conv with a 3 x 3 kernel of ones: the sum of a pixel and its neighbors. A convolution needs more
# of a device's libraries than other operators do: CUDA loads most of cuDNN only for it.
MODEL = b64decode(
    "CAkSADrdAQoeCgVpbWFnZRIEZ3JleSIEQ2FzdCoJCgJ0bxgBoAECCjIKBGdyZXkKBG9uZXMSC3Byb2JhYmlsaXR5IgRDb252"
    "KhEKBHBhZHNAAUABQAFAAaABBxIFcHJvYmUqNggBCAEIAwgDEAFCBG9uZXNKJAAAgD8AAIA/AACAPwAAgD8AAIA/AACAPwAA"
    "gD8AAIA/AACAP1ogCgVpbWFnZRIXChUIAhIRCgMSAU4KAggBCgIICAoCCAhiJgoLcHJvYmFiaWxpdHkSFwoVCAESEQoDEgFO"
    "CgIIAQoCCAgKAggIQgQKABAR"
)


def run_probe(name: str) -> None:
    """Run one pass by one provider, as a session runs it.

    Parameters
    ----------
    name : str
        A provider of the table.

    Raises
    ------
    ModelError, ProviderError
        With the cause, if it cannot run here or computes something else.
    """
    card = ModelCard(
        "probe", ("sum",), "none", "none", PixelSpec(SIZE, SIZE), Normalization(0, 1), (0.5,), ""
    )
    batch = np.arange(2 * SIZE * SIZE, dtype=np.uint8).reshape(2, 1, SIZE, SIZE)
    with TemporaryDirectory(prefix="cxr-") as folder:
        model, side = Path(folder) / "probe.onnx", Path(folder) / "card.json"
        model.write_bytes(MODEL)
        side.write_text(card.to_json(), encoding="utf-8")
        answer = Session.open(model, provider=name, card=side, threads=1).run(batch)
    framed = np.pad(batch.astype(np.float32), ((0, 0), (0, 0), (1, 1), (1, 1)))
    expected = np.lib.stride_tricks.sliding_window_view(framed, (3, 3), axis=(2, 3)).sum((-2, -1))
    if not np.allclose(answer, expected, rtol=1e-3):
        raise refusal(PROVIDERS[name], "it computes a small convolution wrongly")


if __name__ == "__main__":
    try:
        run_probe(sys.argv[1])
    except CxrError as error:
        sys.exit(" ".join(str(error).split()))
