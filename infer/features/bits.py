"""Operations on 64-bit words that numba does not name: LLVM instructions, neighbor shifts and constants.

A word holds 64 pixels of a row, the leftmost in its lowest bit. Every constant is a `np.uint64`: numba
compares a uint64 with a Python int as float64, which makes nearly equal words equal.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast

import numpy as np
import numpy.typing as npt
from llvmlite import ir  # type: ignore[import-untyped]
from numba import types
from numba.extending import intrinsic

from ...machine.kernels import helper

Words = npt.NDArray[np.uint64]

NO_BITS = np.uint64(0)
ONE = np.uint64(1)
ALL_BITS = np.uint64(0xFFFF_FFFF_FFFF_FFFF)
HIGHEST = np.uint64(63)
WORD_BITS = 64


def _pack64(typing_context: Any, pixels: Any, offset: Any) -> Any:  # noqa: ARG001
    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        array = context.make_array(signature.args[0])(context, builder, arguments[0])
        lanes = ir.VectorType(ir.IntType(8), WORD_BITS)
        address = builder.bitcast(builder.gep(array.data, [arguments[1]]), lanes.as_pointer())
        loaded = builder.load(address)
        loaded.align = 1
        foreground = builder.icmp_unsigned("!=", loaded, ir.Constant(lanes, None))
        return builder.bitcast(foreground, ir.IntType(WORD_BITS))

    return types.uint64(pixels, types.intp), generate


def _popcount(typing_context: Any, word: Any) -> Any:  # noqa: ARG001
    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:  # noqa: ARG001
        return builder.ctpop(arguments[0])

    return types.int64(types.uint64), generate


def _lowest_bit(typing_context: Any, word: Any) -> Any:  # noqa: ARG001
    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:  # noqa: ARG001
        return builder.cttz(arguments[0], ir.Constant(ir.IntType(1), 1))

    return types.int64(types.uint64), generate


pack64 = cast("Callable[[npt.NDArray[np.uint8], int], np.uint64]", intrinsic(_pack64))
"""The word of the 64 bytes that begin at an offset of a 1-D uint8 array: a bit is set where a byte is not 0.

One vector comparison, which LLVM compiles to the processor's own instruction (vptestmb, or pmovmskb without
AVX-512): a mask is read at the speed of memory.
"""

popcount = cast("Callable[[np.uint64], int]", intrinsic(_popcount))
"""The number of set bits."""

lowest_bit = cast("Callable[[np.uint64], int]", intrinsic(_lowest_bit))
"""The index of the lowest set bit; the word must not be 0."""


@helper
def left_neighbors(row: Words, k: int) -> np.uint64:
    """Return word k of a row with each pixel replaced by its left neighbor."""
    pixels: np.uint64 = (row[k] << ONE) | (row[k - 1] >> HIGHEST)
    return pixels


@helper
def right_neighbors(row: Words, k: int) -> np.uint64:
    """Return word k of a row with each pixel replaced by its right neighbor."""
    pixels: np.uint64 = (row[k] >> ONE) | (row[k + 1] << HIGHEST)
    return pixels
