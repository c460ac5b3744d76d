"""The command `cxr doctor`: report what works on this machine and what does not."""

from __future__ import annotations

import shutil
import textwrap
from collections.abc import Iterable, Iterator
from itertools import groupby
from typing import TYPE_CHECKING

import click

from ...cli import cxr_command
from ...errors import ExitCode
from ..runtime.providers import PROVIDERS

MAX_WIDTH = 100

if TYPE_CHECKING:
    from .checks import CheckResult
    from .diagnosis import Diagnosis
    from .machine import Machine


@cxr_command("doctor", checks_environment=False)
@click.option(
    "--provider",
    "providers",
    type=click.Choice(tuple(PROVIDERS)),
    multiple=True,
    help="A provider that must work (may be repeated).",
)
@click.option("--json", "as_json", is_flag=True, help="Print everything as one JSON document.")
def command(providers: tuple[str, ...], as_json: bool) -> ExitCode:
    """Report what works here and what does not: providers, CUDA, packages, cores, memory, folders.

    Every provider runs a small model. The exit status is 1 if cxr-infer, or a provider given by --provider,
    cannot work.
    """
    import msgspec

    from ...machine.files import json_text
    from .diagnosis import diagnose

    diagnosis = diagnose(providers)
    if as_json:
        click.echo(json_text(msgspec.to_builtins(diagnosis)))
    else:
        width = min(shutil.get_terminal_size().columns, MAX_WIDTH)
        for line in _diagnosis_lines(diagnosis):
            click.echo(_wrap(line, width))
    return ExitCode.ERROR if diagnosis.faults else ExitCode.DONE


def _diagnosis_lines(diagnosis: Diagnosis) -> Iterator[str]:
    yield f"cxr {diagnosis.versions['cxr']}, Python {diagnosis.python}, {diagnosis.platform}"
    yield from _machine_lines(diagnosis.machine)
    for title, results in (
        ("providers", diagnosis.providers),
        ("CUDA libraries", diagnosis.libraries),
        ("modules", diagnosis.modules),
        ("extras", diagnosis.extras),
        ("decoders", diagnosis.decoders),
        ("cache folders", diagnosis.folders),
        ("telemetry", diagnosis.telemetry),
    ):
        yield from ("", title, *_result_lines(results))
    yield from ("", "versions")
    yield "      " + ", ".join(f"{name} {number}" for name, number in diagnosis.versions.items())
    yield ""
    yield from (f"  no  {fault}" for fault in diagnosis.faults)
    yield from (f"  !   {warning}" for warning in diagnosis.warnings)
    if not diagnosis.faults:
        yield "cxr-infer can run here"


def _machine_lines(machine: Machine) -> Iterator[str]:
    text = f"{machine.cores} of {machine.all_cores} cores of {machine.processor or 'this machine'}"
    if machine.memory and machine.all_memory:
        text += f"; {_gibibytes(machine.memory)} of {_gibibytes(machine.all_memory)} GiB of memory"
    if machine.free_memory:
        text += f", {_gibibytes(machine.free_memory)} GiB free"
    yield text
    yield from machine.cards or ("no NVIDIA GPU",)


def _gibibytes(size: int) -> str:
    return f"{size / 2**30:.1f}"


def _result_lines(results: Iterable[CheckResult]) -> Iterator[str]:
    """Format one line per result; consecutive results with the same text share a line."""
    for (works, detail), equal in groupby(results, lambda result: (result.works, result.detail)):
        names = ", ".join(result.name for result in equal)
        yield f"  {'ok' if works else 'no'}  {names}{': ' * bool(detail)}{detail}"


def _wrap(line: str, width: int) -> str:
    """Break a line between words; continuation lines are indented to the text after the mark."""
    return textwrap.fill(
        line, width, subsequent_indent=" " * 6, break_long_words=False, break_on_hyphens=False
    )
