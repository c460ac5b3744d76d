from __future__ import annotations

from pathlib import Path

from cxr.data.datasets.records import Record
from cxr.data.datasets.shapes import Box

RECORD = Record(
    "a.png",
    Path("a.png"),
    "p",
    {"file": Path("mask.png"), "boxes": (Box(0, 0, 1, 1, 1024),), "absent": (), "unknown": None},
)


def test_ground_truth_is_known_from_a_file_from_boxes_or_if_the_class_is_absent() -> None:
    names = ("file", "boxes", "absent", "unknown", "never mentioned")
    assert RECORD.known(names) == (True, True, True, False, False)


def test_a_record_has_ground_truth_if_one_class_is_known() -> None:
    assert RECORD.has_truth(["unknown", "absent"])
    assert not RECORD.has_truth(["unknown", "never mentioned"])
    assert not RECORD.has_truth([])
