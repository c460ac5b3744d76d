"""The graph that is deployed: uint8 pixels in, probabilities out, the card in the file's metadata."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from ..models.card import METADATA_KEY, ModelCard

if TYPE_CHECKING:
    import onnx

    from ..models.segmenter import Segmenter

OPSET = 20
EXAMPLE_BATCH = 2  # with an example of one, the batch axis would be baked in as 1


def write_onnx(segmenter: Segmenter, card: ModelCard, path: Path) -> None:
    """Export a segmenter to one ONNX file with a dynamic batch, and put the card in it.

    Parameters
    ----------
    segmenter : Segmenter
        In evaluation mode.
    card : ModelCard
    path : Path
        Where to write; nothing is written beside it.
    """
    import onnx
    import torch

    from .tidy import tidy

    example = torch.zeros((EXAMPLE_BATCH, 1, card.pixels.height, card.pixels.width), dtype=torch.uint8)
    torch.onnx.export(
        segmenter,
        (example,),
        path,
        input_names=["image"],
        output_names=["probability"],
        dynamic_shapes={"image": {0: torch.export.Dim("batch")}},
        opset_version=OPSET,
        dynamo=True,
        external_data=False,
        verbose=False,
    )
    model = onnx.load(path)
    tidy(model)
    save_with_card(model, card, path)


def attach_card(path: Path, card: ModelCard) -> None:
    """Write the card, and a few plain keys that other tools read, into an ONNX file's metadata."""
    import onnx

    save_with_card(onnx.load(path, load_external_data=False), card, path)


def save_with_card(model: onnx.ModelProto, card: ModelCard, path: Path) -> None:
    """Check a graph, put the card in its metadata and save it as one file."""
    import onnx

    kept = {entry.key: entry.value for entry in model.metadata_props}
    onnx.helper.set_model_props(model, kept | metadata(card))
    onnx.checker.check_model(model, full_check=True)
    onnx.save(model, path)


def metadata(card: ModelCard) -> dict[str, str]:
    """Give the metadata of a model file: the card, and names as other tools spell them."""
    return {
        METADATA_KEY: card.to_json(),
        "names": str(dict(enumerate(card.classes))),
        "imgsz": str([card.pixels.height, card.pixels.width]),
        "author": "cxr",
        "license": card.license,
    }
