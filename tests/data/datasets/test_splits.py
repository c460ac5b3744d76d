from __future__ import annotations

import random
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cxr.data.datasets.records import Dataset, Record
from cxr.data.datasets.splits import Part, Split, split_by_patient
from cxr.errors import InputError


def dataset(patients: int, images: int = 3, *, folds: int | None = None, sick: int = 0) -> Dataset:
    records = tuple(
        Record(
            key=f"images/{patient}_{image}.png",
            path=Path(f"images/{patient}_{image}.png"),
            patient_id=f"P{patient}",
            masks={"lesion": ()},
            fold=None if folds is None else patient % folds,
            finding="Mass" if patient < sick else "No Finding",
        )
        for patient in range(patients)
        for image in range(images)
    )
    return Dataset("toy", Path("toy"), ("lesion",), records)


def sides(split: Split) -> dict[Part, set[str]]:
    return {part: {split.patients[key] for key in split.keys(part)} for part in Part}


@given(st.integers(2, 60), st.integers(0, 5), st.floats(0.01, 0.99))
def test_no_patient_is_on_both_sides_and_both_have_some(patients: int, seed: int, share: float) -> None:
    data = dataset(patients)
    split = split_by_patient(data, validation_fraction=share, seed=seed)
    held = sides(split)
    assert held[Part.TRAIN] & held[Part.VALIDATION] == set()
    assert split.parts.keys() == {record.key for record in data.records}
    assert len(held[Part.VALIDATION]) == min(max(1, round(share * patients)), patients - 1)


def test_the_split_depends_on_the_seed_and_not_on_the_order() -> None:
    data = dataset(40)
    mixed = list(data.records)
    random.Random(0).shuffle(mixed)
    shuffled = Dataset(data.name, data.root, data.classes, tuple(mixed))
    assert split_by_patient(data, seed=3).hash == split_by_patient(shuffled, seed=3).hash
    assert split_by_patient(data, seed=3).hash != split_by_patient(data, seed=4).hash


def test_findings_are_spread_over_both_sides() -> None:
    for seed in range(10):
        held = sides(split_by_patient(dataset(50, sick=10), seed=seed))[Part.VALIDATION]
        assert len(held) == 10
        assert sum(int(patient[1:]) < 10 for patient in held) == 2


def test_a_fold_is_held_out() -> None:
    split = split_by_patient(dataset(10, folds=5), fold=2)
    assert sides(split)[Part.VALIDATION] == {"P2", "P7"}


@pytest.mark.parametrize(
    ("folds", "fold", "why"),
    [
        (5, 5, r"fold 5 .* \[0, 1, 2, 3, 4\]"),
        (1, 0, "fold 0 cannot be held out"),
        (None, 0, "30 images have no fold"),
    ],
)
def test_a_fold_that_cannot_be_held_out_is_an_error(folds: int | None, fold: int, why: str) -> None:
    with pytest.raises(InputError, match=why):
        split_by_patient(dataset(10, folds=folds), fold=fold)


def test_a_patient_in_two_folds_is_an_error() -> None:
    data = dataset(4, folds=2)
    moved = Record("x.png", Path("x.png"), "P0", {}, fold=1)
    with pytest.raises(InputError, match="1 patients are on both sides, such as P0"):
        split_by_patient(Dataset("toy", Path("toy"), (), (*data.records, moved)), fold=1)


@pytest.mark.parametrize("share", [0.0, 1.0, -1.0])
def test_a_share_outside_0_and_1_is_an_error(share: float) -> None:
    with pytest.raises(InputError, match="fraction"):
        split_by_patient(dataset(4), validation_fraction=share)


def test_one_patient_cannot_be_split() -> None:
    with pytest.raises(InputError, match="1 patients"):
        split_by_patient(dataset(1))


def test_a_split_is_read_back_as_it_was_written(tmp_path: Path) -> None:
    split = split_by_patient(dataset(7))
    split.write(tmp_path / "splits.csv")
    again = Split.read(tmp_path / "splits.csv")
    assert (again, again.hash) == (split, split.hash)
    assert (tmp_path / "splits.csv").read_text().startswith("key,patient_id,part\nimages/0_0.png,P0,")


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("key,patient_id,part\na,1,train\nb,1,validation\n", "both sides"),
        ("key,patient_id,part\na,1,test\n", "not a split"),
        ("key,part\na,train\n", "not a split"),
        ("key,patient_id,part\na,1,train\na,1,train\n", "listed twice"),
        (None, "No such file"),
    ],
)
def test_a_file_that_is_no_split_is_an_error(text: str | None, why: str, tmp_path: Path) -> None:
    path = tmp_path / "splits.csv"
    if text is not None:
        path.write_text(text)
    with pytest.raises(InputError, match=why):
        Split.read(path)


def test_records_are_selected_by_side() -> None:
    data = dataset(10)
    split = split_by_patient(data)
    train, held = split.select(data, Part.TRAIN), split.select(data, Part.VALIDATION)
    assert sorted(record.key for record in held) == list(split.keys(Part.VALIDATION))
    assert len(train) + len(held) == len(data.records)
    with pytest.raises(InputError, match="27 images of the split are not there"):
        split.select(dataset(1), Part.TRAIN)
