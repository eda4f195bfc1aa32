"""One exported network as a function from named arrays to named arrays.

`Graph` is the port; `OnnxGraph` runs it in onnxruntime with a bounded number of threads. What the numbers
mean is the business of `towers.features`, which makes them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from catalog.errors import BundleError

Arrays = Mapping[str, NDArray[Any]]
DTYPES = {"tensor(float)": np.float32, "tensor(int32)": np.int32, "tensor(int64)": np.int64}


@dataclass(frozen=True, slots=True)
class Tensor:
    """A declared input or output: None marks an axis of any length."""

    dtype: Any
    shape: tuple[int | None, ...]


class Graph(Protocol):
    """A network that is ready to run."""

    @property
    def inputs(self) -> Mapping[str, Tensor]:
        """What it reads, by name."""

    @property
    def outputs(self) -> Mapping[str, Tensor]:
        """What it computes, by name."""

    def run(self, feeds: Arrays) -> dict[str, NDArray[Any]]:
        """Outputs by name. Undeclared feeds are left out; a missing or misshapen one is a BundleError."""


class OnnxGraph:
    """A graph in onnxruntime on the CPU."""

    def __init__(self, session: Any, path: Path) -> None:
        self._session = session
        self._path = path
        self._inputs = {one.name: _tensor(one, path) for one in session.get_inputs()}
        self._outputs = {one.name: _tensor(one, path) for one in session.get_outputs()}
        self._names = list(self._outputs)

    @classmethod
    def open(cls, path: Path, threads: int = 1) -> OnnxGraph:
        """Load a graph; BundleError where onnxruntime cannot.

        Args:
            path: the `.onnx` file.
            threads: intra-op threads. One is right for serving: requests run beside each other, and a pool
                per session makes them fight for the cores.
        """
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        options.inter_op_num_threads = 1
        options.log_severity_level = 3
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        try:
            session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
        except Exception as exc:  # onnxruntime's exceptions share no base class
            raise BundleError(
                f"expected an ONNX graph that onnxruntime {onnxruntime.__version__} runs in {path}, "
                f"found {type(exc).__name__}: {exc}; export the model again"
            ) from exc
        return cls(session, path)

    @property
    def inputs(self) -> Mapping[str, Tensor]:
        """What it reads, by name."""
        return self._inputs

    @property
    def outputs(self) -> Mapping[str, Tensor]:
        """What it computes, by name."""
        return self._outputs

    def run(self, feeds: Arrays) -> dict[str, NDArray[Any]]:
        """Outputs by name. Undeclared feeds are left out; a missing or misshapen one is a BundleError."""
        try:
            given = {name: feeds[name] for name in self._inputs}
        except KeyError as exc:
            raise BundleError(
                f"expected inputs {sorted(self._inputs)} for {self._path}, found {sorted(feeds)}; "
                "features.json and the graph are of different versions: build the bundle again"
            ) from exc
        try:
            values = self._session.run(self._names, given)
        except Exception as exc:  # as above
            shapes = {name: list(array.shape) for name, array in given.items()}
            raise BundleError(f"{self._path} refused inputs of shapes {shapes}: {exc}") from exc
        return dict(zip(self._names, values, strict=True))


def check_tensors(
    graph: Graph, path: Path, inputs: Mapping[str, Tensor], outputs: Mapping[str, Tensor]
) -> None:
    """Hold a graph to a contract: no undeclared input, every output, fitting dtypes and fixed axes.

    The exporter may prune inputs that the network does not use, so a missing input is fine.
    """
    stray = sorted(set(graph.inputs) - set(inputs))
    missing = sorted(set(outputs) - set(graph.outputs))
    if stray or missing:
        raise BundleError(
            f"expected inputs among {sorted(inputs)} and outputs {sorted(outputs)} in {path}, "
            f"found strange inputs {stray} and missing outputs {missing}; export the model again"
        )
    for name, found in [*graph.inputs.items(), *((n, graph.outputs[n]) for n in outputs)]:
        want = inputs.get(name) or outputs[name]
        fits = len(want.shape) == len(found.shape) and all(
            a is None or b is None or a == b for a, b in zip(want.shape, found.shape, strict=True)
        )
        if found.dtype is not want.dtype or not fits:
            raise BundleError(
                f"expected {name} of {path} to be {np.dtype(want.dtype)} {list(want.shape)}, found "
                f"{np.dtype(found.dtype)} {list(found.shape)}; the bundle mixes versions: build it again"
            )


def _tensor(one: Any, path: Path) -> Tensor:
    if one.type not in DTYPES:
        raise BundleError(f"expected float, int32 or int64 tensors in {path}, found {one.name}: {one.type}")
    return Tensor(DTYPES[one.type], tuple(axis if isinstance(axis, int) else None for axis in one.shape))
