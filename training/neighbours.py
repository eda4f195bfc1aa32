"""Item-item co-visitation: what having one item says about another.

Up to `DENSE` items by EASE (Steck 2019, a ridge regression with a closed form), above that by cosine of the
interaction columns, counted sparsely. Either way each item keeps its strongest neighbours only.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from catalog.records import Floats, Ints

DENSE = 8_000


def item_item(
    users: Ints, items: Ints, shape: tuple[int, int], keep: int, reg: float
) -> tuple[NDArray[np.int32], Floats]:
    """Rows and weights `[items, keep]` of each item's strongest neighbours, -1 and 0 where there are fewer.

    Args:
        users: `[events]` user rows.
        items: `[events]` item rows.
        shape: numbers of users and items.
        keep: neighbours per item.
        reg: ridge penalty of EASE.
    """
    seen = sparse.csr_matrix((np.ones(len(users), np.float32), (users, items)), shape=shape)
    seen.data[:] = 1.0
    weights = ease(seen, reg) if shape[1] <= DENSE else cosine(seen)
    return strongest(weights, min(keep, shape[1]))


def ease(seen: sparse.csr_matrix, reg: float) -> NDArray[np.float64]:
    """Weights `[items, items]`, zero diagonal: row j is what item j says about all others."""
    gram = np.asarray((seen.T @ seen).todense(), np.float64)
    np.fill_diagonal(gram, gram.diagonal() + reg)
    inverse = np.linalg.inv(gram)
    weights: NDArray[np.float64] = inverse / -inverse.diagonal()
    np.fill_diagonal(weights, 0.0)
    return weights


def cosine(seen: sparse.csr_matrix, chunk: int = 4096) -> sparse.csr_matrix:
    """Cosine of interaction columns `[items, items]`, zero diagonal, sparse."""
    norms = np.sqrt(np.asarray(seen.sum(0)).ravel())
    scale = sparse.diags(1.0 / np.maximum(norms, 1.0))
    unit = (seen @ scale).tocsc()
    parts = []
    for at in range(0, unit.shape[1], chunk):
        part = (unit[:, at : at + chunk].T @ unit).tocsr()
        part[np.arange(part.shape[0]), np.arange(at, at + part.shape[0])] = 0.0
        part.eliminate_zeros()
        parts.append(part)
    return sparse.vstack(parts).tocsr()


def strongest(
    weights: NDArray[np.float64] | sparse.csr_matrix, keep: int
) -> tuple[NDArray[np.int32], Floats]:
    """The `keep` entries of largest magnitude in each row, strongest first."""
    count = weights.shape[0]
    rows = np.full((count, keep), -1, np.int32)
    values = np.zeros((count, keep), np.float32)
    for i in range(count):
        if isinstance(weights, np.ndarray):
            columns = np.flatnonzero(weights[i])
            said = weights[i, columns]
        else:
            begin, end = weights.indptr[i], weights.indptr[i + 1]
            columns, said = weights.indices[begin:end], weights.data[begin:end]
        top = np.argsort(-np.abs(said), kind="stable")[:keep]
        rows[i, : len(top)] = columns[top]
        values[i, : len(top)] = said[top]
    return rows, values
