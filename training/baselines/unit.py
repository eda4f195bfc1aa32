"""Sparse rows of length one, whose products are cosines."""

from __future__ import annotations

import numpy as np
from scipy import sparse


def unit(matrix: sparse.csr_matrix) -> sparse.csr_matrix:
    """The matrix with every row scaled to length one; an empty row stays empty."""
    lengths = np.sqrt(np.asarray(matrix.multiply(matrix).sum(1)).ravel())
    return (sparse.diags(1.0 / np.maximum(lengths, 1e-12)) @ matrix).tocsr()
