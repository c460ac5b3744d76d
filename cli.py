"""What the commands share: one-line errors, exit codes, paths, and the group that imports them on demand."""

from __future__ import annotations

import logging
import math
import os
import sys
from collections.abc import Callable, Sequence
from contextlib import suppress
from difflib import get_close_matches
from importlib import import_module
from io import TextIOWrapper
from pathlib import Path
from typing import Any, NoReturn

import click

from .errors import CxrError, ExitCode
from .machine.environment import check_environment
from .machine.files import check_is_file
from .machine.interruption import interruption

COMMANDS = {
    "train": ".train.command",
    "export": ".export.command",
    "infer": ".infer.command",
    "measure": ".infer.mask_folder.command",
    "evaluate": ".infer.evaluate.command",
    "analyze": ".analysis.command",
    "sample": ".data.sample.command",
    "models": ".models.command",
    "verify": ".models.file.command",
    "bench": ".infer.bench.command",
    "doctor": ".infer.doctor.command",
}


class PathType(click.Path):
    """A path argument: `~` is expanded, as no shell does after `=`, and an empty path is wrong usage.

    An empty path is an unset variable of a script; `Path("")` would be the working directory.
    """

    def __init__(self, *, dir_okay: bool = True) -> None:
        super().__init__(dir_okay=dir_okay, path_type=Path)

    def convert(
        self, value: str | os.PathLike[str], param: click.Parameter | None, ctx: click.Context | None
    ) -> Path:
        """Check and expand one path."""
        text = os.fspath(value)
        if not text:
            self.fail("the path is empty; is a variable of your script not set?", param, ctx)
        try:
            expanded = Path(text).expanduser()
        except RuntimeError as error:
            self.fail(f"{value}: {error}", param, ctx)
        path = Path(os.fsdecode(super().convert(expanded, param, ctx)))
        try:
            check_is_file(path)  # here for every command: reading a pipe would wait, and a device never ends
        except (FileNotFoundError, NotADirectoryError, PermissionError):
            pass  # the command reports what it needs
        except OSError as error:
            self.fail(f"{path}: {error.strerror}", param, ctx)
        return path


class NumberRange(click.FloatRange):
    """A number within a range; "nan", which no comparison rejects, and infinity are wrong usage."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Check one number."""
        number = super().convert(value, param, ctx)
        if not math.isfinite(number):
            self.fail(f"{value!r} is not a finite number", param, ctx)
        return number


class _Program(click.Command):
    """A click command that ends with exit status 130 after Ctrl-C."""

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Run as the program of this process."""
        interruption.handle()
        try:
            return super().__call__(*args, **kwargs)
        except SystemExit:
            if not interruption.is_requested:
                raise
            interruption.ignore_further()
            _report_interruption()
            sys.exit(ExitCode.INTERRUPTED)


class Command(_Program):
    """A click command that ends with one line on an error; `--debug` shows the traceback instead."""

    def __init__(
        self, *args: Any, checks_environment: bool = True, when_interrupted: str = "", **kwargs: Any
    ) -> None:
        super().__init__(*args, **kwargs)
        self.checks_environment = checks_environment
        self.when_interrupted = when_interrupted
        debug = click.Option(
            ["--debug"],
            is_flag=True,
            expose_value=False,
            callback=_set_debug,
            help="Show the traceback of an error.",
        )
        self.params.append(debug)

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command; turn its errors into one line and its result into the exit status."""
        _open_closed_streams()
        _print_any_name()
        logging.basicConfig(format="%(message)s", level=logging.WARNING, stream=sys.stderr)
        logging.getLogger(__package__).setLevel(logging.INFO)  # ours alone: libraries log much at this level
        os.environ["MPLBACKEND"] = "agg"  # plots go to files; the backend of a notebook may not exist here
        interruption.set_line(f"{ctx.command_path}: interrupted{self.when_interrupted}")
        try:
            if self.checks_environment:
                check_environment()
            result = super().invoke(ctx)
        except KeyboardInterrupt:
            _report_interruption()
            ctx.exit(ExitCode.INTERRUPTED)
        except (click.ClickException, click.exceptions.Exit, click.Abort, BrokenPipeError):
            raise  # click ends the process as it should
        except Exception as error:
            if interruption.is_requested:
                _report_interruption()
                ctx.exit(ExitCode.INTERRUPTED)
            if ctx.meta.get("cxr.debug"):
                raise
            with suppress(OSError):  # standard error may be on a full disk too
                click.echo(f"{ctx.command_path}: error: {_one_line(error)}", err=True)
            ctx.exit(ExitCode.ERROR)
        ctx.exit(result if isinstance(result, ExitCode) else ExitCode.DONE)


