"""Read the metadata of an ONNX file, and the files and libraries it depends on, without loading the model.

The tables below hold the field numbers of onnx.proto (which never change) that lead to the metadata and to
every tensor.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from ...errors import ModelError
from ...machine.files import read_file
from ..card import METADATA_KEY, ModelCard
from ..checksum import METADATA_FIELD
from ..protobuf import read_entry, read_fields

_TENSOR_EXTERNAL = 13
_DOMAIN = {"node": 7, "function": 10}
_CHILDREN: dict[str, dict[int, str]] = {
    "model": {7: "graph", 20: "training", 25: "function"},
    "training": {1: "graph", 2: "graph"},
    "function": {7: "node", 11: "attribute"},
    "graph": {1: "node", 5: "tensor", 15: "sparse"},
    "node": {5: "attribute"},
    "attribute": {5: "tensor", 6: "graph", 10: "tensor", 11: "graph", 22: "sparse", 23: "sparse"},
    "sparse": {1: "tensor", 2: "tensor"},
    "tensor": {},
}


_KNOWN_DOMAINS = ("", "ai.onnx", "ai.onnx.ml", "com.microsoft", "com.microsoft.nchwc", "com.ms.internal.nhwc")


@dataclass(frozen=True)
class OnnxFile:
    """What is known of a model file before it is loaded.

    Attributes
    ----------
    content : bytes
        The whole file. It is read once, so that the same bytes are hashed, checked and loaded.
    metadata : dict of str to str
    external : tuple of str
        Locations of tensors stored in other files, as the model names them.
    custom : tuple of str
        Domains of operators that belong neither to ONNX nor to ONNX Runtime and are not defined in the file:
        they need a separate library of code.
    """

    path: Path
    content: bytes
    metadata: dict[str, str]
    external: tuple[str, ...]
    custom: tuple[str, ...] = ()

    def external_files(self) -> tuple[Path, ...]:
        """Return the files of the external data, all inside the folder of the model.

        Raises
        ------
        ModelError
            If one is missing, has a name that no file can have, or lies outside the folder (also through a
            link).
        """
        return tuple(self._external_file(location) for location in self.external)

    def read_external(self) -> Iterator[bytes]:
        """Yield the content of each file of the external data.

        Raises
        ------
        ModelError
            As `external_files`, or if one cannot be read.
        """
        for file in self.external_files():
            try:
                content = file.read_bytes()
            except OSError as error:
                raise ModelError(
                    f"{self.path}: its external data {file.name!r} cannot be read ({error.strerror})"
                ) from error
            yield content

    def _external_file(self, location: str) -> Path:
        try:
            folder = self.path.parent.resolve()
            file = (folder / location).resolve()
            is_file = file.is_file()
        except (OSError, ValueError, RuntimeError) as error:  # RuntimeError: links in a circle
            raise ModelError(
                f"{self.path}: its external data {location!r} cannot be read ({error})"
            ) from error
        if Path(location).is_absolute() or not file.is_relative_to(folder):
            raise ModelError(f"{self.path}: its external data {location!r} is outside its folder")
        if not is_file:
            raise ModelError(f"{self.path}: its external data {location!r} does not exist")
        return file

    def hash(self) -> str:
        """Compute the SHA-256 of the file and its external data, as hexadecimal digits."""
        digest = hashlib.sha256(self.content)
        for content in self.read_external():
            digest.update(content)
        return digest.hexdigest()


def read_onnx(path: Path) -> OnnxFile:
    """Read a model file and find its metadata, external data and custom operators.

    Raises
    ------
    ModelError
        If it cannot be read or is not an ONNX model.
    """
    try:
        content = read_file(path)
    except OSError as error:
        raise ModelError(f"{path}: this model cannot be read ({error.strerror})") from error
    try:
        metadata, external, custom = _visit_messages(memoryview(content))
    except (ValueError, IndexError) as error:
        raise ModelError(f"{path}: not an ONNX model") from error
    return OnnxFile(path, content, metadata, external, custom)


def _visit_messages(content: memoryview) -> tuple[dict[str, str], tuple[str, ...], tuple[str, ...]]:
    """Visit every message that can hold a tensor; ValueError or IndexError if the bytes are not ONNX."""
    metadata: dict[str, str] = {}
    external: dict[str, None] = {}
    domains: dict[str, set[str]] = {"node": set(), "function": set(_KNOWN_DOMAINS)}
    pending: list[tuple[str, memoryview]] = [("model", content)]
    graphs = 0
    while pending:
        kind, message = pending.pop()
        for number, value, _ in read_fields(message):
            if not isinstance(value, memoryview):
                continue
            if kind == "model" and number == METADATA_FIELD:
                metadata.update([read_entry(value)])
            elif kind == "tensor" and number == _TENSOR_EXTERNAL:
                key, text = read_entry(value)
                if key == "location":
                    external[text] = None
            elif number == _DOMAIN.get(kind):
                domains[kind].add(str(value, "utf-8"))
            elif child := _CHILDREN[kind].get(number):
                pending.append((child, value))
                graphs += kind == "model" and child == "graph"
    if not graphs:
        raise ValueError("no graph")
    return metadata, tuple(external), tuple(sorted(domains["node"] - domains["function"]))


# The name of a class becomes the name of columns and of a folder.
_CLASS_NAME = re.compile(r"\w[\w -]*")


def read_card(path: Path | str) -> ModelCard:
    """Read the card stored in an ONNX file, without loading the model.

    Raises
    ------
    ModelError
        If the file is not an ONNX model, has no card or an invalid one.
    """
    return find_card(read_onnx(Path(path)))


def find_card(file: OnnxFile, separate: Path | None = None) -> ModelCard:
    """Read the card of a model: from a separate JSON file if one is given, else from the model file.

    Raises
    ------
    ModelError
        If there is no card, or it is invalid.
    """
    if separate is not None:
        card = ModelCard.read(separate)
    elif METADATA_KEY in file.metadata:
        card = ModelCard.from_json(file.metadata[METADATA_KEY], source=str(file.path))
    else:
        raise ModelError(f"{file.path}: this file has no model card; give one with --card card.json")
    for name in card.classes:
        if not _CLASS_NAME.fullmatch(name):
            raise ModelError(
                f"{file.path}: the class name {name!r} in its card is not plain "
                "(only letters, digits, _, - and blanks)"
            )
    return card
