"""RLE-compressed DICOM pixels: one segment per byte of a sample, neither too short nor too long."""

from __future__ import annotations

import struct
from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from pydicom import uid
from pydicom.pixels import get_encoder

from cxr.data.decode.dicom.reader import read_dicom
from cxr.errors import DecodeError

MakeDicom = Callable[..., bytes]
Pixels = npt.NDArray[Any]


def image(height: int = 45, width: int = 67) -> npt.NDArray[np.uint16]:
    """12 bits, an odd number of pixels, no two equal rows or columns."""
    rows, columns = np.mgrid[:height, :width]
    noise = np.random.default_rng(0).integers(0, 90, (height, width))
    return np.asarray((rows * 51 + columns * 23 + noise).clip(0, 4095), np.uint16)


DEEP = image()
SHALLOW = np.asarray(DEEP >> 4, np.uint8)


def rle(pixels: Pixels) -> bytes:
    return get_encoder(uid.RLELossless).encode(
        pixels,
        rows=pixels.shape[0],
        columns=pixels.shape[1],
        samples_per_pixel=1,
        bits_allocated=8 * pixels.itemsize,
        bits_stored=8 * pixels.itemsize,
        pixel_representation=int(pixels.dtype.kind == "i"),
        number_of_frames=1,
        photometric_interpretation="MONOCHROME2",
    )


def read(data: bytes) -> npt.NDArray[np.uint8]:
    return read_dicom(data, max_pixels=DEEP.size).pixels


@pytest.mark.parametrize("pixels", [SHALLOW, DEEP], ids=["8 bits", "12 bits"])
@pytest.mark.parametrize("more", [bytes(2), bytes(64), bytes(1001)])
def test_bytes_after_run_lengths_are_ignored(make_dicom: MakeDicom, pixels: Pixels, more: bytes) -> None:
    stream, depth = rle(pixels), {} if pixels is SHALLOW else {"BitsStored": 12}
    expected = read(make_dicom(pixels, uid.RLELossless, stream, **depth))
    np.testing.assert_array_equal(read(make_dicom(pixels, uid.RLELossless, stream + more, **depth)), expected)
    if pixels is DEEP:
        _, first, second = struct.unpack_from("<3I", stream)
        header = struct.pack("<3I", 2, first, second + len(more)) + stream[12:first]
        longer = header + stream[first:second] + more + stream[second:]
        np.testing.assert_array_equal(read(make_dicom(pixels, uid.RLELossless, longer, **depth)), expected)


@pytest.mark.parametrize("header", [(2, 64, 66), (1, 32), (1, 9999), (0, 0)])
def test_run_lengths_without_one_segment_per_byte_are_rejected(
    make_dicom: MakeDicom, header: tuple[int, ...]
) -> None:
    stream = struct.pack("<16I", *header, *([0] * (16 - len(header)))) + b"\x81\x00" * 40
    with pytest.raises(DecodeError, match="RLE pixels are not in one segment per byte of a sample"):
        read(make_dicom(SHALLOW, uid.RLELossless, stream))
    with pytest.raises(DecodeError, match="RLE pixels are cut off"):
        read(make_dicom(SHALLOW, uid.RLELossless, stream[:62]))


def test_run_lengths_of_more_or_fewer_pixels_than_the_image_are_rejected(make_dicom: MakeDicom) -> None:
    segment = b"\x81\x00" * 100_000
    bomb = struct.pack("<16I", 1, 64, *([0] * 14)) + segment
    with pytest.raises(DecodeError, match="RLE pixels are damaged"):
        read(make_dicom(SHALLOW, uid.RLELossless, bomb))
    short = struct.pack("<16I", 1, 64, *([0] * 14)) + b"\x81\x00\x81\x00"
    with pytest.raises(DecodeError, match="fewer RLE pixels than its header declares"):
        read(make_dicom(SHALLOW, uid.RLELossless, short))
