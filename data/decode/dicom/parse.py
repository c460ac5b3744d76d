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
from .subject import KEYWORDS
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
_TEXTS = ("SOPClassUID", "PatientID", "IssuerOfPatientID", *KEYWORDS, *_CODES)
_LUTS = ("ModalityLUTSequence", "VOILUTSequence")

# Objects of the enhanced and multi-frame classes state for each frame, or for all, what others state once.
_FUNCTIONAL_GROUPS = ("PerFrameFunctionalGroupsSequence", "SharedFunctionalGroupsSequence")
_GROUPS = ("FrameVOILUTSequence", "PixelValueTransformationSequence", "PixelMeasuresSequence")

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
    layers = [*_functional_groups(dataset), dataset]
    texts = {keyword: _text(_holder(layers, keyword), keyword) for keyword in (*_TEXTS, *more_texts)}
    sop_class = UID(texts["SOPClassUID"] or str(meta.get("MediaStorageSOPClassUID") or ""))
    return DicomFile(
        data,
        syntax,
        sop_class=str(sop_class),
        class_name=sop_class.name if sop_class.is_valid and sop_class.name != sop_class else "",
        pixels=reader.pixels,
        numeric={keyword: _numbers(_holder(layers, keyword), keyword) for keyword in _NUMBERS},
        texts=texts,
        luts={keyword: _luts(_holder(layers, keyword), keyword) for keyword in _LUTS},
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

    return [Tag(keyword) for keyword in (*_NUMBERS, *_TEXTS, *_LUTS, *_FUNCTIONAL_GROUPS, *more_texts)]


def _functional_groups(dataset: Dataset) -> list[Dataset]:
    """Return the groups of the only frame, then those of all frames."""
    if int((_numbers(dataset, "NumberOfFrames") or (1,))[0]) > 1:
        return []  # the file is rejected, and its groups may be very many
    frames = [item for keyword in _FUNCTIONAL_GROUPS for item in _items(dataset, keyword)[:1]]
    return [group for frame in frames for keyword in _GROUPS for group in _items(frame, keyword)[:1]]


def _holder(layers: Sequence[Dataset], keyword: str) -> Dataset:
    """Return the first data set that has an element, or else the last."""
    return next((layer for layer in layers if keyword in layer), layers[-1])


def _items(dataset: Dataset, keyword: str) -> Sequence[Dataset]:
    """Return the items of a sequence of plausible length."""
    if keyword not in dataset:
        return ()
    raw = dataset.get_item(keyword).value
    if isinstance(raw, bytes) and len(raw) > _MAX_SEQUENCE:
        raise DecodeError(f"a DICOM file whose {keyword} has {len(raw)} bytes; export it again")
    return tuple(dataset[keyword].value or ())


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


def _luts(dataset: Dataset, keyword: str) -> tuple[LutElement, ...]:
    """Read the look-up tables of a sequence; those without entries are left out.

    Raises
    ------
    DecodeError
        If a modality LUT has no entries: it is the only definition of the values, where a VOI LUT is one of
        several possible views.
    """
    tables = []
    for item in _items(dataset, keyword):
        descriptor, data = item.get("LUTDescriptor"), item.get("LUTData")
        if isinstance(data, int):
            data = [data]
        if descriptor and data:
            entries = data if isinstance(data, bytes) else tuple(data)
            tables.append(LutElement(tuple(int(number) for number in descriptor), entries))
        elif keyword == "ModalityLUTSequence":
            raise DecodeError(f"a DICOM file whose {keyword} has no entries; export it again")
        else:
            log.debug("a table of %s is ignored, since it has no entries", keyword)
    return tuple(tables)
