"""Parse the header of a DICOM file within bounds, and find its pixel data; no pixel is touched."""

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

_MOST_READS = 100_000  # three for each data element; a radiograph has a few hundred elements
_LONGEST_DEFLATED_HEADER = 1 << 22
_LONGEST_SEQUENCE = 1 << 20  # a look-up table has 128 KiB at most

# All that is ever looked at: nothing else of a header, names of people above all, is taken up.
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

# The filters of warnings belong to the whole process.
_lock = threading.Lock()


def parse(data: bytes) -> DicomFile:
    """Parse the header of a whole file.

    Raises
    ------
    DecodeError
        If it is no DICOM file, its transfer syntax is not read, or its header has too many elements, is
        nested too deep, or has text where a number belongs.
    Exception
        Of any kind, where pydicom meets bytes that are damaged.
    """
    if not is_dicom(data):
        raise DecodeError("not a DICOM file: it lacks the prefix DICM")
    with quiet():
        return _parse(data)


@contextmanager
def quiet() -> Iterator[None]:
    """Keep pydicom and highdicom silent: what matters is raised, and their warnings quote the header."""
    logs = [logging.getLogger(name) for name in ("pydicom", "highdicom")]
    with _lock, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        levels = [log.level for log in logs]
        for log in logs:
            log.setLevel(logging.CRITICAL)
        try:
            yield
        finally:
            for log, level in zip(logs, levels, strict=True):
                log.setLevel(level)


def _parse(data: bytes) -> DicomFile:
    from pydicom.filereader import read_dataset
    from pydicom.uid import UID

    reader = _Reader(data, _META_START)
    meta = read_dataset(reader, False, True, stop_when=lambda tag, _vr, _length: tag >> 16 != 2)
    syntax = _syntax(str(meta.get("TransferSyntaxUID") or Syntax.IMPLICIT_LITTLE))
    start = reader.tell()
    if syntax is Syntax.DEFLATED:
        data, start = data[start:], 0
        reader = _Reader(inflate(data, _LONGEST_DEFLATED_HEADER), start)
    dataset = _dataset(reader, syntax)
    texts = {keyword: _text(dataset, keyword) for keyword in _TEXTS}
    kind = UID(texts["SOPClassUID"] or str(meta.get("MediaStorageSOPClassUID") or ""))
    return DicomFile(
        data,
        syntax,
        sop_class=str(kind),
        class_name=kind.name if kind.is_valid and kind.name != kind else "",
        pixels=reader.pixels,
        numeric={keyword: _numbers(dataset, keyword) for keyword in _NUMBERS},
        texts=texts,
        luts={keyword: lut for keyword in _LUTS if (lut := _lut(dataset, keyword))},
    )


class _Reader(io.BytesIO):
    """Bytes that may be read so often: each element and item costs a read, so that neither runs away."""

    def __init__(self, data: bytes, start: int) -> None:
        super().__init__(data)
        self.seek(start)
        self.reads_left = _MOST_READS
        self.pixels: PixelElement | None = None

    def read(self, size: int | None = -1, /) -> bytes:
        self.reads_left -= 1
        if self.reads_left < 0:
            raise DecodeError("too many reads")
        return super().read(size)

    def at_pixels(self, tag: int, vr: str | None, length: int) -> bool:
        """Stop pydicom where the pixels begin, and note the place."""
        if tag != PIXEL_DATA and tag not in _FLOAT_PIXEL_DATA:
            return False
        # Without a VR the syntax is implicit, and then it is OW.
        known = None if length == _UNDEFINED else length
        self.pixels = PixelElement(tag, self.tell(), known, words=vr in {"OW", None})
        return True


def _syntax(uid: str) -> Syntax:
    from pydicom.uid import UID

    try:
        return Syntax(uid)
    except ValueError:
        name = f"{UID(uid).name} ({uid})" if UID(uid).is_valid else "without a valid UID"
        raise DecodeError(
            f"a DICOM file in the transfer syntax {name}, which is not read; "
            "convert it to Explicit VR Little Endian"
        ) from None


def _dataset(reader: _Reader, syntax: Syntax) -> Dataset:
    from pydicom.filereader import read_dataset

    try:
        return read_dataset(
            reader,
            syntax is Syntax.IMPLICIT_LITTLE,
            not syntax.big_endian,
            stop_when=reader.at_pixels,
            specific_tags=_tags(),
        )
    except RecursionError as error:
        raise DecodeError("a DICOM file whose sequences are nested too deep; export it again") from error
    except Exception as error:
        if reader.reads_left < 0:
            raise DecodeError("a DICOM file with too many elements in its header; export it again") from error
        raise


@cache
def _tags() -> list[BaseTag | int]:
    from pydicom.tag import Tag

    return [Tag(keyword) for keyword in (*_NUMBERS, *_TEXTS, *_LUTS)]


def _text(dataset: Dataset, keyword: str) -> str:
    text = str(dataset.get(keyword) or "").strip()
    return text.upper() if keyword in _CODES else text


def _numbers(dataset: Dataset, keyword: str) -> tuple[float, ...]:
    """Read numbers; a spacing that is none counts as missing, for an image is read without it."""
    try:
        value = dataset.get(keyword)
        if value is None or value == "":
            return ()
        many = isinstance(value, Sequence) and not isinstance(value, str)
        return tuple(float(number) for number in (value if many else [value]))
    except (ValueError, TypeError) as error:
        if keyword not in _SPACINGS:
            raise DecodeError(f"a DICOM file whose {keyword} is no number; correct it") from error
        log.debug("%s is no number, and is passed over", keyword)
        return ()


def _lut(dataset: Dataset, keyword: str) -> LutElement | None:
    """Read the first look-up table, where the sequence is not longer than such a one can be."""
    if keyword not in dataset:
        return None
    raw = dataset.get_item(keyword).value
    if isinstance(raw, bytes) and len(raw) > _LONGEST_SEQUENCE:
        raise DecodeError(f"a DICOM file whose {keyword} has {len(raw)} bytes; export it again")
    items = dataset[keyword].value
    if not items:
        return None
    descriptor, data = items[0].get("LUTDescriptor"), items[0].get("LUTData")
    if isinstance(data, int):
        data = [data]
    if not descriptor or not data:
        # Beside a window a VOI LUT is one of several views; what a modality LUT does nothing else says.
        if keyword == "ModalityLUTSequence":
            raise DecodeError(f"a DICOM file whose {keyword} has no entries; export it again")
        log.debug("a look-up table of %s has no entries, and is passed over", keyword)
        return None
    return LutElement(
        tuple(int(number) for number in descriptor), data if isinstance(data, bytes) else tuple(data)
    )
