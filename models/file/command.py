"""`cxr verify`: check that model files are as they were written."""

from __future__ import annotations

from pathlib import Path

import click

from ...cli import PathType, cxr_command
from ...errors import ExitCode, ModelError


@cxr_command("verify")
@click.argument("models", type=PathType(), nargs=-1, required=True, metavar="MODEL...")
def command(models: tuple[Path, ...]) -> ExitCode:
    """Check that each MODEL (.onnx, or a shipped one's name) is as it was written, by its card's checksums.

    They cover every byte of the file: graph, tensors, card and other metadata. They detect damage, not
    intent: whoever changes a model on purpose can compute them anew.
    """
    from ..shipped import expand_names
    from .verify import verify_model

    code = ExitCode.DONE
    for path in expand_names(models):
        try:
            checksum = verify_model(path)
        except ModelError as error:
            code = ExitCode.ERROR
            click.echo(" ".join(str(error).split()), err=True)
        else:
            click.echo(f"{path}: ok  graph sha256 {checksum.graph}")
    return code
