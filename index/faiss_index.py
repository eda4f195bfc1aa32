"""FAISS behind the port: flat below FLAT_BELOW rows, an HNSW graph from there on.

Filters hold at any selectivity: where few rows are allowed (or a graph search comes back short) the allowed
rows are searched exactly, elsewhere FAISS is given them as a bitmap. The -1 that FAISS pads with never leaves
this file.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal, Self

import faiss as _faiss
import numpy as np

from catalog.errors import BundleError
from catalog.records import Candidates, Floats
from index.exact import search_allowed
from index.protocol import Mask, best, check_search, check_vectors

Kind = Literal["flat", "hnsw"]
faiss: Any = _faiss
"""Its stubs cover a part of it."""
FLAT_BELOW = 50_000
LINKS = 32
BUILD_EFFORT = 200
EFFORT = 128
"""Least number of graph nodes that a search keeps; it grows with k."""
EXACT_BELOW = 20_000
"""With at most this many allowed rows, scoring all of them is faster than FAISS with a filter."""


class FaissIndex:
    """A FAISS index beside the vectors it was built from."""

    def __init__(self, index: Any, vectors: Floats) -> None:
        """Take a FAISS index and the vectors `[n, D]` that it holds; `build` and `load` make them."""
        self._index = index
        self._vectors = vectors
        self.kind: Kind = "hnsw" if isinstance(index, faiss.IndexHNSW) else "flat"

    @classmethod
    def build(cls, vectors: Floats, kind: Kind | None = None, threads: int = 0) -> Self:
        """Index vectors `[n, D]` for inner products.

        Args:
            vectors: finite float32.
            kind: None chooses by size.
            threads: for building an HNSW graph; 0 means FAISS's own choice, all cores.
        """
        vectors = check_vectors(vectors)
        n, dim = vectors.shape
        if (kind or ("flat" if n < FLAT_BELOW else "hnsw")) == "flat":
            index = faiss.IndexFlatIP(dim)
        else:
            index = faiss.IndexHNSWFlat(dim, LINKS, faiss.METRIC_INNER_PRODUCT)
            index.hnsw.efConstruction = BUILD_EFFORT
        if threads:
            faiss.omp_set_num_threads(threads)
        index.add(vectors)
        return cls(index, vectors)

    @classmethod
    def load(cls, path: Path, vectors: Floats) -> Self:
        """Read an index that `save` wrote, over the same vectors; BundleError where they differ."""
        try:
            index = faiss.read_index(str(path))
        except Exception as exc:  # FAISS raises RuntimeError, and swig its own
            raise BundleError(
                f"expected a FAISS index in {path}, found {exc}; build the bundle again"
            ) from exc
        found = (index.ntotal, index.d, index.metric_type)
        if found != (*vectors.shape, faiss.METRIC_INNER_PRODUCT):
            raise BundleError(
                f"expected an inner-product index of {len(vectors)} vectors of {vectors.shape[1]} in {path}, "
                f"found {found[0]} of {found[1]} (metric {found[2]}); "
                "the bundle mixes versions: build it again"
            )
        return cls(index, vectors)

    @property
    def vectors(self) -> Floats:
        """[n, D] what it holds."""
        return self._vectors

    def extended(self, vectors: Floats) -> Self:
        """The same with more vectors `[any, D]` after its own, on one thread; this one stays as it is."""
        vectors = check_vectors(vectors)
        together = np.concatenate((self._vectors, vectors))
        if self.kind == "flat":
            return type(self).build(together, threads=1)
        index = faiss.clone_index(self._index)
        faiss.omp_set_num_threads(1)
        index.add(vectors)
        return type(self)(index, together)

    def save(self, path: Path) -> None:
        """Write the index to a file."""
        faiss.write_index(self._index, str(path))

    @property
    def shape(self) -> tuple[int, int]:
        """(n, D)."""
        return self._index.ntotal, self._index.d

    def search(self, queries: Floats, k: int, allowed: Mask | None = None) -> list[Candidates]:
        """The k best allowed rows of each query; see `VectorIndex.search`."""
        queries = check_search(self.shape, queries, k, allowed)
        within = self.shape[0] if allowed is None else int(np.count_nonzero(allowed))
        k = min(k, within)
        if allowed is not None and (within <= EXACT_BELOW or k == 0):
            return search_allowed(self._vectors, queries, k, allowed)
        if k == 0:
            return [best(None, np.zeros(0, np.float32), 0) for _ in queries]
        # FAISS counts threads per calling thread, so a cap set once at start would not reach a pool's.
        faiss.omp_set_num_threads(1)
        scores, rows = self._index.search(queries, k, params=self._parameters(k, allowed))
        found = [_trim(rows[i], scores[i], k) for i in range(len(queries))]
        if any(len(one) < k for one in found):  # the graph lost its way among forbidden rows
            return search_allowed(self._vectors, queries, k, allowed)
        return found

    def _parameters(self, k: int, allowed: Mask | None) -> Any:
        if self.kind == "flat" and allowed is None:
            return None
        parameters = faiss.SearchParametersHNSW() if self.kind == "hnsw" else faiss.SearchParameters()
        if self.kind == "hnsw":
            parameters.efSearch = max(EFFORT, 2 * k)
        if allowed is not None:
            # SearchParameters keeps a reference to the selector, and the selector to its bitmap.
            parameters.sel = faiss.IDSelectorBitmap(np.packbits(allowed, bitorder="little"))
        return parameters


def measured_recall(index: FaissIndex, vectors: Floats, queries: Floats, k: int = 100) -> float:
    """Share `0 … 1` of the exact k best rows that the index finds, over queries `[B, D]`."""
    if not len(queries) or not len(vectors):
        return 1.0
    exact = search_allowed(vectors, np.ascontiguousarray(queries, np.float32), min(k, len(vectors)), None)
    found = index.search(queries, k)
    shared = [len(np.intersect1d(a.rows, b.rows)) / len(a) for a, b in zip(exact, found, strict=True)]
    return float(np.mean(shared))


def _trim(rows: Any, scores: Any, k: int) -> Candidates:
    there = rows >= 0
    return best(rows[there], scores[there], k)
