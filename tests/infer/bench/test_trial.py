from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import msgspec
import numpy as np
import pytest

from cxr.infer.bench.trial import (
    BATCHES_PER_STREAM,
    MASKS_FILE,
    RESULT_FILE,
    Trial,
    repeat_images,
    run_trial,
)

IMAGES = [f"{number}.png" for number in range(24)]


@pytest.mark.parametrize(("batch_size", "streams"), [(32, 1), (8, 2), (5, 3)])
def test_images_are_repeated_to_give_each_stream_enough_batches(batch_size: int, streams: int) -> None:
    files = repeat_images(IMAGES, batch_size, streams)
    assert len(files) == BATCHES_PER_STREAM * batch_size * streams
    assert [file.key for file in files[:25]] == [*IMAGES, IMAGES[0]]


def test_every_image_occurs_at_least_once() -> None:
    assert [file.key for file in repeat_images(IMAGES, 1, 1)] == IMAGES


def test_masks_contain_each_image_once(model: Path, tmp_path: Path, draw: Callable[..., Path]) -> None:
    white, black = draw(tmp_path / "white.png", level=255), draw(tmp_path / "black.png", level=0)
    result = run_trial(Trial(str(model), "cpu", 3, 1, (str(white), str(black)), str(tmp_path)))
    masks = np.unpackbits(np.load(tmp_path / MASKS_FILE)).reshape(2, -1)
    assert masks[0].all()
    assert not masks[1].any()
    assert result.rate > 0
    assert result.latency > 0


def test_output_of_the_trial_process_is_separate_from_its_result(
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
    assert json.loads((tmp_path / RESULT_FILE).read_text())["rate"] > 0
