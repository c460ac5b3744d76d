"""What kernels do to 64-bit words: machine instructions that numba has no name for, shifts, constants.

A word holds 64 pixels of a row, the leftmost in its lowest bit. Every constant is a `np.uint64`: numba
compares a uint64 with a Python int as float64, which takes near-equal words for equal.
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

NONE = np.uint64(0)
ONE = np.uint64(1)
ALL = np.uint64(0xFFFF_FFFF_FFFF_FFFF)
LAST = np.uint64(63)
BITS = 64


def _pack64(typing_context: Any, pixels: Any, offset: Any) -> Any:  # noqa: ARG001
    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        array = context.make_array(signature.args[0])(context, builder, arguments[0])
        lanes = ir.VectorType(ir.IntType(8), BITS)
        address = builder.bitcast(builder.gep(array.data, [arguments[1]]), lanes.as_pointer())
        loaded = builder.load(address)
        loaded.align = 1
        foreground = builder.icmp_unsigned("!=", loaded, ir.Constant(lanes, None))
        return builder.bitcast(foreground, ir.IntType(BITS))

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
"""The word of the 64 bytes of a 1-D uint8 array that begin at an offset: a bit is set where a byte is not 0.

One vector comparison, which LLVM turns into the machine's own (vptestmb, or pmovmskb where there is no
AVX-512): a mask is read at the speed of memory.
"""

popcount = cast("Callable[[np.uint64], int]", intrinsic(_popcount))
"""The number of bits that are set."""

lowest_bit = cast("Callable[[np.uint64], int]", intrinsic(_lowest_bit))
"""The place of the lowest bit that is set; the word must not be 0."""


@helper
def left_of(row: Words, k: int) -> np.uint64:
    """Give, in each pixel's place in word k of a row, the pixel to the left of it."""
    pixels: np.uint64 = (row[k] << ONE) | (row[k - 1] >> LAST)
    return pixels


@helper
def right_of(row: Words, k: int) -> np.uint64:
    """Give, in each pixel's place in word k of a row, the pixel to the right of it."""
    pixels: np.uint64 = (row[k] >> ONE) | (row[k + 1] << LAST)
    return pixels
