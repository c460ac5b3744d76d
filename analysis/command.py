"""`cxr-analyze`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from ..cli import PathType, comma_list, cxr_command
from ..machine.limits import MAX_REPEATS, MAX_SEED, MAX_THREADS

if TYPE_CHECKING:
    from .records import AnalysisSummary

_MODELS = ("xgb", "lgb", "rf")
_TOP_FEATURES = 3
_NAMED_COLUMNS = 6


def _known_models(ctx: click.Context, param: click.Parameter, value: str) -> Sequence[str]:
    names = comma_list(ctx, param, value) or ()
    unknown = [name for name in names if name not in _MODELS]
    if unknown or not names:
        raise click.BadParameter(f"{value!r}: the models are {', '.join(_MODELS)}")
    return names


def _feature_names(ctx: click.Context, param: click.Parameter, value: str) -> str:
    if not comma_list(ctx, param, value):
        raise click.BadParameter("no column is named; is a variable of your script not set?")
    return value


@cxr_command("analyze")
@click.argument("features", type=PathType())
@click.option(
    "--clinical",
    type=PathType(),
    help="Clinical table, one row per image or patient.  [default: beside the images that run.json names]",
)
@click.option("--out", type=PathType(), default="analysis", help="Folder of the results.")
@click.option(
    "--target",
    help="Column to predict: numbers, or yes and no."
    "  [default: lesion_ratio, else the ratio of the first non-lung class]",
)
@click.option(
    "--features",
    "features_mode",
    default="default",
    callback=_feature_names,
    help="default (clinical columns and the measured ones that do not leak the target), clinical, spatial,"
    " all (including those from which the target is computed), or names: age,sex.",
)
@click.option("--patient-column", help="Column of the patients.  [default: the first of the known names]")
@click.option("--image-column", help="Column of the images.  [default: the first of the known names]")
@click.option("--ignore", multiple=True, help="Column to leave out; may be repeated.")
@click.option(
    "--categorical", multiple=True, help="Column whose numbers are categories, as of sites; may be repeated."
)
@click.option(
    "--models", default=",".join(_MODELS), callback=_known_models, help="Models: any of xgb, lgb, rf."
)
@click.option("--trials", type=click.IntRange(1, MAX_REPEATS), default=20, help="Trials of each search.")
@click.option(
    "--folds", type=click.IntRange(2, MAX_REPEATS), default=5, help="Outer folds, split by patient."
)
@click.option(
    "--jobs",
    type=click.IntRange(1, MAX_THREADS),
    default=1,
    help="Processes; the results do not depend on it.",
)
@click.option("--seed", type=click.IntRange(0, MAX_SEED), default=0, help="Seed of everything random.")
@click.option(
    "--unit",
    type=click.Choice(["image", "patient"]),
    default="image",
    help="What a row is; patient aggregates the images of each.",
)
@click.option("--keep-doubtful", is_flag=True, help="Keep images whose column 'plausible' is doubtful or no.")
@click.option(
    "--salt",
    envvar="CXR_SALT",
    help="Secret that cxr-infer was given: clinical patient ids are joined by their keyed hashes.",
)
def command(
    features: Path,
    clinical: Path | None,
    out: Path,
    target: str | None,
    features_mode: str,
    patient_column: str | None,
    image_column: str | None,
    ignore: tuple[str, ...],
    categorical: tuple[str, ...],
    models: Sequence[str],
    trials: int,
    folds: int,
    jobs: int,
    seed: int,
    unit: str,
    keep_doubtful: bool,
    salt: str | None,
) -> None:
    """Tune models on FEATURES (a features.csv), evaluate them on held-out patients, explain them."""
    from rich.console import Console
    from rich.progress import Progress

    from .run import analyze_features
    from .table.roles import ColumnRoles

    console, errors = Console(), Console(stderr=True)
    with Progress(console=errors, transient=True, disable=not errors.is_terminal) as bars:
        bar = bars.add_task("searches", total=None)
        summary = analyze_features(
            features,
            clinical=clinical,
            out=out,
            target=target,
            features_mode=features_mode,
            models=models,
            trials=trials,
            folds=folds,
            jobs=jobs,
            seed=seed,
            unit=unit,
            keep_doubtful=keep_doubtful,
            salt=salt,
            roles=ColumnRoles(patient_column, image_column, ignore, categorical),
            progress=lambda done, total: bars.update(bar, completed=done, total=total),
        )
    for line in _result_lines(summary):
        console.print(line)


def _left_out_by_reason(summary: AnalysisSummary) -> dict[str, list[str]]:
    grouped: dict[str, list[str]] = {}
    for note in summary.selection.left_out:
        grouped.setdefault(note.reason, []).append(note.column)
    return grouped


def _result_lines(summary: AnalysisSummary) -> list[object]:
    """List the scores, the strongest features, the columns left out, and where the files are."""
    from rich.table import Table
    from rich.text import Text

    from .results.report import RESEARCH
    from .results.wording import brief_header, brief_row, shuffle_sentence
    from .text import some_of

    goal = summary.target if summary.event is None else summary.event.text
    images = f"{summary.rows} images of " if summary.unit == "image" else ""
    title = f"{goal} on held-out patients: {images}{summary.patients} patients"
    table = Table(title=title, title_justify="left")
    for name in (*brief_header(summary), "strongest features, by mean |SHAP|"):
        table.add_column(name)
    for score in summary.scores:
        ranked = summary.top_features.get(score.model, ())[:_TOP_FEATURES]
        strongest = ", ".join(f"{name} {strength:.2g}" for name, strength in ranked)
        table.add_row(*(Text(cell) for cell in (*brief_row(score), strongest)))
    texts = [f"note: {note}" for note in summary.notes]
    if summary.prevalence is not None:
        texts.append(f"prevalence of the event: {summary.prevalence:.2f} (the AUPRC of chance)")
    texts.append(shuffle_sentence(summary))
    texts += [
        f"left out ({reason}): {some_of(names, _NAMED_COLUMNS)}"
        for reason, names in _left_out_by_reason(summary).items()
    ]
    texts.append(
        f"{len(summary.files)} files in {summary.out}, {summary.seconds:.0f} s; start with report.html"
    )
    texts.append(RESEARCH)
    return [table, *(Text(text) for text in texts)]
