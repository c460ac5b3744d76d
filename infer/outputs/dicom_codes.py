"""The coded concepts by which a DICOM Segmentation names its classes."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Concept:
    """A coded concept: its code, the scheme that defines the code, and its meaning in words."""

    code: str
    scheme: str
    meaning: str


ANATOMY = Concept("91723000", "SCT", "Anatomical Structure")
ABNORMALITY = Concept("49755003", "SCT", "Morphologically Abnormal Structure")
REGION = Concept("309825002", "SCT", "Spatial and Relational Concept")

# Category and type by class (PS3.16, CID 7150, 7151 and 6102). The SNOMED CT codes that DICOM lists, which
# any product may use, include no opacity on a radiograph, so opacity has DICOM's own code.
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
    """Return the category and the type of a class.

    A class without a standard code gets its own name as code in the local scheme `99CXR` (private schemes
    start with 99, PS3.16, 8.2) and the category of regions, which implies nothing else.
    """
    local = Concept(class_name, LOCAL_SCHEME, class_name)
    return CONCEPTS.get(class_name.lower(), (REGION, local))
