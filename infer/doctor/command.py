"""`cxr doctor`: what works on this machine, what does not, and why."""

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
    from .examine import Report
    from .survey import Machine


@cxr_command("doctor")
@click.option(
    "--provider",
    "providers",
    type=click.Choice(tuple(PROVIDERS)),
    multiple=True,
    help="A provider that has to work (may be repeated).",
)
@click.option("--json", "as_json", is_flag=True, help="Print all as one JSON document.")
def command(providers: tuple[str, ...], as_json: bool) -> ExitCode:
    """Tell what works here and what does not: providers, CUDA, packages, cores, memory, folders.

    Every provider runs a small model. The exit status is 1 where cxr-infer, or a provider that was asked for,
    cannot work.
    """
    import msgspec

    from .examine import examine

    report = examine(providers)
    if as_json:
        click.echo(msgspec.json.format(msgspec.json.encode(report), indent=2))
    else:
        width = min(shutil.get_terminal_size().columns, MAX_WIDTH)
        for line in _lines(report):
            click.echo(_wrap(line, width))
    return ExitCode.ERROR if report.faults else ExitCode.DONE


def _lines(report: Report) -> Iterator[str]:
    yield f"cxr {report.versions['cxr']}, Python {report.python}, {report.platform}"
    yield from _machine(report.machine)
    for title, findings in (
        ("providers", report.providers),
        ("CUDA libraries", report.libraries),
        ("modules", report.modules),
        ("extras", report.extras),
        ("decoders", report.decoders),
        ("kept between runs", report.folders),
    ):
        yield from ("", title, *_told(findings))
    yield from ("", "versions")
    yield "      " + ", ".join(f"{name} {number}" for name, number in report.versions.items())
    yield ""
    yield from (f"  no  {fault}" for fault in report.faults)
    yield from (f"  !   {warning}" for warning in report.warnings)
    if not report.faults:
        yield "cxr-infer can run here"


def _machine(machine: Machine) -> Iterator[str]:
    words = f"{machine.cores} of {machine.all_cores} cores of {machine.processor or 'this machine'}"
    if machine.memory and machine.all_memory:
        words += f"; {_gigabytes(machine.memory)} of {_gigabytes(machine.all_memory)} GiB of memory"
    if machine.free_memory:
        words += f", {_gigabytes(machine.free_memory)} GiB free"
    yield words
    yield from machine.cards or ("no NVIDIA card",)


def _gigabytes(size: int) -> str:
    return f"{size / 2**30:.1f}"


def _told(findings: Iterable[CheckResult]) -> Iterator[str]:
    """Write a line for each, but one for neighbors of which the same is to be told."""
    for (works, detail), alike in groupby(findings, lambda one: (one.works, one.detail)):
        names = ", ".join(finding.name for finding in alike)
        yield f"  {'ok' if works else 'no'}  {names}{': ' * bool(detail)}{detail}"


def _wrap(line: str, width: int) -> str:
    """Break a line between words; those that follow begin below the text behind the mark."""
    return textwrap.fill(
        line, width, subsequent_indent=" " * 6, break_long_words=False, break_on_hyphens=False
    )
