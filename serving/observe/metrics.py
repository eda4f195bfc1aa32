"""What Prometheus is told: the counts of all workers, and what the one that is asked knows of its model."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from pathlib import Path

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector

from serving.observe.counts import BUCKETS
from serving.service import Service

PAGE = os.sysconf("SC_PAGE_SIZE")


class Exposition(Collector):
    """The metrics of a service, as prometheus-client writes them."""

    def __init__(self, service: Service) -> None:
        self._service = service

    def collect(self) -> Iterator[Metric]:
        """All metrics as they are at this moment; series that never counted anything are left out."""
        yield from self._counted()
        yield from self._model()
        workers = GaugeMetricFamily(
            "towerbridge_worker_resident_bytes", "Resident memory of each worker.", labels=("worker",)
        )
        for pid in self._service.counts.workers():
            if (resident := _resident(pid)) is not None:
                workers.add_metric((str(pid),), resident)
        yield workers
        store = GaugeMetricFamily("towerbridge_store_up", "1 unless MongoDB failed a moment ago.")
        store.add_metric((), float(not self._service.store.resting))
        yield store

    def _counted(self) -> Iterator[Metric]:
        counts = self._service.counts
        total = counts.total()
        for family in counts.families:
            if family.kind == "counter":
                counter = CounterMetricFamily(family.name, family.text, labels=family.labels)
                for labels, numbers in counts.series(family, total):
                    counter.add_metric(labels, float(numbers[0]))
                yield counter
                continue
            histogram = HistogramMetricFamily(family.name, family.text, labels=family.labels)
            for labels, numbers in counts.series(family, total):
                below = numbers[:-1].cumsum().tolist()
                names = [*map(str, BUCKETS), "+Inf"]
                histogram.add_metric(labels, list(zip(names, below, strict=True)), float(numbers[-1]))
            yield histogram

    def _model(self) -> Iterator[Metric]:
        online = self._service.online
        if online is None:
            return
        manifest, catalogue = online.model.bundle.manifest, online.model.catalogue
        info = GaugeMetricFamily(
            "towerbridge_model", "1 for the one that answers.", labels=("version", "dataset")
        )
        info.add_metric((manifest.version, manifest.dataset), 1.0)
        yield info
        refused = self._service.succession.refused
        unverified = GaugeMetricFamily(
            "towerbridge_model_refused",
            "1 for a promoted version that does not verify, while the one before it answers.",
            labels=("version",),
        )
        if refused is not None:
            unverified.add_metric((refused.version,), 1.0)
        yield unverified
        lag = online.stock.lag
        gauges: list[tuple[str, str, float | None]] = [
            ("model_age_seconds", "Since the model was built.", time.time() - manifest.created.timestamp()),
            ("index_items", "Items that can be found.", float(catalogue.now.available.sum())),
            (
                "new_items",
                "Items that came after the model was trained.",
                len(catalogue) - catalogue.now.bundled,
            ),
            ("freshness_lag_seconds", "From the last write of an item to its being found.", lag),
        ]
        for name, text, gauge in gauges:
            if gauge is not None:
                yield GaugeMetricFamily(f"towerbridge_{name}", text, gauge)
        offline = GaugeMetricFamily(
            "towerbridge_offline_metric", "What the model measured on validation.", labels=("order", "metric")
        )
        validation = manifest.metrics.get("validation")
        for order, figures in validation.items() if isinstance(validation, dict) else ():
            for metric, value in figures.items() if isinstance(figures, dict) else (("value", figures),):
                if isinstance(value, int | float):
                    offline.add_metric((order, metric), float(value))
        yield offline


def _resident(pid: int) -> float | None:
    try:
        return float(Path(f"/proc/{pid}/statm").read_text().split()[1]) * PAGE
    except (OSError, IndexError):
        return None
