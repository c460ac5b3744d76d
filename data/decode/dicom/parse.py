"""Parse the header of a DICOM file with bounded effort, and locate its pixel data without reading it."""

from __future__ import annotations

import io
import logging
import threading
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from typing import TYPE_CHECKING

from ....errors import DecodeError
from ..formats import is_dicom
from .header import PIXEL_DATA, DicomFile, LutElement, PixelElement, inflate
from .syntax import Syntax

if TYPE_CHECKING:
    from pydicom.dataset import Dataset
    from pydicom.tag import BaseTag

_FLOAT_PIXEL_DATA = frozenset({0x7FE00008, 0x7FE00009})
_UNDEFINED = 0xFFFFFFFF
_META_START = 132  # after the preamble and "DICM"

_MAX_READS = 100_000  # three per data element; a radiograph has a few hundred elements
_MAX_DEFLATED_HEADER = 1 << 22
_MAX_SEQUENCE = 1 << 20  # a look-up table has at most 128 KiB

# The only elements that are read: nothing else of a header is kept, above all no name of a person.
_SPACINGS = (
    "PixelSpacing",
    "ImagerPixelSpacing",
    "EstimatedRadiographicMagnificationFactor",
    "NominalScannedPixelSpacing",
)
_NUMBERS = (
    "NumberOfFrames",
    "SamplesPerPixel",
    "Rows",
    "Columns",
    "BitsAllocated",
    "BitsStored",
    "HighBit",
    "PixelRepresentation",
    "SmallestImagePixelValue",
    "LargestImagePixelValue",
    "PixelPaddingValue",
    "PixelPaddingRangeLimit",
    "RescaleSlope",
    "RescaleIntercept",
    "WindowCenter",
    "WindowWidth",
    *_SPACINGS,
)
_CODES = (
    "PhotometricInterpretation",
    "PresentationIntentType",
    "PresentationLUTShape",
    "VOILUTFunction",
    "PixelSpacingCalibrationType",
)
_TEXTS = ("SOPClassUID", "PatientID", "IssuerOfPatientID", *_CODES)
_LUTS = ("ModalityLUTSequence", "VOILUTSequence")

log = logging.getLogger(__name__)

# Warning filters are global to the process.
_lock = threading.Lock()


def parse(data: bytes, more_texts: tuple[str, ...] = ()) -> DicomFile:
    """Parse the header of a DICOM file.

    Parameters
    ----------
    data : bytes
    more_texts : tuple of str
        Keywords of further text elements to read.

    Raises
    ------
    DecodeError
        If it is not a DICOM file, its transfer syntax is not supported, or its header has too many elements,
        is nested too deeply, or has text in place of a number.
    Exception
        Of any class, if bytes that pydicom reads are damaged.
    """
    if not is_dicom(data):
        raise DecodeError("not a DICOM file: the prefix DICM is missing")
    with quiet():
        return _parse(data, more_texts)


@contextmanager
def quiet() -> Iterator[None]:
    """Silence pydicom and highdicom: what matters is raised, and their warnings quote the header."""
    loggers = [logging.getLogger(name) for name in ("pydicom", "highdicom")]
    with _lock, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        levels = [logger.level for logger in loggers]
        for logger in loggers:
            logger.setLevel(logging.CRITICAL)
        try:
            yield
        finally:
            for logger, level in zip(loggers, levels, strict=True):
                logger.setLevel(level)


def _parse(data: bytes, more_texts: tuple[str, ...]) -> DicomFile:
    from pydicom.filereader import read_dataset
    from pydicom.uid import UID

    reader = _BoundedReader(data, _META_START)
    meta = read_dataset(reader, False, True, stop_when=lambda tag, _vr, _length: tag >> 16 != 2)
    syntax = _syntax(str(meta.get("TransferSyntaxUID") or Syntax.IMPLICIT_LITTLE))
    start = reader.tell()
    if syntax is Syntax.DEFLATED:
        data, start = data[start:], 0
        reader = _BoundedReader(inflate(data, _MAX_DEFLATED_HEADER), start)
    dataset = _dataset(reader, syntax, more_texts)
    texts = {keyword: _text(dataset, keyword) for keyword in (*_TEXTS, *more_texts)}
    sop_class = UID(texts["SOPClassUID"] or str(meta.get("MediaStorageSOPClassUID") or ""))
    return DicomFile(
        data,
        syntax,
        sop_class=str(sop_class),
        class_name=sop_class.name if sop_class.is_valid and sop_class.name != sop_class else "",
        pixels=reader.pixels,
        numeric={keyword: _numbers(dataset, keyword) for keyword in _NUMBERS},
        texts=texts,
        luts={keyword: lut for keyword in _LUTS if (lut := _lut(dataset, keyword))},
    )


