"""The names of the plots."""

from __future__ import annotations

from ..records import Family, Task


def main_plot(family: Family | str, task: Task) -> str:
    """Return the name of the plot of a family's held-out predictions."""
    return f"cv_curves_{family}.png" if task is Task.CLASSIFICATION else f"cv_scatter_{family}.png"
