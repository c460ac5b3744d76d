"""The cells of a DICOM image, as they are stored or as its codestream gives them."""

from __future__ import annotations

import io
import logging
import struct
from dataclasses import dataclass
from types import ModuleType

import numpy as np
import numpy.typing as npt

from ....errors import DecodeError, MissingExtraError
from ....machine.extras import require
from ..codestream import JPEG_2000_START, JPEG_START, Frame, read_jpeg, read_jpeg_2000
from .header import DicomFile
from .pixel_format import PixelFormat
from .syntax import Syntax

log = logging.getLogger(__name__)

Samples = npt.NDArray[np.uint8] | npt.NDArray[np.uint16]

_RLE_HEADER = struct.Struct("<16I")  # number of segments, and where each begins


@dataclass(frozen=True)
class StoredValues:
    """The cells of one image.

    Attributes
    ----------
    samples : ndarray of uint8 or uint16, shape (rows, columns)
        Bit patterns.
    bits : int
        How many bits of a cell, from the lowest, are its value; the others may hold anything.
    """

    samples: Samples
    bits: int


def read_stored_values(file: DicomFile, form: PixelFormat) -> StoredValues:
    """Read the cells, decompressed where they are compressed.

    Raises
    ------
    DecodeError
        If there are fewer than the header says or twice as many, or a codestream is damaged, of another
        size or sign, or of fewer bits.
    """
    if file.syntax.native:
        return StoredValues(_native(file, form), form.stored)
    if form.pixels.length is not None:
        raise DecodeError(
            "a DICOM file whose transfer syntax is compressed, but not its pixels; export it again"
        )
    stream = _codestream(file.data, form.pixels.start)
    if file.syntax is Syntax.RLE:
        return StoredValues(_run_lengths(stream, form), form.stored)
    return _decompress(stream, form, lossy=file.syntax.lossy)


def _native(file: DicomFile, form: PixelFormat) -> Samples:
    pixels = form.pixels
    count = form.rows * form.columns
    size = (count * form.allocated + 7) // 8
    even = size + size % 2
    # Twice as many are a second frame, or samples of other bits than the header says.
    if pixels.length is None or not (size <= pixels.length < 2 * size or pixels.length == even):
        found = "fragments" if pixels.length is None else f"{pixels.length} bytes"
        raise DecodeError(f"a DICOM file with {found} of pixels where {size} bytes are due; export it again")
    if pixels.length > even:
        log.debug("%d bytes after the pixels are passed over", pixels.length - size)
    raw = file.value(pixels, min(pixels.length, even))
    if len(raw) < size:
        raise DecodeError("a DICOM file that is cut off inside its pixels; copy or download it again")
    samples: Samples
    if form.allocated == 16:
        order = ">" if file.syntax.big_endian else "<"
        samples = np.frombuffer(raw, f"{order}u2").astype(np.uint16, copy=False)
    else:
        samples = np.frombuffer(raw, np.uint8)
        if file.syntax.big_endian and pixels.words:
            samples = samples.view(np.uint16).byteswap().view(np.uint8)
        if form.allocated == 1:
            samples = np.unpackbits(samples, bitorder="little")
    return samples[:count].reshape(form.rows, form.columns)


def _codestream(data: bytes, start: int) -> bytes:
    """Join the fragments of the one frame."""
    from pydicom.encaps import generate_fragments, parse_basic_offsets

    reader = io.BytesIO(data)
    reader.seek(start)
    try:
        offsets = parse_basic_offsets(reader)
        fragments = list(generate_fragments(reader))
    except (ValueError, struct.error) as error:
        raise DecodeError(
            "a DICOM file whose fragments of pixels are damaged; copy or download it again"
        ) from error
    starts = sum(fragment.startswith((JPEG_START, JPEG_2000_START)) for fragment in fragments)
    if len(offsets) > 1 or starts > 1:
        raise DecodeError("a DICOM file with several frames; save each as a file of its own")
    return b"".join(fragments)


