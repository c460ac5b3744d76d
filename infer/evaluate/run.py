"""`evaluate_model`: pair the classes, select the images, score, summarize, and write the outputs."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from time import perf_counter
from typing import Any

from ...machine.packages import versions
from ...machine.progress import Progress, no_progress
from ...models.shipped import find_model
from ...models.trivial_masks import lung_records
from ..runtime.model_file import choose_file
from ..runtime.session import Session
from .config import EvaluateConfig
from .examples import draw_examples
from .mean_masks import fit_mean_masks
from .outputs import FILES, PACKAGES, Identity, check_model_copy, check_outputs, write_outputs
from .pairing import ClassPair, pair_classes
from .records import ClassEvaluation, Evaluation, ImageResult, Metric
from .report import render
from .scoring import ScoringPlan, score_images
from .selection import Selection, available_classes, select_images
from .summary import compute_metrics, summarize_class
from .threshold_copy import choose_thresholds, write_model_copy
from .warning_lines import evaluation_warnings

log = logging.getLogger(__name__)


def evaluate_model(
    model: Path | str | Session,
    dataset: Path | str,
    config: EvaluateConfig | None = None,
    *,
    progress: Progress | None = None,
    **settings: Any,
) -> Evaluation:
    """Evaluate a model on labeled images, at their own size.

    Parameters
    ----------
    model : Path, str or Session
        An ONNX file with a card, or one that is loaded.
    dataset : Path or str
        A data set in a layout that `open_dataset` reads.
    config : EvaluateConfig, optional
    progress : callable, optional
        Called with (images done, images in all).
    **settings
        Settings of `EvaluateConfig` by name; they take precedence over `config`.

    Returns
    -------
    Evaluation

    Raises
    ------
    InputError
        If a class or column does not exist, no image is left, or an image or mask cannot be read.
    ModelError, ProviderError
        If the model cannot be used.
    OutputError
        If an output cannot be written, or would replace what another program or evaluation wrote.

    Examples
    --------
    >>> result = evaluate_model("model.onnx", "my_set/", classes=["lung"])  # doctest: +SKIP
    >>> result.metric("lung", "dice").interval  # doctest: +SKIP
    Interval(value=0.95, low=0.94, high=0.96)
    """
    clock = perf_counter()
    config = replace(config or EvaluateConfig(), **settings)
    root = Path(dataset)
    session = model if isinstance(model, Session) else _open(Path(model), config)
    card = session.card
    pairs = pair_classes(
        card,
        available_classes(root, config),
        requested=config.classes,
        class_map=config.class_map,
        second_readers=config.second_readers,
    )
    selection = select_images(root, pairs, config)
    identity = _identity(session, root, pairs, config)
    if config.choose_threshold is not None:
        check_model_copy(Path(config.choose_threshold), session.path, overwrite=config.overwrite)
    if config.out is not None:
        check_outputs(Path(config.out), identity, overwrite=config.overwrite)
    for note in selection.dataset.notes:
        log.info("%s", note)
    results = _score(session, pairs, selection, progress or no_progress)
    evaluation = _summarize(session, root, pairs, results, config, clock)
    if config.out is not None:
        evaluation = _write(session, evaluation, selection, identity, Path(config.out), config)
    if config.choose_threshold is not None:  # last: where it fails, the evaluation is kept
        chosen = choose_thresholds(card, evaluation.classes, _describe(selection, config))
        write_model_copy(session, chosen, Path(config.choose_threshold))
    return evaluation


def _open(path: Path, config: EvaluateConfig) -> Session:
    return Session.open(
        choose_file(find_model(path), config.provider),
        provider=config.provider,
        card=config.card,
        threads=config.threads,
        allow_fallback=config.allow_fallback,
        allow_external_data=config.allow_external_data,
    )


def _identity(session: Session, root: Path, pairs: Sequence[ClassPair], config: EvaluateConfig) -> Identity:
    card = session.card
    return Identity(
        model=session.model_hash,
        dataset=str(root.resolve()),
        selection=config.selection(),
        thresholds={pair.name: card.thresholds[pair.index] for pair in pairs},
    )


def _score(
    session: Session, pairs: tuple[ClassPair, ...], selection: Selection, progress: Progress
) -> list[ImageResult]:
    truths = tuple(dict.fromkeys(pair.truth for pair in pairs))
    means = fit_mean_masks(selection.records, truths, session.card.pixels, session.threads)
    lungs = {} if all(pair.is_lung for pair in pairs) else lung_records(selection.dataset)
    plan = ScoringPlan(session.card, pairs, means, lungs, selection.groups)
    return score_images(session, selection.records, plan, progress)


def _summarize(
    session: Session,
    root: Path,
    pairs: Sequence[ClassPair],
    results: Sequence[ImageResult],
    config: EvaluateConfig,
    clock: float,
) -> Evaluation:
    classes: list[ClassEvaluation] = []
    metrics: list[Metric] = []
    unknown = [pair for pair in pairs if not any(one.pair == pair for one in results)]
    for pair in (one for one in pairs if one not in unknown):
        own = [one for one in results if one.pair == pair]
        threshold = session.card.thresholds[pair.index]
        classes.append(summarize_class(own, pair, threshold, seed=config.seed))
        metrics += compute_metrics(own, pair.name, seed=config.seed)
        for group in sorted({one.group for one in own if one.group}):
            of_group = [one for one in own if one.group == group]
            metrics += compute_metrics(of_group, pair.name, group, seed=config.seed)
    trained_on = {one.key: one.in_training for one in results}
    overlap = None if None in trained_on.values() else sum(map(bool, trained_on.values()))
    evaluation = Evaluation(
        model=str(session.path),
        model_hash=session.model_hash,
        model_name=session.card.name,
        dataset=str(root.resolve()),
        provider=session.provider,
        classes=tuple(classes),
        metrics=tuple(metrics),
        results=tuple(results),
        in_training=overlap,
        images=len(trained_on),
        warnings=(),
        seconds=round(perf_counter() - clock, 3),
    )
    chosen = config.choose_threshold is not None and any(one.best_threshold for one in classes)
    warnings = evaluation_warnings(evaluation, unknown, chosen_here=chosen)
    return replace(evaluation, warnings=tuple(warnings))


def _describe(selection: Selection, config: EvaluateConfig) -> str:
    parts = [selection.dataset.name]
    if config.fold is not None:
        parts.append(f"fold {config.fold}")
    if config.splits is not None:
        parts.append(f"validation images of {Path(config.splits).name}")
    parts += [f"{column} = {value}" for column, value in config.where.items()]
    return ", ".join(parts)


def _write(
    session: Session,
    evaluation: Evaluation,
    selection: Selection,
    identity: Identity,
    out: Path,
    config: EvaluateConfig,
) -> Evaluation:
    by_key = {record.key: record for record in selection.records}
    examples = draw_examples(session, by_key, evaluation.results)
    evaluation = replace(evaluation, out=out, files=FILES)
    patients = len({record.patient_id for record in selection.records})
    finished, overlap = datetime.now(UTC).isoformat(timespec="seconds"), evaluation.in_training
    facts = [
        ("Model", f"{evaluation.model} (sha256 {evaluation.model_hash[:16]}…)"),
        ("Data set", f"{evaluation.dataset} ({_describe(selection, config)})"),
        ("License of the data", selection.dataset.license),
        ("Images", f"{evaluation.images} of {patients} patients"),
        ("In the model's data set", "unknown" if overlap is None else str(overlap)),
        ("Provider", evaluation.provider),
        ("Finished", finished),
    ]
    page = render(evaluation, session.card, facts, examples, versions(PACKAGES))
    record = {
        "model": {
            "path": evaluation.model,
            "sha256": evaluation.model_hash,
            "name": evaluation.model_name,
        },
        "dataset": {
            "path": evaluation.dataset,
            "name": selection.dataset.name,
            "license": selection.dataset.license,
        },
        "patients": patients,
        "seed": config.seed,
        "finished": finished,
    }
    write_outputs(out, evaluation, identity, page, record)
    return evaluation