class LazyGroup(_Program, click.Group):
    """A group whose commands are imported only when they are named."""

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the command; where there is none of that name, suggest the nearest."""
        name = args[0]
        if name not in COMMANDS and not name.startswith("-"):
            _fail_unknown(ctx, name)
        return super().resolve_command(ctx, args)

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Name the commands."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import one command."""
        if cmd_name not in COMMANDS:
            return None
        command = import_module(COMMANDS[cmd_name], __package__).command
        assert isinstance(command, click.Command)
        return command


def cxr_command(name: str, **kwargs: Any) -> Callable[[Callable[..., Any]], Command]:
    """Declare a command that keeps the conventions of `cxr`; it may return an `ExitCode`.

    `when_interrupted` is what follows "interrupted" in its last line after Ctrl-C.
    """
    settings = {"help_option_names": ["-h", "--help"], "show_default": True}
    return click.command(name, cls=Command, context_settings=settings, **kwargs)


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="cxr")
def main() -> None:
    """Measure lesions on chest radiographs: train, export, infer, analyze."""


def _report_interruption() -> None:
    line = interruption.take_line()
    if line is not None:
        with suppress(OSError):
            click.echo(line, err=True)


def _fail_unknown(ctx: click.Context, name: str) -> NoReturn:
    close = get_close_matches(name, COMMANDS, n=1, cutoff=0.5)
    advice = f"Did you mean {close[0]!r}?" if close else f"The commands are {', '.join(COMMANDS)}."
    raise click.UsageError(f"No such command {name!r}. {advice}", ctx)


def comma_list(_ctx: click.Context, _param: click.Parameter, value: str | None) -> Sequence[str] | None:
    """Read `a,b,c` as a tuple of names (a click callback)."""
    if value is None:
        return None
    return tuple(part.strip() for part in value.split(",") if part.strip())


def _open_closed_streams() -> None:
    """Give a process that was started with closed streams (`2>&-`, daemons, pythonw) a place to write to.

    Otherwise the next file that is opened would get the descriptor of the closed stream, and whatever a
    library prints would end up in that file.
    """
    for descriptor, name in enumerate(("stdin", "stdout", "stderr")):
        if getattr(sys, name) is None:
            opened = os.open(os.devnull, os.O_RDWR)
            if opened != descriptor:
                os.dup2(opened, descriptor)
                os.close(opened)
            stream = os.fdopen(descriptor, "r" if name == "stdin" else "w", encoding="utf-8", closefd=False)
            setattr(sys, name, stream)


def _print_any_name() -> None:
    """Print names that the terminal cannot show, or that are not UTF-8, with escapes instead of failing."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def _set_debug(ctx: click.Context, _param: click.Parameter, value: bool) -> None:
    ctx.meta["cxr.debug"] = value


def _one_line(error: Exception) -> str:
    text = " ".join(str(error).split())
    if isinstance(error, CxrError):
        return text
    if isinstance(error, MemoryError):
        return "out of memory; use smaller settings, or a machine with more"
    if isinstance(error, OSError) and error.strerror:
        return f"{_file_of(error)}: {error.strerror}"
    return f"unexpected {type(error).__name__}: {text} (run again with --debug to see where)"


def _file_of(error: OSError) -> str:
    if isinstance(error.filename, str | bytes):
        return os.fsdecode(error.filename)
    if isinstance(error, FileNotFoundError):
        return "the working directory"  # the only path that is read without a name
    return "standard output or a file cannot be written"  # all others are written by functions that name it
