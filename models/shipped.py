"""The model that a command uses when none is named: `./model.onnx`, else one installed with `cxr`."""

from __future__ import annotations

from pathlib import Path

from ..errors import ModelError
from ..machine.files import check_is_file

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
        try:
            check_is_file(path)
        except OSError as error:
            raise ModelError(f"{path}: no such model file ({error.strerror})") from error
        if path.is_dir():
            raise ModelError(f"{path}: is a folder; name the .onnx file in it")
        return path
    if _LOCAL.is_file():
        return _LOCAL
    if shipped := shipped_models():
        return shipped[0]
    raise ModelError(
        "no model found: there is no ./model.onnx and no model is shipped with cxr; "
        "give one with --model, or make one: cxr-train, then cxr-export model.onnx"
    )
