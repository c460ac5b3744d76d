"""Every command: one line on an error, the exit code that means it, and help that is instant."""

from __future__ import annotations

import subprocess
import sys

import click
import pytest
from click.testing import CliRunner

from cxr.cli import COMMANDS, cxr_command
from cxr.errors import ExitCode, InputError


def _command(behavior: Exception | ExitCode | None) -> click.Command:
    @cxr_command("cxr-something")
    def command() -> ExitCode | None:
        if isinstance(behavior, Exception):
            raise behavior
        return behavior

    return command


@pytest.mark.parametrize(
    ("behavior", "code"),
    [
        (None, 0),
        (ExitCode.SOME_FAILED, 3),
        (InputError("a.png: is\nnot an image"), 1),
        (ZeroDivisionError("oh"), 1),
    ],
)
def test_exit_code_tells_how_it_ended(behavior: Exception | ExitCode | None, code: int) -> None:
    assert CliRunner().invoke(_command(behavior)).exit_code == code


def test_error_is_one_line_without_traceback() -> None:
    result = CliRunner().invoke(_command(InputError("a.png: is\nnot an image")))
    assert result.stderr == "cxr-something: error: a.png: is not an image\n"


def test_unexpected_error_says_how_to_see_more() -> None:
    result = CliRunner().invoke(_command(ZeroDivisionError("oh")))
    assert len(result.stderr.splitlines()) == 1
    assert "ZeroDivisionError" in result.stderr
    assert "--debug" in result.stderr


def test_debug_shows_the_traceback() -> None:
    result = CliRunner().invoke(_command(InputError("x")), ["--debug"])
    assert isinstance(result.exception, InputError)


def test_wrong_usage_is_exit_2() -> None:
    assert CliRunner().invoke(_command(None), ["--no-such-flag"]).exit_code == ExitCode.USAGE


@pytest.mark.parametrize("name", [None, *COMMANDS])
def test_help_loads_nothing_heavy_and_answers_at_once(name: str | None) -> None:
    arguments = [*([name] if name else []), "--help"]
    script = (
        "import sys\n"
        "from cxr.cli import main\n"
        f"try: main({arguments!r}, prog_name='cxr')\n"
        "except SystemExit as end: assert end.code == 0, end.code\n"
        "heavy = {'torch', 'onnxruntime', 'numpy', 'numba', 'cv2', 'pandas', 'pyarrow', 'matplotlib'}\n"
        "print('LOADED', sorted(heavy & set(sys.modules)))\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert "Usage: cxr" in done.stdout
    assert done.stdout.rstrip().endswith("LOADED []")


def test_version_answers_and_does_not_hang() -> None:
    words = [sys.executable, "-m", "cxr", "--version"]
    done = subprocess.run(words, capture_output=True, text=True, check=True, timeout=30)
    assert done.stdout.startswith("cxr, version ")
