"""The content of a DICOM Segmentation object."""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from cxr.errors import ModelError, OutputError
from cxr.infer.outputs.dicom_codes import CONCEPTS, LOCAL_SCHEME, concepts_of
from cxr.infer.outputs.dicom_seg import check_card
from cxr.models.card import ModelCard

pytest.importorskip("highdicom", reason="needs the extra dicom")

import highdicom
from pydicom import Dataset, dcmread
from pydicom.sr.codedict import codes

Mask = npt.NDArray[np.uint8]
Write = Callable[..., Path]
MakeCard = Callable[..., ModelCard]
MakeMasks = Callable[..., dict[str, Mask]]
MakeSource = Callable[..., Path]


def code_of(sequence: list[Dataset]) -> tuple[str, str, str]:
    [item] = sequence
    return item.CodeValue, item.CodingSchemeDesignator, item.CodeMeaning


def test_pydicom_reads_the_masks(source: Path, write: Write, make_masks: MakeMasks) -> None:
    masks = make_masks()
    written = dcmread(write(source, masks))
    assert (written.SegmentationType, written.NumberOfFrames, written.SegmentsOverlap) == ("BINARY", 2, "YES")
    np.testing.assert_array_equal(written.pixel_array, np.stack(list(masks.values())))


def test_each_frame_belongs_to_its_class_and_to_the_source(
    source: Path, write: Write, make_masks: MakeMasks
) -> None:
    masks = make_masks()
    read = highdicom.seg.segread(write(source, masks))
    for number, name in enumerate(masks, 1):
        assert read.get_segment_description(number).segment_label == name
        pixels = read.get_pixels_by_source_instance(["1.2.3.4.5"], segment_numbers=[number])
        np.testing.assert_array_equal(pixels[0, :, :, 0], masks[name])
    [derivation] = read.PerFrameFunctionalGroupsSequence[0].DerivationImageSequence
    assert derivation.SourceImageSequence[0].SpatialLocationsPreserved == "YES"


def test_segments_have_the_codes_of_their_class_and_the_model_that_found_them(
    source: Path, write: Write
) -> None:
    lesion, lung = dcmread(write(source)).SegmentSequence
    assert code_of(lesion.SegmentedPropertyTypeCodeSequence) == ("52988006", "SCT", "Lesion")
    assert code_of(lesion.SegmentedPropertyCategoryCodeSequence)[0] == "49755003"
    assert code_of(lung.SegmentedPropertyTypeCodeSequence) == ("39607008", "SCT", "Lung")
    assert code_of(lung.SegmentedPropertyCategoryCodeSequence)[0] == "91723000"
    for segment in (lesion, lung):
        assert (segment.SegmentAlgorithmType, segment.SegmentAlgorithmName) == ("AUTOMATIC", "bright spots")
        [algorithm] = segment.SegmentationAlgorithmIdentificationSequence
        assert (algorithm.AlgorithmName, algorithm.AlgorithmVersion) == (
            "bright spots",
            "0123456789abcdef" * 4,
        )
        assert code_of(algorithm.AlgorithmFamilyCodeSequence)[2] == "Artificial Intelligence"


@pytest.mark.parametrize("name", [*CONCEPTS, "something else"])
def test_every_code_is_in_the_dictionary_of_the_standard(name: str) -> None:
    for concept in concepts_of(name):
        if concept.scheme != LOCAL_SCHEME:
            keyword = "".join(word.capitalize() for word in concept.meaning.split())
            known = getattr(getattr(codes, concept.scheme), keyword)
            assert (known.value, known.meaning) == (concept.code, concept.meaning)


def test_class_without_a_standard_code_gets_its_name_as_a_private_code(
    source: Path, write: Write, make_masks: MakeMasks
) -> None:
    masks = dict.fromkeys(["drain", "a name of more than sixteen"], make_masks()["lung"])
    short, long = dcmread(write(source, masks)).SegmentSequence
    assert code_of(short.SegmentedPropertyTypeCodeSequence) == ("drain", "99CXR", "drain")
    assert long.SegmentedPropertyTypeCodeSequence[0].LongCodeValue == "a name of more than sixteen"


