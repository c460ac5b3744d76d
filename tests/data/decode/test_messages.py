"""Messages between a worker process and its parent: what arrives is what was sent, or is rejected."""

from __future__ import annotations

import io
import json
import struct
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as numpy_strategies

from cxr.data.decode.messages import ProtocolError, error_answer, pack, read_answer, record_answer
from cxr.data.image import Radiograph
from cxr.errors import DecodeError, MissingExtraError

LIMIT = 1 << 20


class Kind(StrEnum):
    """A closed choice."""

    SHARP = "sharp"


@dataclass(frozen=True)
class Record:
    """Everything that a record may hold."""

    pixels: npt.NDArray[np.uint8]
    labels: npt.NDArray[Any] | None = None
    spacing: tuple[float, float] | None = None
    kinds: tuple[Kind, ...] = ()
    masks: Mapping[str, npt.NDArray[np.bool_]] = field(default_factory=dict)


class Pipe(io.BytesIO):
    """Gives few bytes at once, as pipes do."""

    def readinto(self, buffer: Any) -> int:
        return super().readinto(memoryview(buffer)[:1000])


def sent(buffers: list[Any]) -> Pipe:
    return Pipe(b"".join(bytes(buffer) for buffer in buffers))


def message(**answer: Any) -> Pipe:
    return Pipe(pack(json.dumps({"value": None, "arrays": [], "errors": []} | answer).encode()))


@given(numpy_strategies.arrays(np.uint8, numpy_strategies.array_shapes(min_dims=2, max_dims=2, max_side=60)))
def test_image_arrives_as_it_was_sent(pixels: npt.NDArray[np.uint8]) -> None:
    received = read_answer(sent(record_answer(Radiograph(pixels, (0.1, 0.2), "ß"))), Radiograph, LIMIT)
    np.testing.assert_array_equal(received.pixels, pixels)
    assert (received.spacing_mm, received.patient_id) == ((0.1, 0.2), "ß")


@given(
    numpy_strategies.arrays(
        st.sampled_from([np.uint8, np.int16, np.float32, np.float64, np.bool_, np.dtype(">u2")]),
        numpy_strategies.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=5),
    )
)
def test_arrays_of_any_numbers_and_any_shape_arrive(array: npt.NDArray[Any]) -> None:
    received = read_answer(sent(record_answer(array)), npt.NDArray[Any], LIMIT)
    assert received.dtype == array.dtype
    np.testing.assert_array_equal(received, array.reshape(received.shape))


def test_nested_records_arrive() -> None:
    pixels = np.arange(12, dtype=np.uint8).reshape(3, 4)
    record = Record(pixels, pixels[::2, ::2] * 1.5, (1.0, 2.0), (Kind.SHARP,), {"lung": pixels > 3})
    received = read_answer(sent(record_answer(record)), Record, LIMIT)
    assert received.kinds == (Kind.SHARP,)
    np.testing.assert_array_equal(received.labels, record.labels)
    np.testing.assert_array_equal(received.masks["lung"], pixels > 3)


@pytest.mark.parametrize("record", [np.zeros((2, 2)), {"lung": np.ones((2, 3), np.uint8)}])
def test_each_type_of_a_union_arrives(record: Any) -> None:
    union = npt.NDArray[Any] | Mapping[str, npt.NDArray[np.uint8]]
    assert type(read_answer(sent(record_answer(record)), union, LIMIT)) is type(record)


@pytest.mark.parametrize(
    "error", [DecodeError("a.tif: damaged"), MissingExtraError("pydicom"), MemoryError(), OSError(5, "EIO")]
)
def test_errors_of_ours_and_of_the_system_arrive(error: Exception) -> None:
    received = read_answer(sent(error_answer(error)), Radiograph, LIMIT)
    assert (type(received), str(received)) == (type(error), str(error))


def test_other_errors_arrive_as_decode_errors_that_name_them() -> None:
    received = read_answer(sent(error_answer(struct.error("short"))), Radiograph, LIMIT)
    assert (type(received), str(received)) == (DecodeError, "error: short")


@pytest.mark.parametrize("dtype", ["O", "|O", "V8", "M8[s]", "U4", "u1,O", "no type"])
def test_only_arrays_of_numbers_are_accepted(dtype: str) -> None:
    pipe = message(value=0, arrays=[{"dtype": dtype, "shape": [1]}])
    with pytest.raises(ProtocolError):
        read_answer(Pipe(pipe.getvalue() + bytes(64)), npt.NDArray[Any], LIMIT)


@pytest.mark.parametrize("shape", [[1 << 40, 1 << 40], [LIMIT + 1], [-1], [-1, -1], ["1"], 1])
def test_sizes_beyond_the_limit_are_rejected_before_memory_is_allocated(shape: Any) -> None:
    with pytest.raises(ProtocolError):
        read_answer(message(value=0, arrays=[{"dtype": "|u1", "shape": shape}]), npt.NDArray[Any], LIMIT)


@pytest.mark.parametrize(
    "value",
    [
        None,
        7,
        {"pixels": None},
        {"pixels": 1},
        {"pixels": True},
        {"pixels": 0, "spacing_mm": "1"},
        {"pixels": 0, "spacing_mm": [1.0]},
        {"pixels": 0, "patient_id": {"a": 1}},
    ],
)
def test_records_of_another_type_are_rejected(value: Any) -> None:
    pipe = message(value=value, arrays=[{"dtype": "|u1", "shape": [1, 1]}])
    with pytest.raises(ProtocolError):
        read_answer(Pipe(pipe.getvalue() + bytes(1)), Radiograph, LIMIT)


def test_array_of_another_type_is_rejected() -> None:
    record = record_answer(np.zeros((2, 2), np.float32))
    with pytest.raises(ProtocolError):
        read_answer(sent(record), npt.NDArray[np.uint8], LIMIT)


def test_names_of_foreign_exceptions_are_only_text() -> None:
    errors = [{"kind": "SystemExit", "text": "7", "number": None}]
    received = read_answer(message(errors=errors), Radiograph, LIMIT)
    assert (type(received), str(received)) == (DecodeError, "SystemExit: 7")


def test_deeply_nested_json_is_rejected() -> None:
    with pytest.raises(ProtocolError):
        read_answer(Pipe(pack(b"[" * 200_000)), Radiograph, LIMIT)


@given(st.binary(max_size=200))
def test_arbitrary_bytes_are_rejected(data: bytes) -> None:
    with pytest.raises((ProtocolError, EOFError)):
        read_answer(Pipe(data), Radiograph, LIMIT)
    with pytest.raises(ProtocolError):
        read_answer(Pipe(pack(data)), Radiograph, LIMIT)


@given(st.integers(0, 200))
def test_answers_that_end_early_are_the_end_of_the_pipe(size: int) -> None:
    whole = sent(record_answer(Radiograph(np.zeros((20, 10), np.uint8)))).getvalue()
    with pytest.raises(EOFError):
        read_answer(Pipe(whole[:size]), Radiograph, LIMIT)
