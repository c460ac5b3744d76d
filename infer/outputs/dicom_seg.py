"""Masks as a standard DICOM Segmentation object, which an image archive stores beside its source.

One object an image: BINARY, one segment and one frame a class in the order of the card, also where a mask
is empty: then the frame is there and has no pixel. It belongs to the study and the patient of the source,
so the Patient and Study attributes are copied on purpose: these files hold what identifies the patient
wherever the source does, and are to be guarded like the source.

An object is a function of its source, the model and the masks alone: written again it is the same file,
byte for byte. Its UIDs are derived, and the date and the time of its content, which the standard demands
(Type 1), are the source's; the run's own time is in `run.json`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING
from uuid import NAMESPACE_OID, uuid5

import numpy as np

from ...data.decode.dicom.parse import quiet
from ...data.image import Gray
from ...errors import InputError, ModelError
from ...machine.extras import require
from ...machine.files import replacing
from ...models.card import ModelCard

if TYPE_CHECKING:
    from highdicom.seg import Segmentation, SegmentDescription
    from pydicom import Dataset

_REQUIRED = ("SOPClassUID", "SOPInstanceUID", "StudyInstanceUID", "SeriesInstanceUID", "Rows", "Columns")

# Type 2: an object must have them, with an empty value where the source does not say.
_EMPTY_IF_UNKNOWN = (
    "PatientID",
    "PatientName",
    "PatientBirthDate",
    "PatientSex",
    "AccessionNumber",
    "ReferringPhysicianName",
    "StudyID",
    "StudyDate",
    "StudyTime",
    "PatientOrientation",
)

# Where a source lies in space is said whole or not at all: the standard takes no part of it for the whole
# (PS3.3, C.7.6.16.2.1), and a projection has no thickness. The source that is referred to keeps its spacing.
# With each, how many numbers it has.
_GEOMETRY = {"ImagePositionPatient": 3, "ImageOrientationPatient": 6, "PixelSpacing": 2, "SliceThickness": 1}

_SERIES_NUMBER = 900
_UNKNOWN_DATE, _UNKNOWN_TIME = "19000101", "000000"
_LONG_STRING = 64
_ADVICE = "use --masks-as png"


@dataclass(frozen=True)
class Concept:
    """A coded concept: its code, the scheme that defines it, and its meaning in words."""

    code: str
    scheme: str
    meaning: str


ANATOMY = Concept("91723000", "SCT", "Anatomical Structure")
ABNORMALITY = Concept("49755003", "SCT", "Morphologically Abnormal Structure")
REGION = Concept("309825002", "SCT", "Spatial and Relational Concept")

# Category and type by class (PS3.16, CID 7150, 7151 and 6102). SNOMED CT as DICOM lists it, which any product
# may use, has no opacity on a radiograph; DICOM's own code stands for it.
CONCEPTS = {
    "lung": (ANATOMY, Concept("39607008", "SCT", "Lung")),
    "heart": (ANATOMY, Concept("80891009", "SCT", "Heart")),
    "lesion": (ABNORMALITY, Concept("52988006", "SCT", "Lesion")),
    "mass": (ABNORMALITY, Concept("4147007", "SCT", "Mass")),
    "nodule": (ABNORMALITY, Concept("27925004", "SCT", "Nodule")),
    "opacity": (ABNORMALITY, Concept("112001", "DCM", "Opacity")),
    "infiltrate": (ABNORMALITY, Concept("112121", "DCM", "Infiltrate")),
}

LOCAL_SCHEME = "99CXR"


def concepts_of(class_name: str) -> tuple[Concept, Concept]:
    """Give the category and the type of what a class shows.

    A class without a standard code is its own code in the local scheme `99CXR` (99 begins a private one,
    PS3.16, 8.2), of the category of regions, which claims nothing else of it.
    """
    local = Concept(class_name, LOCAL_SCHEME, class_name)
    return CONCEPTS.get(class_name.lower(), (REGION, local))


def check_card(card: ModelCard) -> None:
    """Make sure, before a run, that Segmentation objects can be written for a model.

    Raises
    ------
    MissingExtraError
        If highdicom or pydicom is not installed.
    ModelError
        If the model's name or a class's cannot stand in a DICOM file.
    """
    require("highdicom", extra="dicom")
    for name in (card.name, *card.classes):
        if name != name.strip() or not 0 < len(name) <= _LONG_STRING or name != _as_line(name):
            raise ModelError(
                f"model card: the name {name!r} cannot stand in a DICOM file (1 to {_LONG_STRING} characters "
                f"without backslash, control character or blank at its ends); rename it, or {_ADVICE}"
            )


def write_segmentation(
    path: Path, source: Path, masks: Mapping[str, Gray], card: ModelCard, *, model_hash: str
) -> None:
    """Write an image's masks as one DICOM Segmentation object.

    Parameters
    ----------
    path : Path
        Where it goes, whole or not at all.
    source : Path
        The DICOM file that the image was read from.
    masks : mapping of str to ndarray of uint8, shape (height, width), 0 or 1
        By class, at the source's own size.
    card : ModelCard
    model_hash : str
        sha256 of the model file as hex; the version of the algorithm.

    Raises
    ------
    InputError
        If the source is not DICOM, lacks what the object must refer to, or is of another size.
    MissingExtraError, ModelError
        As `check_card` does.
    OutputError
        If the file cannot be written.
    """
    check_card(card)
    with quiet():
        segmentation = _segment(source, masks, card, model_hash)
        with replacing(path) as beside:
            segmentation.save_as(beside, enforce_file_format=True)


def _segment(source: Path, masks: Mapping[str, Gray], card: ModelCard, model_hash: str) -> Dataset:
    header = _read_header(source)
    frames = np.stack(list(masks.values()))
    if frames.shape[1:] != (header.Rows, header.Columns):
        rows, columns = frames.shape[1:]
        raise InputError(
            f"{source}: is of {header.Rows} x {header.Columns} pixels, the masks of {rows} x {columns}; "
            "a Segmentation object needs the size of its source"
        )
    try:
        _complete(header)
        return _build(header, frames, list(masks), card, model_hash)
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        # The text of the error may hold a value of the header, and so the patient's; failures.csv shall not.
        reason = type(error).__name__
        raise InputError(
            f"{source}: no Segmentation object can be built on its header ({reason}); {_ADVICE}"
        ) from error


def _read_header(source: Path) -> Dataset:
    from pydicom import dcmread
    from pydicom.errors import InvalidDicomError

    try:
        header = dcmread(source, stop_before_pixels=True)
    except InvalidDicomError as error:
        raise InputError(
            f"{source}: is not DICOM, and only a DICOM file can have a Segmentation object; {_ADVICE}"
        ) from error
    except OSError as error:
        raise InputError(f"{source}: cannot be read again ({error.strerror or error})") from error
    missing = [keyword for keyword in _REQUIRED if not header.get(keyword)]
    if missing:
        raise InputError(
            f"{source}: has no {', '.join(missing)}, which a Segmentation object must name; {_ADVICE}"
        )
    return header


def _complete(header: Dataset) -> None:
    """Bring a source's header to what the object needs: nothing missing, nothing half said or unreadable."""
    header.decode()
    for keyword in _EMPTY_IF_UNKNOWN:
        if keyword not in header:
            setattr(header, keyword, None)
    if header.PatientSex not in ("M", "F", "O"):
        header.PatientSex = None
    for keyword in ("PatientBirthDate", "StudyDate", "StudyTime"):
        setattr(header, keyword, _moment(header, keyword))
    if not header.get("FrameOfReferenceUID"):
        header.pop("FrameOfReferenceUID", None)
    stated = {keyword: header[keyword].VM for keyword in _GEOMETRY if keyword in header}
    if stated != _GEOMETRY:
        for keyword in stated:
            del header[keyword]


