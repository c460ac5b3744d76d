"""What a worker process and its parent send each other: JSON and the bytes of arrays, never pickled objects.

A worker process that a hostile file has taken over can thus send wrong values, but cannot run code in its
parent: the parent converts what it receives to the type that it expects, and rejects everything else.
"""

from __future__ import annotations

import json
import math
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from types import UnionType
from typing import Any, Protocol, Union, get_args, get_origin

import msgspec
import numpy as np
import numpy.typing as npt

from ...errors import CxrError, DecodeError
from ...machine.os_errors import causes

READY = b"\0cxr worker\0"
"""What a worker process sends once it can decode; whatever is printed before it is skipped."""

MAX_TEXT_BYTES = 1 << 24
"""Largest size of the JSON in a message."""

Buffer = bytes | memoryview

_LENGTH = struct.Struct(">I")


class Source(Protocol):
    """The end of a pipe to read from, without a buffer."""

    def readinto(self, buffer: memoryview, /) -> int | None:
        """Read at least one byte; 0 at the end."""


@dataclass(frozen=True)
class ArraySpec:
    """An array whose bytes follow the JSON of a message."""

    dtype: str
    shape: tuple[int, ...]


@dataclass(frozen=True)
class ErrorRecord:
    """An exception: the name of its class, its text, and the number of an error of the system."""

    kind: str
    text: str
    number: int | None = None


@dataclass(frozen=True)
class Answer:
    """The JSON of an answer: a record, or an error followed by its causes.

    Attributes
    ----------
    value
        The record as JSON; in place of each array stands its index in `arrays`.
    arrays : tuple of ArraySpec
    errors : tuple of ErrorRecord
        Empty if the file was read.
    """

    value: Any = None
    arrays: tuple[ArraySpec, ...] = ()
    errors: tuple[ErrorRecord, ...] = ()


class ProtocolError(Exception):
    """A worker process sent something that is not an answer."""


def pack(text: bytes) -> bytes:
    """Return bytes with their length before them."""
    return _LENGTH.pack(len(text)) + text


def unpack(source: Source) -> bytes:
    """Read bytes that `pack` returned.

    Raises
    ------
    EOFError
        At the end of the pipe.
    ProtocolError
        If they are too many.
    """
    (length,) = _LENGTH.unpack(bytes(_read(source, _LENGTH.size)))
    if length > MAX_TEXT_BYTES:
        raise ProtocolError(f"a message of {length} bytes")
    return bytes(_read(source, length))


def record_answer(record: object) -> list[Buffer]:
    """Return the bytes of an answer that holds a record: a dataclass, a mapping, an array or the like."""
    arrays: list[npt.NDArray[Any]] = []

    def replace_array(value: object) -> Any:
        if isinstance(value, np.generic):
            return value.item()
        if not isinstance(value, np.ndarray):
            raise TypeError(f"a record cannot hold {type(value).__name__}")
        arrays.append(np.ascontiguousarray(value))
        return len(arrays) - 1

    value = msgspec.to_builtins(record, enc_hook=replace_array)
    specs = tuple(ArraySpec(array.dtype.str, array.shape) for array in arrays)
    return [_encode(Answer(value, specs)), *(array.reshape(-1).view(np.uint8).data for array in arrays)]


def error_answer(error: Exception) -> list[Buffer]:
    """Return the bytes of an answer that holds an error and its causes."""
    return [_encode(Answer(errors=tuple(map(_error_record, causes(error)))))]


