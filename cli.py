"""What the commands share: one-line errors, exit codes, and the `cxr` group that loads each on demand."""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable, Sequence
from importlib import import_module
from typing import Any

import click

from .errors import CxrError, ExitCode

COMMANDS = {
    "train": ".train.command",
    "export": ".export.command",
    "infer": ".infer.command",
    "analyze": ".analysis.command",
    "sample": ".data.sample.command",
    "models": ".models.command",
    "bench": ".infer.bench.command",
    "doctor": ".infer.doctor.command",
}


class Command(click.Command):
    """A click command that ends with one line on an error; `--debug` shows the traceback instead."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
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
        logging.basicConfig(format="%(message)s", level=logging.WARNING, stream=sys.stderr)
        logging.getLogger(__package__).setLevel(logging.INFO)  # ours alone: libraries chatter at this level
        try:
            result = super().invoke(ctx)
        except (click.ClickException, click.exceptions.Exit, click.Abort, KeyboardInterrupt):
            raise
        except Exception as error:
            if ctx.meta.get("cxr.debug"):
                raise
            click.echo(f"{ctx.command_path}: error: {_one_line(error)}", err=True)
            ctx.exit(ExitCode.ERROR)
        ctx.exit(result if isinstance(result, ExitCode) else ExitCode.DONE)


class LazyGroup(click.Group):
    """A group whose commands are imported only when they are named."""

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
    """Declare a command that keeps the conventions of `cxr`; it may return an `ExitCode`."""
    settings = {"help_option_names": ["-h", "--help"], "show_default": True}
    return click.command(name, cls=Command, context_settings=settings, **kwargs)


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="cxr")
def main() -> None:
    """Measure lesions on chest radiographs: train, export, infer, analyze."""


def comma_list(_ctx: click.Context, _param: click.Parameter, value: str | None) -> Sequence[str] | None:
    """Read `a,b,c` as a tuple of names (a click callback)."""
    if value is None:
        return None
    return tuple(part.strip() for part in value.split(",") if part.strip())


def _set_debug(ctx: click.Context, _param: click.Parameter, value: bool) -> None:
    ctx.meta["cxr.debug"] = value


def _one_line(error: Exception) -> str:
    text = " ".join(str(error).split())
    if isinstance(error, CxrError):
        return text
    return f"unexpected {type(error).__name__}: {text} (run again with --debug to see where)"
