"""Read a network's weights out of an exported float ONNX file, under their names in PyTorch."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from ...errors import ModelError
from ...machine.extras import require
from ..card import METADATA_KEY, ModelCard, Precision
from .onnx_file import OnnxFile, find_card

PREFIX = "network."
"""What the names begin with in the file: the network's place in the `Segmenter` that is exported."""

Weights = dict[str, npt.NDArray[np.float32]]


def read_float_weights(file: OnnxFile) -> tuple[ModelCard, Weights]:
    """Read the card and the weights of a float file.

    Parameters
    ----------
    file : OnnxFile
        With its weights in fp32, or stored in fp16.

    Returns
    -------
    ModelCard
    dict of str to ndarray of float32
        By the names that the network's state dict has; weights without effect are not in the file.

    Raises
    ------
    ModelError
        If the file has no card, computes in int8 or fp16, or was written by another program.
    """
    if METADATA_KEY not in file.metadata:
        raise ModelError(f"{file.path}: this file has no model card; give a file that cxr-export wrote")
    card = find_card(file)
    if card.precision is not Precision.FP32:
        raise ModelError(
            f"{file.path}: is an {card.precision} file, whose weights are rounded; give the float file "
            "of this model"
        )
    if file.external:
        raise ModelError(
            f"{file.path}: has tensors in other files ({file.external[0]}); give a file that cxr-export wrote"
        )
    onnx = require("onnx", extra="train")
    graph = onnx.load_model_from_string(file.content).graph
    restored = _names_after_cast(graph, onnx.TensorProto.FLOAT)
    names = ((restored.get(tensor.name, tensor.name), tensor) for tensor in graph.initializer)
    weights = {
        name.removeprefix(PREFIX): np.asarray(onnx.numpy_helper.to_array(tensor), np.float32)
        for name, tensor in names
        if name.startswith(PREFIX)
    }
    if not weights:
        raise ModelError(
            f"{file.path}: its weights have no names of PyTorch; give a file that cxr-export wrote"
        )
    return card, weights


def _names_after_cast(graph: Any, to: int) -> dict[str, str]:
    """Map the name of each tensor that is stored in another type to that of the tensor it stands for."""
    return {
        node.input[0]: node.output[0]
        for node in graph.node
        if node.op_type == "Cast" and any(one.name == "to" and one.i == to for one in node.attribute)
    }
