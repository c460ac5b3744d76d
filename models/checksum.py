"""Checksums in a model's card: a file with a flipped byte is recognized.

Every byte of the file counts in one of two hashes: `graph` covers the graph, its tensors and all else but the
metadata, so it stays the same where only the card changes; `metadata` covers the card and the other metadata.
They detect damage, not intent: whoever changes a file on purpose can compute them anew.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass

from .protobuf import read_fields

METADATA_FIELD = 14
"""Number of `metadata_props` in onnx.proto's ModelProto; it never changes."""

UNKNOWN = "0" * 64
"""Stands for the digits of `metadata` while it is computed, since they are part of what it covers."""


@dataclass(frozen=True)
class Checksum:
    """SHA-256 of the two parts of a model file, as hexadecimal digits.

    Attributes
    ----------
    graph : str
        Of the file without `metadata_props`, then of its external data.
    metadata : str
        Of `metadata_props`, with the digits of this hash replaced by zeros.
    """

    graph: str
    metadata: str


def hash_graph(content: bytes, external: Iterable[bytes] = ()) -> str:
    """Hash everything of a model file but its metadata, and its external data.

    Raises
    ------
    ValueError, IndexError
        If the bytes are not a protocol buffer.
    """
    digest = hashlib.sha256()
    for field in read_fields(memoryview(content)):
        if field.number != METADATA_FIELD:
            digest.update(field.raw)
    for data in external:
        digest.update(data)
    return digest.hexdigest()


def hash_metadata(content: bytes, stored: str) -> str:
    """Hash the metadata of a model file.

    Parameters
    ----------
    content : bytes
        The file.
    stored : str
        The digits that the card holds; they are replaced by zeros.

    Raises
    ------
    ValueError, IndexError
        If the bytes are not a protocol buffer.
    """
    fields = read_fields(memoryview(content))
    raw = b"".join(field.raw for field in fields if field.number == METADATA_FIELD)
    return hashlib.sha256(raw.replace(stored.encode(), UNKNOWN.encode())).hexdigest()
