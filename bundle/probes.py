"""Probes: inputs, and what the training framework computed from them.

Serving replays them through onnxruntime before the first request, and refuses a bundle whose answers drifted:
a wrong export, a different runtime or a mixed-up file then shows at boot and not in the recommendations.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from bundle.graph import Arrays, Graph
from catalog.errors import BundleError

TOLERANCE = 1e-3
"""Largest absolute difference that is still the same answer."""


@dataclass(frozen=True, slots=True)
class Probe:
    """One graph's sample: arrays in, arrays out, by name."""

    inputs: Arrays
    outputs: Arrays


def write_probes(path: Path, probes: Mapping[str, Probe]) -> None:
    """Write `probes.npz` with keys `<graph>/in/<name>` and `<graph>/out/<name>`."""
    arrays = {}
    for graph, probe in probes.items():
        arrays.update({f"{graph}/in/{name}": array for name, array in probe.inputs.items()})
        arrays.update({f"{graph}/out/{name}": array for name, array in probe.outputs.items()})
    np.savez(path, allow_pickle=False, **arrays)


def read_probes(path: Path) -> dict[str, Probe]:
    """The probes of a bundle by graph; BundleError where the file is damaged or holds objects."""
    probes: dict[str, Probe] = {}
    try:
        with np.load(path, allow_pickle=False) as archive:
            for key in archive.files:
                graph, side, name = key.split("/")
                probe = probes.setdefault(graph, Probe({}, {}))
                sides = {"in": probe.inputs, "out": probe.outputs}
                sides[side][name] = archive[key]  # type: ignore[index]
    except Exception as exc:  # zipfile, zlib and numpy each have their own
        raise BundleError(
            f"expected probes in {path}, found {type(exc).__name__}: {exc}; build the bundle again"
        ) from exc
    return probes


def replay(path: Path, graphs: Mapping[str, Graph]) -> dict[str, float]:
    """Largest difference per graph between the recorded outputs and what the graphs answer now.

    Raises:
        BundleError: a graph has no probe, an output has another shape, or a difference exceeds TOLERANCE
            (which a NaN does).
    """
    probes = read_probes(path)
    for name in graphs:
        if name not in probes or not probes[name].outputs:
            raise BundleError(
                f"expected probes of {name} in {path}, found {sorted(probes)}; build the bundle again"
            )
    return {name: _drift(path, name, graph, probes[name]) for name, graph in graphs.items()}


def replay_part(path: Path, name: str, graph: Graph) -> float:
    """The same for a graph that computes only some outputs of the one that the probe was made with."""
    probe = read_probes(path)[name]
    outputs = {output: array for output, array in probe.outputs.items() if output in graph.outputs}
    return _drift(path, name, graph, Probe(probe.inputs, outputs))


def _drift(path: Path, name: str, graph: Graph, probe: Probe) -> float:
    answers = graph.run(probe.inputs)
    worst = 0.0
    for output, expected in probe.outputs.items():
        if output not in answers or answers[output].shape != expected.shape:
            shapes = {key: list(array.shape) for key, array in answers.items()}
            raise BundleError(
                f"expected {output} {list(expected.shape)} from {name} as in {path}, found {shapes}; "
                "build the bundle again"
            )
        drift = float(np.max(np.abs(answers[output] - expected), initial=0.0))
        if not drift <= TOLERANCE:
            raise BundleError(
                f"expected {name} to answer its probes within {TOLERANCE}, found {output} off by {drift:.3g} "
                f"({path}); the graph is not the trained one: build the bundle again"
            )
        worst = max(worst, drift)
    return worst
