"""The loss by hand, and how finding is measured."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from embeddings.align import hold_out
from embeddings.contrast import recall
from embeddings.frozen import varied


def test_recall_by_hand() -> None:
    queries = np.eye(4, dtype=np.float32)
    answers = np.array([[1, 0, 0, 0], [1, 0.9, 0, 0], [0, 1, 0.1, 0], [0, 0, 0, 1]], np.float32)
    # The best answer to query 1 is row 2, its own is second; query 2 finds its own first; so do 0 (a tie) and 3.
    assert recall(queries, answers, 1) == 0.75
    assert recall(queries, answers, 2) == 1
    assert recall(queries[:0], answers[:0]) == 0


@given(st.integers(20, 200), st.integers(0, 5))
def test_guessing_recalls_k_of_n(n: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    found = np.mean([recall(*rng.normal(size=(2, n, 8)).astype(np.float32)) for _ in range(40)])
    assert found == pytest.approx(10 / n, abs=0.12)


def test_pairs_are_held_out_by_what_they_are() -> None:
    names = [f"text {number}" for number in range(5000)]
    held = hold_out(names)
    assert 0.08 < held.mean() < 0.12
    assert hold_out(names[::-1]).tolist() == held.tolist()[::-1]
    assert 150 < hold_out(names[:1500]).sum() < 290, "about 220 of a small catalogue"
    assert hold_out(names[:300]).mean() < 0.3, "and never much over a fifth"
    same = hold_out(["one text"] * 50 + ["another"] * 50)
    assert same[:50].all() in (True, False)
    assert len(set(same[:50].tolist())) == len(set(same[50:].tolist())) == 1
    assert hold_out([]).shape == (0,)


def test_variation_keeps_what_is_seen() -> None:
    pictures = np.zeros((64, 20, 20, 3), np.uint8)
    pictures[:, 8:12, 4:8] = 255  # a white square to the left of the middle
    seen = varied(pictures, np.random.default_rng(0))
    assert seen.shape == pictures.shape
    assert seen.dtype == np.uint8
    assert (seen.reshape(64, -1) == 255).sum(axis=1).tolist() == [48] * 64, "it never leaves the picture"
    left = seen[:, :, :10].reshape(64, -1).any(axis=1) & ~seen[:, :, 12:].reshape(64, -1).any(axis=1)
    assert 20 < left.sum() < 44, "half of them are mirrored"
    assert len({seen[n].tobytes() for n in range(64)}) > 20, "and most are shifted"


@pytest.mark.train
class TestLoss:
    def test_by_hand(self) -> None:
        torch = pytest.importorskip("torch")
        from embeddings.contrast import contrastive_loss

        # Cosines [[0.6, 0.8], [1, 0]] times a scale of 2: both directions want the diagonal.
        pictures, texts = torch.tensor([[0.6, 0.8], [1.0, 0.0]]), torch.tensor([[1.0, 0.0], [0.0, 1.0]])
        logits = 2 * np.array([[0.6, 0.8], [1.0, 0.0]])
        rows = np.log(np.exp(logits).sum(axis=1)) - np.diag(logits)
        columns = np.log(np.exp(logits).sum(axis=0)) - np.diag(logits)
        strangers = torch.eye(2, dtype=torch.bool)
        found = float(contrastive_loss(pictures, texts, torch.tensor(2.0), strangers))
        assert found == pytest.approx((rows.mean() + columns.mean()) / 2, abs=1e-6)

    def test_the_same_text_is_no_stranger(self) -> None:
        torch = pytest.importorskip("torch")
        from embeddings.contrast import contrastive_loss

        texts = torch.tensor([[1.0, 0.0], [1.0, 0.0]])
        alone = contrastive_loss(texts, texts, torch.tensor(5.0), torch.ones(2, 2, dtype=torch.bool))
        assert float(alone) == 0
        apart = contrastive_loss(texts, texts, torch.tensor(5.0), torch.eye(2, dtype=torch.bool))
        assert float(apart) == pytest.approx(np.log(2), abs=1e-6)
