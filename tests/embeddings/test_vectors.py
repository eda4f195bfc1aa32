import numpy as np

from embeddings.vectors import unit


def test_unit_leaves_zeros_alone() -> None:
    rows = unit(np.array([[3, 4], [0, 0]], np.float32))
    np.testing.assert_allclose(rows, [[0.6, 0.8], [0, 0]], atol=1e-7)
