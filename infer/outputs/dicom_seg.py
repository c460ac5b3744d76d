"""Masks as a standard DICOM Segmentation object, which an image archive stores with its source.

There is one object per image: BINARY, with one segment and one frame per class in the order of the card. An
empty mask has a frame without any pixel set. The object belongs to the study and patient of the source, so
the Patient and Study attributes are copied on purpose: these files identify the patient wherever the source
does, and must be protected like the source.

The object depends on its source, the model and the masks only: written again, it is the same file, byte for
byte. Its UIDs are derived from them. The date and time of its content, which the standard requires (Type 1),
are the source's; the time of the run is in `run.json`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
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
from .dicom_codes import concepts_of
from .dicom_source import ADVICE, complete_header, content_date_and_time, read_source_header

if TYPE_CHECKING:
    from highdicom.seg import Segmentation, SegmentDescription
    from pydicom import Dataset

_SERIES_NUMBER = 900
_MAX_NAME_LENGTH = 64


def check_card(card: ModelCard) -> None:
    """Check before a run that Segmentation objects can be written for a model.

    Raises
    ------
    MissingExtraError
        If highdicom or pydicom is not installed.
    ModelError
        If the name of the model or of a class cannot be written in a DICOM file.
    """
    require("highdicom", extra="dicom")
    for name in (card.name, *card.classes):
        if name != name.strip() or not 0 < len(name) <= _MAX_NAME_LENGTH or name != _long_string(name):
            raise ModelError(
                f"model card: the name {name!r} cannot be written in a DICOM file (1 to {_MAX_NAME_LENGTH} "
                "characters, no backslash or control character, no blank at start or end); rename it, "
                f"or {ADVICE}"
            )


def write_segmentation(
    path: Path, source: Path, masks: Mapping[str, Gray], card: ModelCard, *, model_hash: str
) -> None:
    """Write an image's masks as one DICOM Segmentation object.

    Parameters
    ----------
    path : Path
        The file to write, complete or not at all.
    source : Path
        The DICOM file that the image was read from.
    masks : mapping of str to ndarray of uint8, shape (height, width), 0 or 1
        By class, at the source's own size.
    card : ModelCard
    model_hash : str
        sha256 of the model file in hexadecimal: the version of the algorithm.

    Raises
    ------
    InputError
        If the source is not DICOM, lacks an attribute that the object must refer to, or has another size.
    MissingExtraError, ModelError
        From `check_card`.
    OutputError
        If the file cannot be written.
    """
    check_card(card)
    with quiet():
        segmentation = _segment(source, masks, card, model_hash)
        with replacing(path) as temporary:
            segmentation.save_as(temporary, enforce_file_format=True)


def _segment(source: Path, masks: Mapping[str, Gray], card: ModelCard, model_hash: str) -> Dataset:
    header = read_source_header(source)
    frames = np.stack(list(masks.values()))
    if frames.shape[1:] != (header.Rows, header.Columns):
        rows, columns = frames.shape[1:]
        raise InputError(
            f"{source}: has {header.Rows} x {header.Columns} pixels, its masks {rows} x {columns}; "
            "a Segmentation object must have the size of its source"
        )
    try:
        complete_header(header)
        return _build(header, frames, list(masks), card, model_hash)
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        # The message may hold a value of the header, and so identify the patient: it is not passed on.
        reason = type(error).__name__
        raise InputError(
            f"{source}: no Segmentation object can be built from its header ({reason}); {ADVICE}"
        ) from error


def _build(header: Dataset, frames: Gray, names: list[str], card: ModelCard, model_hash: str) -> Segmentation:
    from highdicom.seg import Segmentation

    software_version = version("cxr")
    content = hashlib.sha256(np.packbits(frames).tobytes()).hexdigest()
    origin = (header.SOPInstanceUID, model_hash, card.to_json(), software_version, content)
    # highdicom prints names with an unusual form; the patient's is set only in the finished object.
    patient_name, header.PatientName = header.PatientName, None
    date, time = content_date_and_time(header)
    segmentation = Segmentation(
        source_images=[header],
        pixel_array=frames.transpose(1, 2, 0)[np.newaxis],  # (source frames, height, width, segments)
        segmentation_type="BINARY",
        segment_descriptions=_segment_descriptions(names, card, model_hash),
        series_instance_uid=_derived_uid("series", *origin),
        series_number=_SERIES_NUMBER,
        sop_instance_uid=_derived_uid("instance", *origin),
        instance_number=1,
        manufacturer="cxr",
        manufacturer_model_name="cxr-infer",
        software_versions=software_version,
        device_serial_number=model_hash[:_MAX_NAME_LENGTH],
        omit_empty_frames=False,
        content_label="CXR_MASKS",
        content_description=_long_string(card.intended_use),
        content_qualification="RESEARCH",
        content_date=date,
        content_time=time,
        series_description="cxr masks; research use only",
        specific_character_set="ISO_IR 192",
    )
    segmentation.PatientName = patient_name
    segmentation.PatientOrientation = header.PatientOrientation
    segmentation.ContentCreatorName = None
    _make_reproducible(segmentation, _derived_uid("dimensions", *origin))
    return segmentation


def _segment_descriptions(names: list[str], card: ModelCard, model_hash: str) -> list[SegmentDescription]:
    from highdicom.content import AlgorithmIdentificationSequence
    from highdicom.seg import SegmentDescription
    from pydicom.sr.codedict import codes
    from pydicom.sr.coding import Code

    algorithm = AlgorithmIdentificationSequence(
        name=card.name,
        family=codes.DCM.ArtificialIntelligence,
        version=model_hash[:_MAX_NAME_LENGTH],
        source="cxr",
    )
    descriptions = []
    for number, name in enumerate(names, 1):
        category, property_type = (Code(c.code, c.scheme, c.meaning) for c in concepts_of(name))
        descriptions.append(SegmentDescription(number, name, category, property_type, "AUTOMATIC", algorithm))
    return descriptions


def _make_reproducible(segmentation: Segmentation, dimensions_uid: str) -> None:
    """Replace highdicom's random UID and remove its times; the standard allows both to be absent."""
    del segmentation.InstanceCreationDate, segmentation.InstanceCreationTime
    del segmentation.ContributingEquipmentSequence[-1].ContributionDateTime  # the last is highdicom itself
    for item in (*segmentation.DimensionOrganizationSequence, *segmentation.DimensionIndexSequence):
        item.DimensionOrganizationUID = dimensions_uid


def _derived_uid(*origin: str) -> str:
    """Derive a UID from texts: their UUID under the root 2.25 (PS3.5, B.2)."""
    return f"2.25.{uuid5(NAMESPACE_OID, chr(10).join(origin)).int}"


def _long_string(text: str) -> str:
    """Shorten and clean a text for the value representation LO: 64 characters, no backslash or control."""
    return "".join(" " if c == "\\" or not c.isprintable() else c for c in text)[:_MAX_NAME_LENGTH]
