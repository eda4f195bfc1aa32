"""The parts that candidate sources propose from: read as written, refused where they do not fit, and optional."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from bundle.proposals import Proposals
from bundle.reader import Bundle
from catalog.errors import BundleError
from tests.bundle.make import N, make_bundle

GOLDEN = Path(__file__).parent.parent / "bundles/format-1"


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_bundle(tmp_path_factory.mktemp("whole"), proposals=True, shares={"rules": 0.25})


def test_what_is_written_is_read(whole: Path) -> None:
    bundle = Bundle.open(whole)
    parts = bundle.proposals
    assert parts.rules.rows[3].tolist() == [4, 6]
    assert parts.rules.weights[3].tolist() == pytest.approx([0.8, 0.2])
    assert parts.tfidf.rows[:, 0].tolist() == [*range(4, N), -1, -1, -1, -1]
    assert parts.trends is not None
    assert parts.trends.hours.tolist() == [52, 99, 100]
    assert parts.value is not None
    assert np.isnan(parts.value[:20]).all()
    assert parts.tree["red"] == "warm"
    assert bundle.manifest.shares == {"rules": 0.25}


def test_bundles_of_before_have_none() -> None:
    (path,) = (each for each in GOLDEN.iterdir() if each.is_dir())
    bundle = Bundle.open(path)
    parts = bundle.proposals
    assert parts.rules.rows.shape == parts.tfidf.rows.shape == (len(bundle.items), 0)
    assert (parts.trends, parts.value, parts.tree, bundle.manifest.shares) == (None, None, {}, {})


@pytest.mark.parametrize(
    ("file", "content", "said"),
    [
        ("neighbours/rules.rows.npy", np.full((N, 2), N, np.int32), f"expected rows -1 … {N - 1}"),
        ("neighbours/rules.rows.npy", np.zeros((N - 1, 2), np.int32), r"expected int32 \[40, any\]"),
        ("neighbours/tfidf.weights.npy", np.zeros((N, 3), np.float32), r"expected \[40, 1\] weights"),
        ("neighbours/trending.rows.npy", np.array([0, 1, -1], np.int32), f"expected rows 0 … {N - 1}"),
        ("neighbours/trending.hours.npy", np.array([5, 4, 6], np.int32), "expected rising hours"),
        ("neighbours/trending.worth.npy", np.zeros(2, np.float32), r"expected float32 \[3\]"),
        ("items/value.npy", np.zeros(N + 1, np.float32), r"expected float32 \[40\]"),
        ("items/tree.json", ["red"], "expected the category above each category"),
    ],
)
def test_a_part_that_does_not_fit_is_refused(
    whole: Path, tmp_path: Path, file: str, content: object, said: str
) -> None:
    for folder in ("neighbours", "items"):
        (tmp_path / folder).mkdir()
        for each in (whole / folder).iterdir():
            (tmp_path / folder / each.name).symlink_to(each)
    (tmp_path / file).unlink()
    if isinstance(content, np.ndarray):
        np.save(tmp_path / file, content)
    else:
        (tmp_path / file).write_text(json.dumps(content))
    with pytest.raises(BundleError, match=said):
        Proposals.open(tmp_path, N)
