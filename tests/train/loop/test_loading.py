from __future__ import annotations

import threading
from dataclasses import replace

import pytest
import torch
from torch.utils.data import DataLoader

from cxr.train.config import TrainConfig
from cxr.train.loop.loading import LoadedAhead, training_batches, validation_batches
from cxr.train.preparation import prepare_run


class Numbers(torch.utils.data.Dataset[int]):
    """The numbers up to ten, of which one may be damaged."""

    def __init__(self, damaged: int = 99) -> None:
        self.damaged = damaged
        self.threads: set[int] = set()

    def __len__(self) -> int:
        return 10

    def __getitem__(self, index: int) -> int:
        self.threads.add(threading.get_ident())
        if index == self.damaged:
            raise ValueError("damaged")
        return index


def test_batches_are_loaded_in_order_by_another_thread() -> None:
    numbers = Numbers()
    ahead = LoadedAhead(DataLoader(numbers, batch_size=4))
    assert [batch.tolist() for batch in ahead] == [[0, 1, 2, 3], [4, 5, 6, 7], [8, 9]]
    assert len(ahead) == 3
    assert threading.get_ident() not in numbers.threads


def test_batch_is_loaded_before_it_is_asked_for() -> None:
    numbers = Numbers()
    loaded = threading.Event()
    numbers.__class__ = type(
        "Watched",
        (Numbers,),
        {"__getitem__": lambda self, index: loaded.set() if index == 7 else Numbers.__getitem__(self, index)},
    )
    batches = iter(LoadedAhead(DataLoader(numbers, batch_size=4, collate_fn=list)))
    next(batches)
    assert loaded.wait(timeout=60)


def test_error_of_an_image_reaches_the_caller() -> None:
    ahead = LoadedAhead(DataLoader(Numbers(damaged=5), batch_size=4))
    with pytest.raises(ValueError, match="damaged"):
        list(ahead)


def test_batches_do_not_depend_on_the_number_of_workers(tiny: TrainConfig) -> None:
    epochs = []
    for workers in (0, 2):
        run = prepare_run(replace(tiny, workers=workers, augmentation="strong", balance=True))
        batches = training_batches(run)
        for epoch in range(2):
            batches.sampler.set_epoch(epoch)
            epochs.append(list(batches))
    for one, other in zip(epochs[:2], epochs[2:], strict=True):
        assert len(one) == len(other) == 3
        for first, second in zip(one, other, strict=True):
            assert torch.equal(first[0], second[0])
            assert torch.equal(first[1], second[1])
    assert not torch.equal(epochs[0][0][0], epochs[1][0][0])


def test_validation_batches_hold_every_image_unchanged(tiny: TrainConfig) -> None:
    run = prepare_run(tiny)
    pixels = torch.cat([pixels for pixels, _ in validation_batches(run)])
    assert len(pixels) == len(run.validation)
    assert torch.equal(pixels[1], torch.from_numpy(run.validation_set.arrays(1)[0]))