def _build(header: Dataset, frames: Gray, names: list[str], card: ModelCard, model_hash: str) -> Segmentation:
    from highdicom.seg import Segmentation

    made_by = version("cxr")
    content = hashlib.sha256(np.packbits(frames).tobytes()).hexdigest()
    origin = (header.SOPInstanceUID, model_hash, card.to_json(), made_by, content)
    # highdicom prints a name that it does not like; a patient's is given to the finished object alone.
    patient_name, header.PatientName = header.PatientName, None
    date, time = _content_moment(header)
    segmentation = Segmentation(
        source_images=[header],
        pixel_array=frames.transpose(1, 2, 0)[np.newaxis],  # (source frames, height, width, segments)
        segmentation_type="BINARY",
        segment_descriptions=_describe(names, card, model_hash),
        series_instance_uid=_uid("series", *origin),
        series_number=_SERIES_NUMBER,
        sop_instance_uid=_uid("instance", *origin),
        instance_number=1,
        manufacturer="cxr",
        manufacturer_model_name="cxr-infer",
        software_versions=made_by,
        device_serial_number=model_hash[:_LONG_STRING],
        omit_empty_frames=False,
        content_label="CXR_MASKS",
        content_description=_as_line(card.intended_use),
        content_qualification="RESEARCH",
        content_date=date,
        content_time=time,
        series_description="cxr masks; research use only",
        specific_character_set="ISO_IR 192",
    )
    segmentation.PatientName = patient_name
    segmentation.PatientOrientation = header.PatientOrientation
    segmentation.ContentCreatorName = None
    _pin(segmentation, _uid("dimensions", *origin))
    return segmentation


