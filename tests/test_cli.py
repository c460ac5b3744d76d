"""Every command: one line on an error, the exit code that means it, and help that is instant."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from cxr.cli import COMMANDS, PathType, cxr_command, main
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
def test_exit_code_says_how_the_command_ended(behavior: Exception | ExitCode | None, code: int) -> None:
    assert CliRunner().invoke(_command(behavior)).exit_code == code


def test_error_is_one_line_without_traceback() -> None:
    result = CliRunner().invoke(_command(InputError("a.png: is\nnot an image")))
    assert result.stderr == "cxr-something: error: a.png: is not an image\n"


def test_unexpected_error_names_the_debug_option() -> None:
    result = CliRunner().invoke(_command(ZeroDivisionError("oh")))
    assert len(result.stderr.splitlines()) == 1
    assert "ZeroDivisionError" in result.stderr
    assert "--debug" in result.stderr


def test_debug_shows_the_traceback() -> None:
    result = CliRunner().invoke(_command(InputError("x")), ["--debug"])
    assert isinstance(result.exception, InputError)


def test_plots_do_not_depend_on_the_backend_of_a_notebook(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MPLBACKEND", "module://matplotlib_inline.backend_inline")
    seen = []

    @cxr_command("cxr-plot")
    def command() -> None:
        seen.append(os.environ["MPLBACKEND"])

    assert CliRunner().invoke(command).exit_code == 0
    assert seen == ["agg"]


def test_wrong_usage_is_exit_2() -> None:
    assert CliRunner().invoke(_command(None), ["--no-such-flag"]).exit_code == ExitCode.USAGE


@pytest.mark.parametrize("name", [None, *COMMANDS])
def test_help_loads_nothing_heavy(name: str | None) -> None:
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


def test_version_is_printed() -> None:
    words = [sys.executable, "-m", "cxr", "--version"]
    done = subprocess.run(words, capture_output=True, text=True, check=True, timeout=30)
    assert done.stdout.startswith("cxr, version ")


@pytest.mark.parametrize(
    ("typed", "meant"),
    [("infr", "infer"), ("analyse", "analyze"), ("doktor", "doctor")],
)
def test_misspelled_command_gets_a_suggestion(typed: str, meant: str) -> None:
    result = CliRunner().invoke(main, [typed])
    assert result.exit_code == ExitCode.USAGE
    assert f"Did you mean '{meant}'?" in result.stderr


def test_unknown_command_gets_the_list_of_commands() -> None:
    result = CliRunner().invoke(main, ["qqqq"])
    assert result.exit_code == ExitCode.USAGE
    assert "train, export, infer" in result.stderr


@cxr_command("cxr-path")
@click.argument("folder", type=PathType())
def _echo_path(folder: Path) -> None:
    click.echo(str(folder))


def test_empty_path_is_wrong_usage() -> None:
    result = CliRunner().invoke(_echo_path, [""])
    assert result.exit_code == ExitCode.USAGE
    assert "the path is empty" in result.stderr


def test_tilde_in_a_path_is_the_home_folder(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/reader")
    assert CliRunner().invoke(_echo_path, ["~/results"]).stdout == "/home/reader/results\n"


@pytest.mark.skipif(os.name == "nt", reason="Windows has no such files in folders")
@pytest.mark.parametrize("kind", ["pipe", "device", "loop"])
def test_path_on_which_reading_may_never_end_is_wrong_usage(kind: str, tmp_path: Path) -> None:
    path = tmp_path / kind
    if kind == "pipe":
        os.mkfifo(path)
    else:
        path.symlink_to("/dev/zero" if kind == "device" else path)
    result = CliRunner().invoke(_echo_path, [str(path)])
    assert result.exit_code == ExitCode.USAGE
    assert str(path) in result.stderr


def test_command_runs_with_closed_streams(tmp_path: Path) -> None:
    made = tmp_path / "set"
    words = f"{sys.executable} -m cxr sample {made} --patients 1 --size 64 2>&- >&- <&-"
    assert subprocess.run(words, shell=True, check=False).returncode == 0
    assert (made / "truth.json").read_text().startswith("{")


def test_names_that_are_not_utf_8_are_printed_with_escapes() -> None:
    script = (
        "import click\nfrom cxr.cli import PathType, cxr_command\n"
        "@cxr_command('x')\n@click.argument('folder', type=PathType())\n"
        "def command(folder): click.echo(str(folder))\ncommand()\n"
    )
    done = subprocess.run([sys.executable, "-c", script, b"Aufn\xe4hme"], capture_output=True, check=True)
    assert done.stdout == b"Aufn\\udce4hme\n"


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs Linux's full device")
def test_full_disk_under_standard_output_is_one_line(tmp_path: Path) -> None:
    words = f"{sys.executable} -m cxr sample {tmp_path / 'set'} --patients 1 --size 64 >/dev/full"
    done = subprocess.run(words, shell=True, check=False, capture_output=True, text=True)
    assert done.returncode == ExitCode.ERROR
    assert "No space left on device" in done.stderr.splitlines()[-1]
    assert "Traceback" not in done.stderr


def test_error_of_a_file_names_it_and_its_cause() -> None:
    error = FileNotFoundError(2, "No such file or directory", "a.png")
    assert (
        CliRunner().invoke(_command(error)).stderr
        == "cxr-something: error: a.png: No such file or directory\n"
    )
