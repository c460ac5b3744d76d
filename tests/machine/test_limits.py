from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner

from cxr.cli import main
from cxr.errors import ExitCode, InputError
from cxr.infer.config import InferConfig
from cxr.machine.limits import check_range
from cxr.train.config import TrainConfig

HUGE = 10**20

INTEGERS = {
    "infer": ("--threads", "--batch-size", "--min-area", "--max-pixels"),
    "measure": ("--threads", "--min-area", "--max-pixels"),
    "train": ("--size", "--epochs", "--batch-size", "--seed", "--workers", "--devices"),
    "sample": ("--patients", "--size", "--seed"),
    "analyze": ("--trials", "--folds", "--jobs", "--seed"),
}
NUMBERS = {"infer": ("--threshold",), "train": ("--lr", "--val-fraction"), "export": ("--max-dice-drop",)}


@pytest.mark.parametrize("value", [HUGE, -1])
@pytest.mark.parametrize(("command", "option"), [(name, one) for name in INTEGERS for one in INTEGERS[name]])
def test_whole_number_that_cannot_be_meant_is_wrong_usage(command: str, option: str, value: int) -> None:
    result = CliRunner().invoke(main, [command, "x", option, str(value)])
    assert result.exit_code == ExitCode.USAGE
    assert option in result.stderr


@pytest.mark.parametrize("value", ["nan", "inf", "1e400"])
@pytest.mark.parametrize(("command", "option"), [(name, one) for name in NUMBERS for one in NUMBERS[name]])
def test_number_that_is_not_finite_is_wrong_usage(command: str, option: str, value: str) -> None:
    result = CliRunner().invoke(main, [command, "x", option, value])
    assert result.exit_code == ExitCode.USAGE
    assert option in result.stderr


@pytest.mark.parametrize("name", ["threads", "batch_size", "min_area", "max_pixels"])
def test_settings_of_a_run_have_the_same_limits_in_python(name: str) -> None:
    with pytest.raises(InputError, match=f"{name} must be at least"):
        InferConfig(**{name: HUGE})


@pytest.mark.parametrize("name", ["epochs", "batch_size", "devices", "workers", "seed"])
def test_settings_of_training_have_the_same_limits_in_python(name: str) -> None:
    with pytest.raises(InputError, match=f"{name} must be at least"):
        TrainConfig(dataset=Path("set"), **{name: HUGE})


def test_default_is_in_every_range() -> None:
    check_range("threads", None, 1, 2)