class _BoundedReader(io.BytesIO):
    """A stream with a limited number of reads, which bounds the elements and items that are parsed."""

    def __init__(self, data: bytes, start: int) -> None:
        super().__init__(data)
        self.seek(start)
        self.reads_left = _MAX_READS
        self.pixels: PixelElement | None = None

    def read(self, size: int | None = -1, /) -> bytes:
        self.reads_left -= 1
        if self.reads_left < 0:
            raise DecodeError("too many reads")
        return super().read(size)

    def stop_at_pixels(self, tag: int, vr: str | None, length: int) -> bool:
        """Record the pixel data element and make pydicom stop there."""
        if tag != PIXEL_DATA and tag not in _FLOAT_PIXEL_DATA:
            return False
        known_length = None if length == _UNDEFINED else length
        # With implicit VR, pixel data are OW.
        self.pixels = PixelElement(tag, self.tell(), known_length, is_word_stream=vr in {"OW", None})
        return True


def _syntax(uid: str) -> Syntax:
    from pydicom.uid import UID

    try:
        return Syntax(uid)
    except ValueError:
        name = f"{UID(uid).name} ({uid})" if UID(uid).is_valid else "without a valid UID"
        raise DecodeError(
            f"a DICOM file with the transfer syntax {name}, which is not supported; "
            "convert it to Explicit VR Little Endian"
        ) from None


def _dataset(reader: _BoundedReader, syntax: Syntax, more_texts: tuple[str, ...]) -> Dataset:
    from pydicom.filereader import read_dataset

    try:
        return read_dataset(
            reader,
            syntax is Syntax.IMPLICIT_LITTLE,
            not syntax.big_endian,
            stop_when=reader.stop_at_pixels,
            specific_tags=_tags(more_texts),
        )
    except RecursionError as error:
        raise DecodeError("a DICOM file whose sequences are nested too deeply; export it again") from error
    except Exception as error:
        if reader.reads_left < 0:
            raise DecodeError("a DICOM file with too many elements in its header; export it again") from error
        raise


@cache
def _tags(more_texts: tuple[str, ...]) -> list[BaseTag | int]:
    from pydicom.tag import Tag

    return [Tag(keyword) for keyword in (*_NUMBERS, *_TEXTS, *_LUTS, *more_texts)]


def _text(dataset: Dataset, keyword: str) -> str:
    value = dataset.get(keyword) or ""
    several = isinstance(value, Sequence) and not isinstance(value, str)
    text = ("\\".join(map(str, value)) if several else str(value)).strip()
    return text.upper() if keyword in _CODES else text


def _numbers(dataset: Dataset, keyword: str) -> tuple[float, ...]:
    """Read numbers; an invalid spacing counts as missing, since the image is usable without it."""
    try:
        value = dataset.get(keyword)
        if value is None or value == "":
            return ()
        several = isinstance(value, Sequence) and not isinstance(value, str)
        return tuple(float(number) for number in (value if several else [value]))
    except (ValueError, TypeError) as error:
        if keyword not in _SPACINGS:
            raise DecodeError(f"a DICOM file whose {keyword} is not a number; correct its header") from error
        log.debug("%s is ignored, since it is not a number", keyword)
        return ()


def _lut(dataset: Dataset, keyword: str) -> LutElement | None:
    """Read the first look-up table of a sequence of plausible length; None if there is none."""
    if keyword not in dataset:
        return None
    raw = dataset.get_item(keyword).value
    if isinstance(raw, bytes) and len(raw) > _MAX_SEQUENCE:
        raise DecodeError(f"a DICOM file whose {keyword} has {len(raw)} bytes; export it again")
    items = dataset[keyword].value
    if not items:
        return None
    descriptor, data = items[0].get("LUTDescriptor"), items[0].get("LUTData")
    if isinstance(data, int):
        data = [data]
    if not descriptor or not data:
        # A VOI LUT is one of several possible views; a modality LUT is the only definition of the values.
        if keyword == "ModalityLUTSequence":
            raise DecodeError(f"a DICOM file whose {keyword} has no entries; export it again")
        log.debug("%s is ignored, since its look-up table has no entries", keyword)
        return None
    return LutElement(
        tuple(int(number) for number in descriptor), data if isinstance(data, bytes) else tuple(data)
    )
