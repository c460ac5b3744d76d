"""Yes/no targets: which value is the event, and how many patients of each class are needed."""

from __future__ import annotations

from contextlib import nullcontext
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from cxr.analysis.fit.tuning import INNER_FOLDS
from cxr.analysis.records import Event, Grouping, Table, Unit
from cxr.analysis.table.event import check_events, event_values, find_event
from cxr.analysis.table.target import rows_with_target
from cxr.analysis.table.unit import by_patient
from cxr.errors import InputError


@pytest.mark.parametrize(
    ("values", "event"),
    [
        (["Y", "N", None], ("Y", "N")),
        (["no", "Yes"], ("Yes", "no")),
        (["alive", "dead"], ("dead", "alive")),
        (["positive", "negative"], ("positive", "negative")),
        ([0, 1, 1], ("1", "0")),
        ([0.0, 1.0, np.nan], ("1", "0")),
        (["tuberculosis", "normal lungs", "normal lungs"], ("tuberculosis", "normal lungs")),
        (["F", "M"], ("M", "F")),
        (["yes", "no", "unknown"], ("yes", "no")),
        (["dead", "?", "alive", "n.d."], ("dead", "alive")),
        (["+", "-", "-"], ("+", "-")),
        (["yes", "unknown"], None),
        ([1, 2], None),
        (["a", "b", "c"], None),
        (["yes", "yes"], None),
        ([0.1, 0.2, 0.3], None),
    ],
)
def test_event_of_a_column(values: list[object], event: tuple[str, str] | None) -> None:
    found = find_event(pd.Series(values), "x")
    assert found == (None if event is None else Event("x", *event))


def test_event_is_one_and_unknown_stays_unknown() -> None:
    column = pd.Series(["Y", "N", None])
    assert event_values(column, Event("x", "Y", "N")).tolist()[:2] == [1.0, 0.0]
    assert event_values(column, Event("x", "Y", "N")).isna().tolist() == [False, False, True]


def test_unknown_beside_yes_and_no_is_left_out_with_its_count() -> None:
    table = rows_with_target(
        make_table(["yes", "no", "no", "unknown"] * 5, [str(n) for n in range(20)]), "died", Path("f.csv")
    )
    assert table.frame["died"].tolist() == [1.0, 0.0, 0.0] * 5
    assert table.notes == ("5 images without died are left out",)


def make_table(events: list[object], patients: list[str], **columns: object) -> Table:
    images = [f"{n}.png" for n in range(len(events))]
    frame = pd.DataFrame({"image": images, "patient_id": patients, "died": events, **columns})
    return Table(frame, (), ("died", *columns), Grouping.CLINICAL)


def test_pair_that_is_not_known_is_reported() -> None:
    table = rows_with_target(
        make_table(["left", "right"] * 10, [str(n) for n in range(20)]), "died", Path("f.csv")
    )
    assert table.event == Event("died", "right", "left")
    assert table.notes == ("died: right is predicted as the event, left is not one",)


@pytest.mark.parametrize(
    ("rare", "folds", "message"),
    [
        (8, 5, "8 patients with yes, 12 patients with no; 5 folds need 10 .*: at most --folds 4"),
        (5, 5, "5 patients with yes, 15 patients with no; 5 folds need 10 .*: too few for any number"),
        (4, 2, r"4 patients with yes, 16 patients with no; 2 folds need 6 .*: too few .*\(6 are needed\)"),
        (6, 3, None),
        (8, 4, None),
    ],
)
def test_too_few_patients_of_the_rarer_class_are_rejected_with_the_numbers(
    rare: int, folds: int, message: str | None
) -> None:
    patients = [str(n // 2) for n in range(40)]
    values = ["yes"] * 2 * rare + ["no"] * (40 - 2 * rare)
    table = rows_with_target(make_table(values, patients), "died", Path("f.csv"))
    assert table.event is not None
    expected = pytest.raises(InputError, match=f"died: {message}") if message else nullcontext()
    with expected:
        check_events(table.frame, "died", table.event, folds, Path("f.csv"), inner_folds=INNER_FOLDS)


def test_images_of_a_patient_are_aggregated() -> None:
    table = make_table(
        ["no", "yes", "no", "no"] * 5,
        ["a", "a", "b", "b"] + [str(n // 2) for n in range(16)],
        area=[1.0, 3.0, np.nan, 5.0] * 5,
        view=["PA", "AP", None, "AP"] * 5,
    )
    found = by_patient(rows_with_target(table, "died", Path("f.csv")), "died")
    assert found.unit is Unit.PATIENT
    assert found.frame["patient_id"].tolist()[:2] == ["a", "b"]
    assert found.frame["died"].tolist()[:2] == [1.0, 0.0]
    assert found.frame["area"].tolist()[:2] == [2.0, 5.0]
    assert found.frame["view"].tolist()[:2] == ["AP", "AP"]
    assert "20 images are aggregated to 10 patients (--unit patient)" in found.notes
    assert any("5 patients have the event in some images only" in note for note in found.notes)
