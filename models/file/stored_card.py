"""Write a model card into the bytes of an ONNX file, with its checksums; needs no other package."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace

from ..card import METADATA_KEY, ModelCard
from ..checksum import METADATA_FIELD, UNKNOWN, Checksum, hash_graph, hash_metadata
from ..protobuf import read_entry, read_fields, write_entry, write_field


def store_card(content: bytes, card: ModelCard, *, external: Iterable[bytes] = ()) -> bytes:
    """Return a model file with another card in its metadata; all else stays as it is, byte by byte.

    Parameters
    ----------
    content : bytes
        The file.
    card : ModelCard
        Its checksum is computed here.
    external : iterable of bytes
        The content of the file's external data.
    """
    graph = hash_graph(content, external)
    unsealed = replace(card, checksum=Checksum(graph, UNKNOWN))
    metadata = hash_metadata(_with_metadata(content, card_metadata(unsealed)), UNKNOWN)
    return _with_metadata(content, card_metadata(replace(card, checksum=Checksum(graph, metadata))))


def card_metadata(card: ModelCard) -> dict[str, str]:
    """Return the metadata of a model file: the card, and plain keys as other tools spell them."""
    return {
        METADATA_KEY: card.to_json(),
        "names": str(dict(enumerate(card.classes))),
        "imgsz": str([card.pixels.height, card.pixels.width]),
        "author": "cxr",
        "license": card.license,
    }


def _with_metadata(content: bytes, changed: Mapping[str, str]) -> bytes:
    """Replace entries of the metadata; other entries stay."""
    kept: list[bytes | memoryview] = []
    entries: dict[str, str] = {}
    for field in read_fields(memoryview(content)):
        if field.number == METADATA_FIELD and isinstance(field.value, memoryview):
            entries.update([read_entry(field.value)])
        else:
            kept.append(field.raw)
    written = (write_field(METADATA_FIELD, write_entry(*one)) for one in {**entries, **changed}.items())
    return b"".join((*kept, *written))
