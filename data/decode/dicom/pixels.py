"""The stored values of a DICOM image: native, run-length encoded, or a codestream of the JPEG family."""

from __future__ import annotations

import io
import logging
import struct
from dataclasses import dataclass, replace
from types import ModuleType

import numpy as np
import numpy.typing as npt

from ....errors import DecodeError, MissingExtraError
from ....machine.extras import require
from ..codestream import JPEG_2000_START, JPEG_START, Frame, read_jpeg_2000_frame, read_jpeg_frame
from ..views import count_samples
from .header import DicomFile
from .pixel_format import PixelFormat, high_bit_error, low_bits
from .syntax import Syntax

log = logging.getLogger(__name__)

Cells = npt.NDArray[np.uint8] | npt.NDArray[np.uint16]

_SAMPLED_ROWS = 128
_MOST = 0.5
_MUCH_SMOOTHER = 0.5
_NOISE = 0.5

_RLE_HEADER = struct.Struct("<16I")  # number of segments, and their offsets


@dataclass(frozen=True)
class StoredValues:
    """The stored values of one image.

    Attributes
    ----------
    cells : ndarray of uint8 or uint16, shape (rows, columns)
        Bit patterns.
    bits : int
        How many bits of a cell, from the lowest, hold its value; the other bits are arbitrary.
    signed : bool
        Whether values are in two's complement.
    """

    cells: Cells
    bits: int
    signed: bool

    def actual_format(self, declared: PixelFormat) -> PixelFormat:
        """Return the declared pixel format with the bits and the sign that the values turned out to have."""
        return replace(declared, bits_stored=min(self.bits, declared.bits_stored), signed=self.signed)


def read_stored_values(file: DicomFile, pixel_format: PixelFormat) -> StoredValues:
    """Read the stored values, decompressed if necessary.

    Raises
    ------
    DecodeError
        If there are fewer values than the header declares or twice as many, a codestream is damaged or
        differs from the header in size, or values do not fit the stored bits.
    """
    stored = _stored_values(file, pixel_format)
    if stored.bits < 8 * stored.cells.itemsize and _exceed_bits(stored):
        raise DecodeError(
            f"a DICOM image whose pixels have more than the {stored.bits} bits that its header declares; "
            "correct BitsStored and HighBit"
        )
    return stored


def _stored_values(file: DicomFile, pixel_format: PixelFormat) -> StoredValues:
    bits, signed = pixel_format.bits_stored, pixel_format.signed
    if file.syntax.native:
        return StoredValues(_native(file, pixel_format), bits, signed)
    if pixel_format.element.length is not None:
        raise DecodeError(
            "a DICOM file with a compressed transfer syntax but uncompressed pixels; export it again"
        )
    stream = _codestream(file.data, pixel_format.element.start)
    if file.syntax is Syntax.RLE:
        return StoredValues(_run_lengths(stream, pixel_format), bits, signed)
    return _decompress(stream, pixel_format, lossy=file.syntax.lossy)


def _exceed_bits(stored: StoredValues) -> bool:
    """Return whether values continue in the unused bits of their cells.

    Overlays and noise in these bits are allowed. But values were cut off where neighbors that differ in these
    bits differ less as whole cells than as stored values, or where only stored values look like noise.
    """
    sampled = stored.cells[:: _step(stored.cells)]
    unused = sampled >> stored.bits
    if unused.min() == unused.max():
        return False
    whole = sampled.astype(np.int64)
    used = low_bits(whole, stored.bits, signed=stored.signed)
    crossing = np.diff(whole >> stored.bits) != 0
    if not crossing.any():
        return False
    continued = np.abs(np.diff(whole)) < np.abs(np.diff(used))
    if int(continued[crossing].sum()) > _MOST * int(crossing.sum()):
        return True
    roughness = _roughness(used)
    return roughness > _NOISE and _roughness(whole) < _MUCH_SMOOTHER * roughness


def _roughness(values: npt.NDArray[np.int64]) -> float:
    """Return the mean difference of neighbors in standard deviations: 0.1 in a radiograph, 1.1 in noise."""
    deviation = float(values.std())
    return float(np.abs(np.diff(values)).mean()) / deviation if deviation else 0.0


