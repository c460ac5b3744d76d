"""Which model a command uses when none is named: `./model.onnx`, else the one that ships with `cxr`."""

from __future__ import annotations

from pathlib import Path

from ..errors import ModelError

_FOLDER = Path(__file__).with_name("weights")
_HERE = Path("model.onnx")


def shipped_models() -> tuple[Path, ...]:
    """List the model files that are installed with `cxr`, by name."""
    return tuple(sorted(_FOLDER.glob("*.onnx")))


def find_model(path: Path | None) -> Path:
    """Choose the model file: the one that is given, else `./model.onnx`, else the shipped one.

    Raises
    ------
    ModelError
        If there is none, with what to do.
    """
    if path is not None:
        if not path.is_file():
            raise ModelError(f"{path}: no such model file")
        return path
    if _HERE.is_file():
        return _HERE
    if shipped := shipped_models():
        return shipped[0]
    raise ModelError(
        "no model: there is no ./model.onnx and none is shipped; "
        "name one with --model, or make it: cxr-train, then cxr-export model.onnx"
    )
