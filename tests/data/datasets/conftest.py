"""Write masks as DICOM Segmentations."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from copy import deepcopy
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pydicom import Dataset, dcmread
from pydicom.sr.codedict import codes

WriteSegmentation = Callable[..., Path]


@pytest.fixture
def write_segmentation(make_dicom: Callable[..., bytes]) -> WriteSegmentation:
    """Return a function that writes a Segmentation with highdicom, and its images to `sources/` beside it.

    A segment is its label and its mask, or a list of the masks of several images.
    """
    from highdicom import seg

    def write(path: Path, segments: Sequence[tuple[str, Any]], *, kind: str = "BINARY") -> Path:
        """Write a frame for every image and segment, as segments of one image first."""
        stacks = [np.stack(masks) if isinstance(masks, list) else masks[np.newaxis] for _, masks in segments]
        folder, shape = path.parent / "sources", stacks[0].shape[1:]
        images = [_source(folder, number, make_dicom, shape) for number in range(1, len(stacks[0]) + 1)]
        labels = [label for label, _ in segments for _ in images]
        descriptions = [
            seg.SegmentDescription(
                number, label, codes.SCT.Organ, codes.SCT.Lung, seg.SegmentAlgorithmTypeValues.MANUAL
            )
            for number, label in enumerate(labels, 1)
        ]
        pixels = np.concatenate(stacks).transpose(1, 2, 0)[np.newaxis]
        written = seg.Segmentation(
            source_images=images[:1],
            pixel_array=pixels.astype(np.float64 if kind == "FRACTIONAL" else np.uint8),
            segmentation_type=kind,
            segment_descriptions=descriptions,
            series_instance_uid="1.2.9",
            series_number=1,
            sop_instance_uid="1.2.9.1",
            instance_number=1,
            manufacturer="a reader",
            manufacturer_model_name="a pen",
            software_versions="1",
            device_serial_number="1",
            omit_empty_frames=True,
        )
        if len(images) > 1:
            _give_frames_to_images(written, images)
        path.parent.mkdir(parents=True, exist_ok=True)
        written.save_as(path, enforce_file_format=True)
        return path

    return write


def _give_frames_to_images(written: Dataset, images: Sequence[Dataset]) -> None:
    """Make every n-th segment, from the k-th on, a frame of the k-th image and of the first segment of n."""
    for frame in written.PerFrameFunctionalGroupsSequence:
        segment = frame.SegmentIdentificationSequence[0]
        first, image = divmod(segment.ReferencedSegmentNumber - 1, len(images))
        segment.ReferencedSegmentNumber = first * len(images) + 1
        frame.DerivationImageSequence = deepcopy(frame.DerivationImageSequence)  # shared by all frames
        source = frame.DerivationImageSequence[0].SourceImageSequence[0]
        source.ReferencedSOPInstanceUID = images[image].SOPInstanceUID
    written.SegmentSequence = written.SegmentSequence[:: len(images)]


def _source(folder: Path, number: int, make_dicom: Callable[..., bytes], shape: tuple[int, ...]) -> Dataset:
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{number}.dcm"
    pixels = np.random.default_rng(number).integers(0, 256, shape, dtype=np.uint8)
    elements = dict.fromkeys(
        ("PatientBirthDate", "PatientSex", "AccessionNumber", "StudyID", "StudyDate", "StudyTime"), ""
    )
    path.write_bytes(
        make_dicom(
            pixels,
            SOPInstanceUID=f"1.2.3.{number}",
            StudyInstanceUID="1.2",
            SeriesInstanceUID="1.3",
            ReferringPhysicianName="",
            Modality="DX",
            **elements,
        )
    )
    return dcmread(path)
