from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import msgspec
import numpy as np
import pytest

from cxr.infer.bench.trial import FULL_BATCHES, MASKS, OUTCOME, Trial, measure, round_of

IMAGES = [f"{number}.png" for number in range(24)]


@pytest.mark.parametrize(("batch_size", "streams"), [(32, 1), (8, 2), (5, 3)])
def test_a_round_keeps_every_stream_busy_for_some_full_batches(batch_size: int, streams: int) -> None:
    items = round_of(IMAGES, batch_size, streams)
    assert len(items) == FULL_BATCHES * batch_size * streams
    assert [item.key for item in items[:25]] == [*IMAGES, IMAGES[0]]


def test_a_round_holds_every_image_at_least_once() -> None:
    assert [item.key for item in round_of(IMAGES, 1, 1)] == IMAGES


def test_masks_are_those_of_each_image_once(model: Path, tmp_path: Path, draw: Callable[..., Path]) -> None:
    white, black = draw(tmp_path / "white.png", level=255), draw(tmp_path / "black.png", level=0)
    outcome = measure(Trial(str(model), "cpu", 3, 1, (str(white), str(black)), str(tmp_path)))
    masks = np.unpackbits(np.load(tmp_path / MASKS)).reshape(2, -1)
    assert masks[0].all()
    assert not masks[1].any()
    assert outcome.rate > 0
    assert outcome.latency > 0


def test_what_a_runtime_prints_does_not_spoil_the_outcome(
    model: Path, tmp_path: Path, draw: Callable[..., Path]
) -> None:
    trial = Trial(str(model), "cpu", 1, 1, (str(draw(tmp_path / "x.png")),), str(tmp_path))
    ran = subprocess.run(
        [sys.executable, "-P", "-m", "cxr.infer.bench.trial"],
        input=msgspec.json.encode(trial),
        capture_output=True,
        check=True,
    )
    assert ran.stdout == b""
    assert json.loads((tmp_path / OUTCOME).read_text())["rate"] > 0
