from __future__ import annotations

import random
from pathlib import Path

import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from cxr.data.datasets.records import Dataset, Record
from cxr.data.datasets.splits import Split, Subset, split_by_patient, split_into_folds
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


def patients_by_subset(split: Split) -> dict[Subset, set[str]]:
    return {subset: {split.patients[key] for key in split.keys(subset)} for subset in Subset}


@given(st.integers(2, 60), st.integers(0, 5), st.floats(0.01, 0.99))
def test_no_patient_is_in_both_subsets_and_neither_is_empty(patients: int, seed: int, share: float) -> None:
    data = dataset(patients)
    split = split_by_patient(data, validation_fraction=share, seed=seed)
    held = patients_by_subset(split)
    assert held[Subset.TRAIN] & held[Subset.VALIDATION] == set()
    assert split.subsets.keys() == {record.key for record in data.records}
    assert len(held[Subset.VALIDATION]) == min(max(1, round(share * patients)), patients - 1)


def test_a_split_depends_on_the_seed_and_not_on_the_order_of_records() -> None:
    data = dataset(40)
    mixed = list(data.records)
    random.Random(0).shuffle(mixed)
    shuffled = Dataset(data.name, data.root, data.classes, tuple(mixed))
    assert split_by_patient(data, seed=3).hash == split_by_patient(shuffled, seed=3).hash
    assert split_by_patient(data, seed=3).hash != split_by_patient(data, seed=4).hash


def test_findings_are_balanced_between_subsets() -> None:
    for seed in range(10):
        held = patients_by_subset(split_by_patient(dataset(50, sick=10), seed=seed))[Subset.VALIDATION]
        assert len(held) == 10
        assert sum(int(patient[1:]) < 10 for patient in held) == 2


def test_a_fold_is_held_out() -> None:
    split = split_by_patient(dataset(10, folds=5), fold=2)
    assert patients_by_subset(split)[Subset.VALIDATION] == {"P2", "P7"}


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
    with pytest.raises(InputError, match="1 patients are in both training and validation, such as P0"):
        split_by_patient(Dataset("toy", Path("toy"), (), (*data.records, moved)), fold=1)


@pytest.mark.parametrize("spellings", [("7", "007"), ("7", "7.0"), (" P4", "P4"), ("p4", "P4")])
def test_a_patient_under_two_spellings_in_both_subsets_is_an_error(spellings: tuple[str, str]) -> None:
    subsets = {"a.png": Subset.TRAIN, "b.png": Subset.VALIDATION}
    with pytest.raises(InputError, match="in both training and validation") as caught:
        Split(subsets, dict(zip(subsets, spellings, strict=True)))
    assert all(repr(spelling) in str(caught.value) for spelling in spellings)


def test_two_spellings_of_a_patient_are_never_split(tmp_path: Path) -> None:
    records = [
        Record(f"{number}{kind}.png", tmp_path, spell(number), {"lung": ()})
        for number in range(20)
        for kind, spell in (("a", str), ("b", "{:03d}".format))
    ]
    split = split_by_patient(Dataset("x", tmp_path, ("lung",), tuple(records)))
    assert all(split.subsets[f"{number}a.png"] is split.subsets[f"{number}b.png"] for number in range(20))


@pytest.mark.parametrize("share", [0.0, 1.0, -1.0])
def test_a_validation_fraction_outside_0_to_1_is_an_error(share: float) -> None:
    with pytest.raises(InputError, match="fraction"):
        split_by_patient(dataset(4), validation_fraction=share)


def test_one_patient_cannot_be_split() -> None:
    with pytest.raises(InputError, match="1 patients"):
        split_by_patient(dataset(1))


def test_a_split_is_read_back_unchanged(tmp_path: Path) -> None:
    split = split_by_patient(dataset(7))
    split.write(tmp_path / "splits.csv")
    again = Split.read(tmp_path / "splits.csv")
    assert (again, again.hash) == (split, split.hash)
    assert (tmp_path / "splits.csv").read_text().startswith("key,patient_id,part\nimages/0_0.png,P0,")


@given(st.dictionaries(st.text(min_size=1), st.text("=+1-@'\t\r\n\", ä"), min_size=1))
@example({"a\rb.png": "=1+1", "-x.png": "'=1+1", 'q".png': "a,b\r\nc"})
def test_any_keys_and_patients_are_read_back_unchanged(
    tmp_path_factory: pytest.TempPathFactory, patients: dict[str, str]
) -> None:
    path = tmp_path_factory.mktemp("split") / "splits.csv"
    split = Split(dict.fromkeys(patients, Subset.TRAIN), patients)
    split.write(path)
    assert (Split.read(path), Split.read(path).hash) == (split, split.hash)


def test_patient_ids_that_a_spreadsheet_would_run_are_guarded(tmp_path: Path) -> None:
    Split({"a.png": Subset.TRAIN}, {"a.png": "=1+1"}).write(tmp_path / "splits.csv")
    assert (tmp_path / "splits.csv").read_text() == "key,patient_id,part\na.png,'=1+1,train\n"


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("key,patient_id,part\na,1,train\nb,1,validation\n", "both training and validation"),
        ("key,patient_id,part\na,1,test\n", "not a split"),
        ("key,part\na,train\n", "not a split"),
        ("key,patient_id,part\na,1,train\na,1,train\n", "listed twice"),
        (None, "No such file"),
    ],
)
def test_a_file_that_is_not_a_split_is_an_error(text: str | None, why: str, tmp_path: Path) -> None:
    path = tmp_path / "splits.csv"
    if text is not None:
        path.write_text(text)
    with pytest.raises(InputError, match=why):
        Split.read(path)


def test_records_are_selected_by_subset() -> None:
    data = dataset(10)
    split = split_by_patient(data)
    train, held = split.select(data, Subset.TRAIN), split.select(data, Subset.VALIDATION)
    assert sorted(record.key for record in held) == list(split.keys(Subset.VALIDATION))
    assert len(train) + len(held) == len(data.records)
    with pytest.raises(InputError, match="27 images of the split are missing"):
        split.select(dataset(1), Subset.TRAIN)


@given(st.integers(2, 40), st.integers(2, 8), st.integers(0, 3), st.integers(0, 40))
def test_every_patient_is_held_out_in_one_fold(patients: int, folds: int, seed: int, sick: int) -> None:
    assume(folds <= patients)
    data = dataset(patients, sick=sick)
    splits = split_into_folds(data, folds, seed=seed)
    held = [patients_by_subset(split)[Subset.VALIDATION] for split in splits]
    assert sorted(patient for fold in held for patient in fold) == sorted(f"P{n}" for n in range(patients))
    # Of about equal size, with about as many patients with the finding.
    assert max(map(len, held)) - min(map(len, held)) <= 1
    with_finding = [sum(int(patient[1:]) < sick for patient in fold) for fold in held]
    assert max(with_finding) - min(with_finding) <= 1


def test_folds_of_the_table_are_used_where_there_are_as_many() -> None:
    splits = split_into_folds(dataset(12, folds=3), 3)
    assert [split.hash for split in splits] == [
        split_by_patient(dataset(12, folds=3), fold=fold).hash for fold in range(3)
    ]
    assert len(split_into_folds(dataset(12, folds=3), 4)) == 4


def test_more_folds_than_patients_are_rejected() -> None:
    with pytest.raises(InputError, match="2 patients cannot be divided into 3 folds"):
        split_into_folds(dataset(2), 3)
