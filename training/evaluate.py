"""Measures what is shipped: protocols asked of a bundle, through the pipeline that serves it, beside baselines.

The answer is the one object that `towerbridge evaluate --json` prints: figures by protocol and method under
`protocols`, and what stands behind them (confidence intervals, slices, stages, knobs) under `details`. A protocol
that has to train builds bundles of its own in a temporary folder and asks those.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from bundle.reader import Bundle
from catalog.errors import BundleError, ConfigError, NotReadyError
from catalog.progress import SILENT, Progress
from training.baselines import registry
from training.build import build
from training.config import TrainConfig
from training.dataset import TrainingData
from training.protocols.exam import Exam
from training.protocols.examine import MOST, examine
from training.protocols.rating import FOLDS, evaluate_rating
from training.protocols.registry import EXAMS, PROTOCOLS, RATING
from training.train import train


def evaluate(
    path: Path,
    data: TrainingData,
    protocols: Sequence[str] = ("next_item", RATING),
    *,
    config: TrainConfig | None = None,
    folds: Iterable[int] = range(1, FOLDS + 1),
    baselines: Sequence[str] = (),
    users: int = MOST,
    progress: Progress = SILENT,
) -> dict[str, Any]:
    """Figures of a bundle on its data set.

    Args:
        path: the bundle.
        data: what it was trained on, test events included. Items that came since are left out.
        protocols: which to measure.
        config: of the trainings that all protocols but next item need.
        folds: which of the five folds the rating protocol trains and tests on.
        baselines: measured beside the bundle, where a protocol has a place for them.
        users: asked about at most, drawn evenly from all.
        progress: told of users and epochs.

    Raises:
        ConfigError: an unknown protocol or baseline, or a baseline's package is missing.
        BundleError: the bundle does not verify, or is of another catalogue.
        NotReadyError: the data set allows none of the protocols.
    """
    unknown = sorted(set(protocols) - set(PROTOCOLS))
    if unknown:
        raise ConfigError(f"expected protocols among {', '.join(PROTOCOLS)}, got {', '.join(unknown)}")
    registry.check(baselines)
    bundle = Bundle.open(path)
    bundle.replay_probes()
    newer = len(data.items)
    try:
        data = data.with_items(bundle.items.ids)
    except KeyError as exc:
        raise BundleError(
            f"expected the {len(bundle.items)} items of {path} in the store, found no {exc.args[0]!r} among its "
            f"{len(data.items)}; the catalogue has changed since: train and build again"
        ) from None
    newer -= len(data.items)
    config = config or TrainConfig()
    report: dict[str, Any] = {
        "dataset": bundle.manifest.dataset, "model_version": bundle.version,
        "generated": list(data.schema.generated), "missing": list(data.schema.missing), "newer_items": newer,
        "protocols": {}, "details": {},
    }  # fmt: skip
    for protocol in protocols:
        began = time.perf_counter()
        try:
            if protocol == RATING:
                found = {RATING: evaluate_rating(data, config, folds, baselines, progress)}
                details: dict[str, Any] = {RATING: {}}
                seed: Any = config.seed
            else:
                exam = EXAMS[protocol](data)
                with examined_bundle(exam, bundle, config, progress) as asked:
                    marked = examine(exam, asked, baselines, config.seed, progress, users)
                found, details = marked.figures, marked.details
                seed = _seed(asked)
        except NotReadyError as exc:
            report["details"][protocol] = {"left_out": str(exc)}
            continue
        seconds = round(time.perf_counter() - began, 1)
        report["protocols"] |= found
        for name, each in details.items():
            report["details"][name] = {**each, "seed": seed, "seconds": seconds}
    if not report["protocols"]:
        raise NotReadyError("; ".join(each["left_out"] for each in report["details"].values()))
    return report


@contextmanager
def examined_bundle(exam: Exam, shipped: Bundle, config: TrainConfig, progress: Progress) -> Iterator[Bundle]:
    """The shipped bundle where it has learned from what the exam allows, else one trained for it."""
    if exam.shipped:
        yield shipped
        return
    # No protocol of these asks for a rating, and the heads would take as long as all else.
    config = replace(config, ranker=replace(config.ranker, rating_members=0))
    with tempfile.TemporaryDirectory(prefix="towerbridge-exam-") as folder:
        run = train(
            exam.data, config, Path(folder) / "run", progress, split=exam.split, deciding=exam.deciding
        )
        yield Bundle.open(build(run, Path(folder) / "bundles"))


def _seed(bundle: Bundle) -> Any:
    config = bundle.manifest.training.get("config")
    return config.get("seed") if isinstance(config, dict) else None