def test_object_belongs_to_the_study_and_patient_of_its_source(
    source: Path, write: Write, header: dict[str, Any]
) -> None:
    image, written = dcmread(source), dcmread(write(source))
    for keyword in ("FrameOfReferenceUID", "StudyInstanceUID", "PatientOrientation", *list(header)[1:11]):
        assert written[keyword].value == image[keyword].value, keyword
    assert written.SeriesInstanceUID != image.SeriesInstanceUID
    [series] = written.ReferencedSeriesSequence
    [reference] = series.ReferencedInstanceSequence
    assert series.SeriesInstanceUID == image.SeriesInstanceUID
    assert reference.ReferencedSOPInstanceUID == image.SOPInstanceUID
    assert reference.ReferencedSOPClassUID == image.SOPClassUID


def test_object_is_marked_for_research(source: Path, write: Write) -> None:
    written = dcmread(write(source))
    assert (written.Modality, written.ContentQualification) == ("SEG", "RESEARCH")
    assert "research use only" in written.SeriesDescription
    assert written.ContentDescription == "research use only; not for diagnosis"


def test_content_has_the_date_and_time_of_the_source(source: Path, write: Write) -> None:
    written = dcmread(write(source))
    assert (written.ContentDate, written.ContentTime) == ("20230405", "101530.25")


def test_writing_again_gives_the_same_file(source: Path, write: Write) -> None:
    assert write(source).read_bytes() == write(source, name="again.dcm").read_bytes()


def test_other_masks_sources_and_models_give_other_identifiers(
    tmp_path: Path,
    source: Path,
    write: Write,
    make_masks: MakeMasks,
    make_source: MakeSource,
    header: dict[str, Any],
) -> None:
    other_source = make_source(tmp_path / "other.dcm", **{**header, "SOPInstanceUID": "1.2.3.4.6"})
    paths = [
        write(source),
        write(source, make_masks(1), "other-masks.dcm"),
        write(other_source, name="other-source.dcm"),
        write(source, name="other-model.dcm", model_hash="f" * 64),
    ]
    for keyword in ("SOPInstanceUID", "SeriesInstanceUID"):
        assert len({str(dcmread(path)[keyword].value) for path in paths}) == len(paths)


@pytest.mark.parametrize("empty", [["lesion"], ["lesion", "lung"]])
def test_class_with_an_empty_mask_keeps_its_segment_and_an_empty_frame(
    empty: list[str], source: Path, write: Write, make_masks: MakeMasks
) -> None:
    masks = make_masks()
    masks |= {name: np.zeros_like(masks[name]) for name in empty}
    written = dcmread(write(source, masks))
    assert [segment.SegmentLabel for segment in written.SegmentSequence] == ["lesion", "lung"]
    assert written.NumberOfFrames == 2
    np.testing.assert_array_equal(written.pixel_array, np.stack(list(masks.values())))


def test_single_class_gives_a_single_frame(source: Path, write: Write, make_masks: MakeMasks) -> None:
    lesion = make_masks()["lesion"]
    written = dcmread(write(source, {"lesion": lesion}))
    np.testing.assert_array_equal(written.pixel_array, lesion)


def test_patient_name_is_never_printed(
    tmp_path: Path,
    write: Write,
    make_source: MakeSource,
    caplog: pytest.LogCaptureFixture,
    recwarn: pytest.WarningsRecorder,
) -> None:
    caplog.set_level(logging.DEBUG)
    write(make_source(tmp_path / "image.dcm", PatientName="Name Without Caret"))
    printed = caplog.text + "".join(str(warning.message) for warning in recwarn)
    assert "Caret" not in printed


def test_unwritable_output_is_an_output_error(tmp_path: Path, source: Path, write: Write) -> None:
    (tmp_path / "masks").write_text("in the way")
    with pytest.raises(OutputError):
        write(source)


@pytest.mark.parametrize("name", ["", " lung", "left\\right", "two\nlines", "n" * 65])
def test_class_name_that_dicom_cannot_hold_is_rejected_before_a_run(name: str, card_of: MakeCard) -> None:
    with pytest.raises(ModelError, match=r"cannot be written in a DICOM file.*--masks-as png"):
        check_card(card_of([name]))


def test_class_names_in_any_script_are_accepted(card_of: MakeCard) -> None:
    check_card(card_of(["lesion", "肺", "poumon gauche"]))
