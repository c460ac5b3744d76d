"""Verify that a model file is as it was written: `cxr verify`."""

from __future__ import annotations

from pathlib import Path

from ...errors import ModelError
from ..checksum import Checksum, hash_graph, hash_metadata
from .onnx_file import find_card, read_onnx


def verify_model(path: Path | str) -> Checksum:
    """Compute the checksums of a model file and compare them with those in its card.

    Parameters
    ----------
    path : Path or str
        An ONNX file with a card.

    Returns
    -------
    Checksum

    Raises
    ------
    ModelError
        If they differ, the file or its card cannot be read, or the card holds no checksum. The message names
        the file.
    """
    path = Path(path)
    file = read_onnx(path)
    stored = find_card(file).checksum
    if stored is None:
        raise ModelError(
            f"{path}: its card holds no checksum, as in files of earlier versions; export the model again"
        )
    graph = hash_graph(file.content, file.read_external())
    found = Checksum(graph, hash_metadata(file.content, stored.metadata))
    if found.graph != stored.graph:
        raise ModelError(
            f"{path}: its graph or tensors have changed since it was written (sha256 {found.graph}, its card "
            f"says {stored.graph}); copy it again"
        )
    if found.metadata != stored.metadata:
        raise ModelError(f"{path}: its card or metadata have changed since it was written; copy it again")
    return found
