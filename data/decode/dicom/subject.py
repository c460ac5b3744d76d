"""What a DICOM header says of the subject: another body part than the chest, or a lateral view."""

from __future__ import annotations

import re

from ...image import Note
from .header import DicomFile

# Defined terms of BodyPartExamined (PS3.16, annex L) and what manufacturers write for the chest.
_CHEST = re.compile(r"CHEST|TH?ORA|T[ÓO]RAX|LUNG|HEART|RIBS?\b|STERN|PULMO|POUMON|TORSO|TRUNK|UNKNOWN|OTHER")
# ViewPosition (0018,5101): left lateral, right lateral, and the words that manufacturers write.
_LATERAL = re.compile(r"\A(?:LL|RL|LLD|RLD|LAT|L-?LAT|R-?LAT|LLO|RLO)\Z|LATERAL")

KEYWORDS = ("BodyPartExamined", "ViewPosition")


def notes_of_header(file: DicomFile) -> tuple[Note, ...]:
    """Return what the header says against a frontal chest radiograph; an empty element says nothing."""
    body_part = file.text("BodyPartExamined").upper()
    view = file.text("ViewPosition").upper().strip()
    notes = []
    if body_part.strip() and not _CHEST.search(body_part):
        notes.append(Note.OTHER_BODY_PART)
    if _LATERAL.search(view):
        notes.append(Note.LATERAL_VIEW)
    return tuple(notes)
