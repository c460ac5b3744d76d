"""Read and write the fields of a protocol buffer, which an ONNX file is, without loading a model.

A message is a sequence of fields: (number, wire type, value). The encoding is described at
https://protobuf.dev/programming-guides/encoding/.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

_VARINT, _FIXED_64, _BYTES, _FIXED_32 = 0, 1, 2, 5


class Field(NamedTuple):
    """One field of a message.

    Attributes
    ----------
    number : int
    value : int or memoryview
        The content of a field of bytes; a field of fixed width is skipped and 0.
    raw : memoryview
        The whole field, as it stands in the message.
    """

    number: int
    value: int | memoryview
    raw: memoryview


def read_fields(message: memoryview) -> Iterator[Field]:
    """Yield the fields of one message.

    Raises
    ------
    ValueError, IndexError
        If the bytes are not a message.
    """
    at = 0
    while at < len(message):
        start = at
        tag, at = _read_varint(message, at)
        wire = tag & 7
        value: int | memoryview = 0
        if wire == _VARINT:
            value, at = _read_varint(message, at)
        elif wire in (_FIXED_64, _FIXED_32):
            at += 8 if wire == _FIXED_64 else 4
        elif wire == _BYTES:
            size, at = _read_varint(message, at)
            value, at = message[at : at + size], at + size
        else:
            raise ValueError(f"wire type {wire}")
        if at > len(message):
            raise ValueError("cut short")
        yield Field(tag >> 3, value, message[start:at])


def write_field(number: int, content: bytes) -> bytes:
    """Return a field of bytes: text, or an inner message."""
    return _write_varint(number << 3 | _BYTES) + _write_varint(len(content)) + content


def read_entry(message: memoryview) -> tuple[str, str]:
    """Read the key and the value of a StringStringEntryProto."""
    texts = {
        one.number: str(one.value, "utf-8")
        for one in read_fields(message)
        if isinstance(one.value, memoryview)
    }
    return texts.get(1, ""), texts.get(2, "")


def write_entry(key: str, value: str) -> bytes:
    """Return a StringStringEntryProto."""
    return write_field(1, key.encode()) + write_field(2, value.encode())


def _read_varint(message: memoryview, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = message[at]
        value |= (byte & 0x7F) << shift
        at, shift = at + 1, shift + 7
        if byte < 0x80:
            return value, at
        if shift > 63:
            raise ValueError("number too long")


def _write_varint(value: int) -> bytes:
    found = bytearray()
    while value >= 0x80:
        found.append(value & 0x7F | 0x80)
        value >>= 7
    found.append(value)
    return bytes(found)
