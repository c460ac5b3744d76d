"""`python -m cxr`: the same as the command `cxr`."""

from .cli import main

main(prog_name="cxr")
