"""Tables of neighbours: what having one item says about another, in three ways.

Co-visitation: up to `DENSE` items by EASE (Steck 2019, a ridge regression with a closed form), above that by cosine
of the interaction columns, counted sparsely. Succession: what was taken soon after. Likeness: text and picture.
Each item keeps its strongest neighbours only.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from scipy.linalg import lapack

from catalog.records import Floats, InteractionLog, Ints
from index.faiss_index import FaissIndex
from training.dataset import Content

DENSE = 12_000
"""Items up to which they are all weighed against all: 600 MB, half a minute of one core at the most."""
SOON = 5
"""Events within which one item is taken soon after another."""
PRIOR = 10.0
"""Events that nothing followed, added to every item: what followed a rare item once need not follow it again."""

Table = tuple[NDArray[np.int32], Floats]
"""Rows and weights `[items, keep]` of each item's strongest neighbours, -1 and 0 where there are fewer."""


def item_item(users: Ints, items: Ints, shape: tuple[int, int], keep: int, reg: float) -> Table:
    """Items that the same users took.

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


def successors(log: InteractionLog, learned: NDArray[np.bool_], items: int, keep: int) -> Table:
    """Items that users took soon after an item: the nearer, the more, as a share of all that followed it.

    Args:
        log: sorted by user and time; learned: `[events]` which of them count.
        items: how many there are.
        keep: neighbours per item.
    """
    rows, users = log.item_rows[learned], log.user_rows[learned]
    before, after, counts = [], [], []
    for steps in range(1, SOON + 1):
        same = users[:-steps] == users[steps:]
        before.append(rows[:-steps][same])
        after.append(rows[steps:][same])
        counts.append(np.full(int(same.sum()), 1.0 / steps))
    pairs = (np.concatenate(before), np.concatenate(after))
    followed = sparse.csr_matrix((np.concatenate(counts), pairs), shape=(items, items))
    followed.setdiag(0)
    followed.eliminate_zeros()
    total = np.asarray(followed.sum(1)).ravel() + PRIOR
    return strongest((sparse.diags(1.0 / total) @ followed).tocsr(), min(keep, items))


def alike(content: Content, keep: int) -> Table:
    """Items of like text and picture, by the cosine of both together, each less its mean over the catalogue.

    All descriptions of one kind of things resemble each other; what they have in common tells nothing.
    """
    vectors = np.concatenate([
        _centred(content.text, content.mask[:, 0] > 0), _centred(content.image, content.mask[:, 1] > 0)
    ], axis=1)  # fmt: skip
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    vectors = np.ascontiguousarray(vectors / np.maximum(lengths, 1e-9), np.float32)
    keep = min(keep, len(vectors))
    rows, weights = np.full((len(vectors), keep), -1, np.int32), np.zeros((len(vectors), keep), np.float32)
    described = np.flatnonzero(lengths[:, 0] > 0)
    found = FaissIndex.build(vectors).search(vectors[described], keep + 1)
    for row, candidates in zip(described, found, strict=True):
        good = (candidates.rows != row) & (candidates.scores > 0)
        near = candidates.rows[good][:keep]
        rows[row, : len(near)], weights[row, : len(near)] = near, candidates.scores[good][:keep]
    return rows, weights


def _centred(vectors: Floats, present: NDArray[np.bool_]) -> Floats:
    """Unit vectors `[n, dim]` less their mean, unit again; zeros where there is nothing."""
    out = np.zeros_like(vectors)
    if present.any():
        some = vectors[present] - vectors[present].mean(0)
        out[present] = some / np.maximum(np.linalg.norm(some, axis=1, keepdims=True), 1e-9)
    return out


def ease(seen: sparse.csr_matrix, reg: float, chunk: int = 1024) -> Floats:
    """Weights `[items, items]`, zero diagonal: row j is what item j says about all others.

    With the penalty the matrix is far from singular, so a Cholesky factorisation in single precision is enough. One
    matrix is held at a time.
    """
    count = seen.shape[1]
    together = np.empty((count, count), np.float32, "F")
    for at in range(0, count, chunk):
        together[:, at : at + chunk] = (seen.T @ seen[:, at : at + chunk]).toarray()
    np.fill_diagonal(together, together.diagonal() + reg)
    factor, failed = lapack.spotrf(together, lower=True, overwrite_a=True)
    inverse, singular = lapack.spotri(factor, lower=True, overwrite_c=True)
    assert failed == singular == 0, "with a penalty above 0 the matrix is positive definite"
    weights: Floats = inverse.T
    for row in range(count):  # LAPACK fills one triangle
        weights[row + 1 :, row] = weights[row, row + 1 :]
    weights /= -weights.diagonal()
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


def strongest(weights: Floats | sparse.csr_matrix, keep: int) -> Table:
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