def _run_lengths(stream: bytes, form: PixelFormat) -> Samples:
    if form.allocated == 1:
        raise DecodeError("a DICOM file with 1-bit pixels in run lengths, which are not read; decompress it")
    count, size = form.rows * form.columns, form.allocated // 8
    planes = np.empty((count, size), np.uint8)
    # Segments may be followed by zeros, or overrun the image; as much as another image is a second frame.
    segment = np.empty(2 * count, np.uint8)
    decode = _imagecodecs().packbits_decode
    for plane, packed in enumerate(_segments(stream, size)):
        try:
            filled = decode(packed, out=segment[:-1])
        except (RuntimeError, ValueError) as error:
            raise _damaged("RLE", error) from error
        if len(filled) < count:
            raise DecodeError("a DICOM file whose RLE pixels are fewer than its header says; copy it again")
        planes[:, plane] = filled[:count]
    samples: Samples = planes.view(f">u{size}").astype(f"u{size}", copy=False)
    return samples.reshape(form.rows, form.columns)


def _segments(stream: bytes, due: int) -> list[bytes]:
    """Cut run lengths by the offsets before them: a segment for each byte of a sample, the highest first."""
    if len(stream) < _RLE_HEADER.size:
        raise DecodeError("a DICOM file whose RLE pixels are cut off; copy or download it again")
    found, *offsets = _RLE_HEADER.unpack_from(stream)
    ends = [*offsets[1:due], len(stream)]
    if found != due or not all(
        _RLE_HEADER.size <= start <= end for start, end in zip(offsets, ends, strict=False)
    ):
        raise DecodeError(
            "a DICOM file whose RLE pixels are not in segments, one for each byte of a sample; export again"
        )
    return [stream[start:end] for start, end in zip(offsets, ends, strict=False)]


def _decompress(stream: bytes, form: PixelFormat, *, lossy: bool) -> StoredValues:
    """Decode by what the stream is: files name the wrong member of the JPEG family.

    Its own header is held against the file's first, so that no decoder takes more memory than that allows.
    """
    codecs = _imagecodecs()
    if stream.startswith(JPEG_START):
        frame = _frame_header(stream, form)
        kind, decode = ("JPEG-LS", codecs.jpegls_decode) if frame.jpeg_ls else ("JPEG", codecs.jpeg8_decode)
    else:
        stream = stream[max(stream.find(JPEG_2000_START), 0) :].rstrip(b"\0\xff")
        frame = _frame_header(stream, form)
        kind, decode = "JPEG 2000", codecs.jpeg2k_decode
    try:
        samples = decode(stream)
    except (RuntimeError, ValueError) as error:
        raise _damaged(kind, error) from error
    if samples.shape != (form.rows, form.columns) or samples.dtype.itemsize > 2:
        raise DecodeError(f"a DICOM file whose {kind} pixels do not fit its header; export it again")
    # Without loss the cells come back with whatever their unused bits held.
    bits = frame.bits if lossy else min(frame.bits, form.stored)
    return StoredValues(samples.view(f"u{samples.dtype.itemsize}"), bits)


def _frame_header(stream: bytes, form: PixelFormat) -> Frame:
    try:
        frame = read_jpeg(stream) if stream.startswith(JPEG_START) else read_jpeg_2000(stream)
    except struct.error as error:
        raise DecodeError("a DICOM file whose compressed pixels are cut off; copy it again") from error
    if (frame.height, frame.width, frame.components) != (form.rows, form.columns, 1) or frame.bits > 16:
        raise DecodeError(
            f"a DICOM file whose header says {form.columns} x {form.rows} gray pixels, its compressed pixels "
            f"{frame.width} x {frame.height} in {frame.components} of {frame.bits} bits; export it again"
        )
    if frame.bits < form.stored:
        raise DecodeError(
            f"a DICOM file whose header says {form.stored} stored bits, its compressed pixels {frame.bits}; "
            "export it again"
        )
    # Only JPEG 2000 tells the sign.
    if stream.startswith(JPEG_2000_START) and frame.signed != form.signed:
        said, found = (("signed" if sign else "unsigned") for sign in (form.signed, frame.signed))
        raise DecodeError(
            f"a DICOM file whose header says {said} pixels, its compressed pixels are {found}; "
            "export it again"
        )
    return frame


def _imagecodecs() -> ModuleType:
    try:
        return require("imagecodecs", extra="dicom")
    except MissingExtraError as error:
        raise DecodeError(f"compressed DICOM pixels: {error}") from error


def _damaged(kind: str, error: Exception) -> DecodeError:
    why = " ".join(str(error).split())
    return DecodeError(f"a DICOM file whose {kind} pixels are damaged ({why}); copy or download it again")
