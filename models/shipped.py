"""The model that a command uses when none is named: `./model.onnx`, else one installed with `cxr`."""

from __future__ import annotations

from pathlib import Path

from ..errors import ModelError

_FOLDER = Path(__file__).with_name("weights")
_LOCAL = Path("model.onnx")


def shipped_models() -> tuple[Path, ...]:
    """Return the model files installed with `cxr`, sorted by name."""
    return tuple(sorted(_FOLDER.glob("*.onnx")))


def find_model(path: Path | None) -> Path:
    """Return the model file to use: `path` if given, else `./model.onnx`, else the shipped model.

    Raises
    ------
    ModelError
        If `path` does not exist, or there is no model to fall back on.
    """
    if path is not None:
        if not path.is_file():
            raise ModelError(f"{path}: no such model file")
        return path
    if _LOCAL.is_file():
        return _LOCAL
    if shipped := shipped_models():
        return shipped[0]
    raise ModelError(
        "no model found: there is no ./model.onnx and no model is shipped with cxr; "
        "give one with --model, or make one: cxr-train, then cxr-export model.onnx"
    )