def _step(cells: Cells) -> int:
    """Return the distance of sampled rows: differences need not be computed in all of them."""
    return max(1, len(cells) // _SAMPLED_ROWS)


def _native(file: DicomFile, pixel_format: PixelFormat) -> Cells:
    element = pixel_format.element
    count = pixel_format.rows * pixel_format.columns
    size = (count * pixel_format.bits_allocated + 7) // 8
    even = size + size % 2
    # Twice as many bytes are a second frame, or samples of other bits than declared.
    if element.length is None or not (size <= element.length < 2 * size or element.length == even):
        found = "fragments" if element.length is None else f"{element.length} bytes"
        raise DecodeError(
            f"a DICOM file with {found} of pixels where its header declares {size} bytes; export it again"
        )
    if element.length > even:
        log.debug("%d bytes after the pixels are ignored", element.length - size)
    raw = file.pixel_bytes(element, min(element.length, even))
    if len(raw) < size:
        raise DecodeError("a DICOM file that is cut off inside its pixels; copy or download it again")
    cells: Cells
    if pixel_format.bits_allocated == 16:
        order = ">" if file.syntax.big_endian else "<"
        cells = np.frombuffer(raw, f"{order}u2").astype(np.uint16, copy=False)
    else:
        cells = np.frombuffer(raw, np.uint8)
        if file.syntax.big_endian and element.is_word_stream:
            cells = cells.view(np.uint16).byteswap().view(np.uint8)
        if pixel_format.bits_allocated == 1:
            cells = np.unpackbits(cells, bitorder="little")
    return cells[:count].reshape(pixel_format.rows, pixel_format.columns)


def _codestream(data: bytes, start: int) -> bytes:
    """Join the fragments of the only frame."""
    from pydicom.encaps import generate_fragments, parse_basic_offsets

    reader = io.BytesIO(data)
    reader.seek(start)
    try:
        offsets = parse_basic_offsets(reader)
        fragments = list(generate_fragments(reader))
    except (ValueError, struct.error) as error:
        raise DecodeError(
            "a DICOM file whose pixel fragments are damaged; copy or download it again"
        ) from error
    starts = sum(fragment.startswith((JPEG_START, JPEG_2000_START)) for fragment in fragments)
    if len(offsets) > 1 or starts > 1:
        raise DecodeError("a DICOM file with several frames; save each frame as a separate file")
    return b"".join(fragments)


def _run_lengths(stream: bytes, pixel_format: PixelFormat) -> Cells:
    if pixel_format.bits_allocated == 1:
        raise DecodeError(
            "a DICOM image of 1-bit pixels with RLE compression, which is not supported; decompress it"
        )
    count, size = pixel_format.rows * pixel_format.columns, pixel_format.bits_allocated // 8
    planes = np.empty((count, size), np.uint8)
    # Zeros may follow a segment, or runs exceed the image; as much as another image is a second frame.
    segment = np.empty(2 * count, np.uint8)
    decode = _imagecodecs().packbits_decode
    for plane, packed in enumerate(_segments(stream, size)):
        try:
            decoded = decode(packed, out=segment[:-1])
        except (RuntimeError, ValueError) as error:
            raise _damaged_error("RLE", error) from error
        if len(decoded) < count:
            raise DecodeError(
                "a DICOM file with fewer RLE pixels than its header declares; copy or download it again"
            )
        planes[:, plane] = decoded[:count]
    cells: Cells = planes.view(f">u{size}").astype(f"u{size}", copy=False)
    return cells.reshape(pixel_format.rows, pixel_format.columns)


def _segments(stream: bytes, expected: int) -> list[bytes]:
    """Split run-length data at the offsets in its header: one segment per byte of a sample, highest first."""
    if len(stream) < _RLE_HEADER.size:
        raise DecodeError("a DICOM file whose RLE pixels are cut off; copy or download it again")
    found, *offsets = _RLE_HEADER.unpack_from(stream)
    ends = [*offsets[1:expected], len(stream)]
    if found != expected or not all(
        _RLE_HEADER.size <= start <= end for start, end in zip(offsets, ends, strict=False)
    ):
        raise DecodeError(
            "a DICOM file whose RLE pixels are not in one segment per byte of a sample; export it again"
        )
    return [stream[start:end] for start, end in zip(offsets, ends, strict=False)]


def _decompress(stream: bytes, pixel_format: PixelFormat, *, lossy: bool) -> StoredValues:
    """Decode a codestream by its content: transfer syntaxes often name another member of the JPEG family.

    Its frame header is compared with the DICOM header first, so that no decoder allocates more memory than
    the limit of pixels allows.
    """
    codecs = _imagecodecs()
    if stream.startswith(JPEG_START):
        frame = _frame_header(stream, pixel_format)
        kind, decode = ("JPEG-LS", codecs.jpegls_decode) if frame.jpeg_ls else ("JPEG", codecs.jpeg8_decode)
    else:
        stream = stream[max(stream.find(JPEG_2000_START), 0) :].rstrip(b"\0\xff")
        frame = _frame_header(stream, pixel_format)
        kind, decode = "JPEG 2000", codecs.jpeg2k_decode
    try:
        cells = decode(stream)
    except (RuntimeError, ValueError) as error:
        raise _damaged_error(kind, error) from error
    if cells.shape != (pixel_format.rows, pixel_format.columns) or cells.dtype.itemsize > 2:
        raise DecodeError(f"a DICOM file whose {kind} pixels contradict its header; export it again")
    # Lossless compression also preserves whatever the unused bits held.
    bits = frame.bits if lossy else min(frame.bits, pixel_format.bits_stored)
    patterns = cells.view(f"u{cells.dtype.itemsize}")
    if not pixel_format.from_lowest_bit and _exceed(patterns, bits, signed=pixel_format.signed):
        raise high_bit_error()
    # Only JPEG 2000 states the sign.
    may_contradict = kind == "JPEG 2000" and frame.signed != pixel_format.signed
    other_sign = may_contradict and _is_smoother(patterns, bits, signed=frame.signed)
    return StoredValues(patterns, bits, frame.signed if other_sign else pixel_format.signed)


def _exceed(cells: Cells, bits: int, *, signed: bool) -> bool:
    """Return whether any value needs more than some number of bits."""
    distinct = np.flatnonzero(count_samples(cells))
    whole = low_bits(distinct, 8 * cells.itemsize, signed=signed)
    return bool((low_bits(distinct, bits, signed=signed) != whole).any())


def _is_smoother(cells: Cells, bits: int, *, signed: bool) -> bool:
    """Return whether neighbors differ much less with this sign than with the other one.

    Encoders have written values in two's complement as unsigned, which pydicom and GDCM undo by the header;
    but where that tears the image, the codestream is right.
    """
    sampled = cells[:: _step(cells)].astype(np.int64)
    this, other = (
        int(np.abs(np.diff(low_bits(sampled, bits, signed=sign))).sum()) for sign in (signed, not signed)
    )
    return this < _MUCH_SMOOTHER * other


def _frame_header(stream: bytes, pixel_format: PixelFormat) -> Frame:
    try:
        frame = read_jpeg_frame(stream) if stream.startswith(JPEG_START) else read_jpeg_2000_frame(stream)
    except struct.error as error:
        raise DecodeError(
            "a DICOM file whose compressed pixels are cut off; copy or download it again"
        ) from error
    expected = (pixel_format.rows, pixel_format.columns, 1)
    if (frame.height, frame.width, frame.components) != expected or frame.bits > 16:
        raise DecodeError(
            f"a DICOM file whose header declares {pixel_format.columns} x {pixel_format.rows} gray pixels, "
            f"its codestream {frame.width} x {frame.height} with {frame.components} channels of {frame.bits} "
            "bits; export it again"
        )
    return frame


def _imagecodecs() -> ModuleType:
    try:
        return require("imagecodecs", extra="dicom")
    except MissingExtraError as error:
        raise DecodeError(f"a DICOM file with compressed pixels: {error}") from error


def _damaged_error(kind: str, error: Exception) -> DecodeError:
    cause = " ".join(str(error).split())
    return DecodeError(f"a DICOM file whose {kind} pixels are damaged ({cause}); copy or download it again")