def _describe(names: list[str], card: ModelCard, model_hash: str) -> list[SegmentDescription]:
    from highdicom.content import AlgorithmIdentificationSequence
    from highdicom.seg import SegmentDescription
    from pydicom.sr.codedict import codes
    from pydicom.sr.coding import Code

    algorithm = AlgorithmIdentificationSequence(
        name=card.name,
        family=codes.DCM.ArtificialIntelligence,
        version=model_hash[:_LONG_STRING],
        source="cxr",
    )
    descriptions = []
    for number, name in enumerate(names, 1):
        category, kind = (Code(c.code, c.scheme, c.meaning) for c in concepts_of(name))
        descriptions.append(SegmentDescription(number, name, category, kind, "AUTOMATIC", algorithm))
    return descriptions


def _pin(segmentation: Segmentation, dimensions_uid: str) -> None:
    """Replace what highdicom draws by chance, and drop what it takes from the clock; both may be absent."""
    del segmentation.InstanceCreationDate, segmentation.InstanceCreationTime
    del segmentation.ContributingEquipmentSequence[-1].ContributionDateTime  # the last is highdicom itself
    for item in (*segmentation.DimensionOrganizationSequence, *segmentation.DimensionIndexSequence):
        item.DimensionOrganizationUID = dimensions_uid


def _content_moment(header: Dataset) -> tuple[str, str]:
    """Give the date and the time that the source's content has, or what comes nearest to it."""
    for stem in ("Content", "Acquisition", "Series", "Study"):
        if date := _moment(header, f"{stem}Date"):
            return date, _moment(header, f"{stem}Time") or _UNKNOWN_TIME
    return _UNKNOWN_DATE, _UNKNOWN_TIME


def _moment(header: Dataset, keyword: str) -> str | None:
    """Read a date or a time; None where there is none that can be read."""
    from pydicom.valuerep import DA, TM

    text = str(header.get(keyword) or "")
    try:
        read = DA(text) if keyword.endswith("Date") else TM(text)
    except ValueError:
        return None
    return str(read) if read else None


def _uid(*origin: str) -> str:
    """Derive a UID: a UUID of the origin's text under the root 2.25 (PS3.5, B.2)."""
    return f"2.25.{uuid5(NAMESPACE_OID, chr(10).join(origin)).int}"


def _as_line(text: str) -> str:
    """Bring a text to what a DICOM line (LO) may hold: 64 characters, no backslash, no control character."""
    return "".join(" " if c == "\\" or not c.isprintable() else c for c in text)[:_LONG_STRING]
