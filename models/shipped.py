"""The models installed with `cxr`, and the model that a command uses when none is named."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from ..errors import ModelError, suggestion
from ..machine.files import check_is_file

DEFAULT = "lungs"
"""The shipped model that is used when none is named."""

_FOLDER = Path(__file__).with_name("weights")
_LOCAL = Path("model.onnx")
_INT8 = "_int8"


@dataclass(frozen=True)
class ShippedModel:
    """A model installed with `cxr`, as two files.

    Attributes
    ----------
    name : str
    float_file : Path
        Float arithmetic; the file that `cxr-train --init` starts from.
    int8_file : Path or None
        Int8 arithmetic: faster on processors that are made for it.
    """

    name: str
    float_file: Path
    int8_file: Path | None = None

    @property
    def files(self) -> tuple[Path, ...]:
        """The files: float, then int8 if there is one."""
        return tuple(path for path in (self.float_file, self.int8_file) if path is not None)


def shipped_models() -> tuple[ShippedModel, ...]:
    """Return the models installed with `cxr`, sorted by name."""
    files = {path.stem: path for path in sorted(_FOLDER.glob("*.onnx"))}
    return tuple(
        ShippedModel(name, path, files.get(f"{name}{_INT8}"))
        for name, path in files.items()
        if not name.endswith(_INT8)
    )


def find_model(path: Path | None) -> Path | ShippedModel:
    """Return the model to use: a file or the name of a shipped model, else `./model.onnx`, else `lungs`.

    Raises
    ------
    ModelError
        If `path` is neither a file nor the name of a shipped model, or there is no model to fall back on.
    """
    shipped = {model.name: model for model in shipped_models()}
    if path is not None:
        return _named(path, shipped)
    if _LOCAL.is_file():
        return _LOCAL
    if DEFAULT in shipped:
        return shipped[DEFAULT]
    raise ModelError(
        "no model found: there is no ./model.onnx and no model is shipped with cxr; "
        "give one with --model, or make one: cxr-train, then cxr-export model.onnx"
    )


def find_float_file(path: Path) -> Path:
    """Return a model file as given, or the float file of the shipped model of that name.

    Raises
    ------
    ModelError
        If `path` is neither a file nor the name of a shipped model.
    """
    found = find_model(path)
    return found.float_file if isinstance(found, ShippedModel) else found


def expand_names(paths: Sequence[Path], *, folders: bool = False) -> tuple[Path, ...]:
    """Replace the names of shipped models by their files; paths, existing or not, stay as they are.

    A name is a path where a file is called so; with `folders`, for a command that takes folders too, also
    where a folder is.
    """
    shipped = {model.name: model.files for model in shipped_models()}

    def expand(path: Path) -> tuple[Path, ...]:
        is_path = path.is_file() or (folders and path.is_dir())
        return (path,) if is_path else shipped.get(str(path), (path,))

    return tuple(file for path in paths for file in expand(path))


def _named(path: Path, shipped: dict[str, ShippedModel]) -> Path | ShippedModel:
    try:
        check_is_file(path)
    except OSError as error:
        if str(path) in shipped:
            return shipped[str(path)]
        advice = suggestion(str(path), shipped, "the shipped model ")
        raise ModelError(f"{path}: no such model file ({error.strerror}){advice}") from error
    if path.is_dir():
        if str(path) in shipped:
            return shipped[str(path)]
        raise ModelError(f"{path}: is a folder; name the .onnx file in it")
    return path