def read_answer(source: Source, record_type: Any, max_array_bytes: int) -> Any:
    """Read an answer.

    Parameters
    ----------
    source : Source
    record_type : type
        The type of the record.
    max_array_bytes : int
        Limit for all arrays together.

    Returns
    -------
    The record, or an Exception if the answer holds an error

    Raises
    ------
    EOFError
        If the pipe ends before the end of the answer.
    ProtocolError
        If it is no answer, or holds another type of record.
    """
    text = unpack(source)
    try:
        answer = msgspec.convert(json.loads(text), Answer)
        dtypes = [_plain_dtype(spec.dtype) for spec in answer.arrays]
        sizes = [_array_bytes(spec, dtype) for spec, dtype in zip(answer.arrays, dtypes, strict=True)]
        if sum(sizes) > max_array_bytes:
            raise ProtocolError(f"arrays of {sum(sizes)} bytes")
        arrays = [
            _read(source, size).view(dtype).reshape(spec.shape)
            for spec, dtype, size in zip(answer.arrays, dtypes, sizes, strict=True)
        ]
        return _error(answer.errors) if answer.errors else _convert(answer.value, record_type, arrays)
    except (ValueError, TypeError, RecursionError, msgspec.ValidationError) as error:
        raise ProtocolError(str(error)) from error


def _encode(answer: Answer) -> bytes:
    # The standard JSON, because file names that are not UTF-8 are lone surrogates, which msgspec rejects.
    return pack(json.dumps(msgspec.to_builtins(answer)).encode())


def _read(source: Source, size: int) -> npt.NDArray[np.uint8]:
    data = np.empty(size, np.uint8)
    rest = data.data
    while rest:
        count = source.readinto(rest)
        if not count:
            raise EOFError
        rest = rest[count:]
    return data


def _plain_dtype(name: str) -> np.dtype[Any]:
    """Return a type of numbers; an array of objects would hold pointers that the worker process chose."""
    dtype = np.dtype(name)
    if dtype.kind not in "biuf":
        raise ProtocolError(f"an array of {name}")
    return dtype


def _array_bytes(spec: ArraySpec, dtype: np.dtype[Any]) -> int:
    if min(spec.shape, default=0) < 0:
        raise ProtocolError(f"an array of shape {spec.shape}")
    return math.prod(spec.shape) * dtype.itemsize


def _convert(value: Any, record_type: Any, arrays: list[npt.NDArray[Any]]) -> Any:
    """Convert JSON to the expected type, or to the first type of a union that it fits."""

    def array(expected: Any, index: Any) -> npt.NDArray[Any]:
        if (
            get_origin(expected) is not np.ndarray
            or type(index) is not int
            or index not in range(len(arrays))
        ):
            raise ValueError(f"{index!r} in place of {expected}")
        dtype = get_args(get_args(expected)[1])[0]
        if dtype is not Any and arrays[index].dtype != dtype:
            raise ValueError(f"an array of {arrays[index].dtype} in place of {expected}")
        return arrays[index]

    *others, last = _members(record_type)
    for member in others:
        try:
            return msgspec.convert(value, member, dec_hook=array)
        except (ValueError, msgspec.ValidationError):
            continue
    return msgspec.convert(value, last, dec_hook=array)


def _members(record_type: Any) -> tuple[Any, ...]:
    return get_args(record_type) if get_origin(record_type) in (Union, UnionType) else (record_type,)


def _error_record(error: BaseException) -> ErrorRecord:
    if isinstance(error, OSError) and error.errno is not None and not isinstance(error, CxrError):
        return ErrorRecord(type(error).__name__, error.strerror or "", error.errno)
    kind = MemoryError if isinstance(error, MemoryError) else type(error)
    return ErrorRecord(kind.__name__, str(error))


def _error(records: tuple[ErrorRecord, ...]) -> Exception:
    """Return the error with its causes."""
    errors = [_one_error(record) for record in records]
    for error, cause in pairwise(errors):
        error.__cause__ = cause
    return errors[0]


def _one_error(record: ErrorRecord) -> Exception:
    """Return an error of the same class if it is one of ours or of the system; else a DecodeError."""
    if record.number is not None:
        return OSError(record.number, record.text)
    if record.kind == MemoryError.__name__:
        return MemoryError(record.text)
    for kind in _own_errors(CxrError):
        if kind.__name__ == record.kind:
            return kind(record.text)
    return DecodeError(f"{record.kind}: {record.text}")


def _own_errors(root: type[CxrError]) -> Iterator[type[CxrError]]:
    yield root
    for kind in root.__subclasses__():
        yield from _own_errors(kind)
