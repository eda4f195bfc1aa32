"""Tabular learners: what they learn, and that their graphs answer as the libraries do."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

pytest.importorskip("skl2onnx", reason="needs the extra `train`")
pytest.importorskip("catboost", reason="needs the extra `baselines`")

from bundle.graph import OnnxGraph
from training.learners import fit_catboost, fit_logistic
from training.texts import CLUSTERS, themes_of

pytestmark = pytest.mark.train


@pytest.mark.parametrize("learner", [fit_logistic, fit_catboost])
def test_the_graph_answers_as_the_library(learner, tmp_path):
    rng = np.random.default_rng(0)
    features = rng.normal(size=(600, 3)).astype(np.float32) * (1, 100, 1)
    features = features.astype(np.float32)
    taken = features[:, 0] + features[:, 1] / 100 > 0
    learned = learner(features, taken, np.ones(600, np.float32), 0)
    (tmp_path / "ranker.onnx").write_bytes(learned.onnx)
    graph = OnnxGraph.open(tmp_path / "ranker.onnx")
    assert {name: one.shape for name, one in graph.inputs.items()} == {"features": (None, 3)}
    assert {name: one.shape for name, one in graph.outputs.items()} == {"score": (None,)}
    fresh = rng.normal(size=(200, 3)).astype(np.float32) * np.float32((1, 100, 1))
    answered = graph.run({"features": fresh})["score"]
    np.testing.assert_allclose(answered, learned.score(fresh), atol=1e-5)
    above = answered[fresh[:, 0] + fresh[:, 1] / 100 > 0.5]
    below = answered[fresh[:, 0] + fresh[:, 1] / 100 < -0.5]
    assert above.min() > np.median(below)
    assert learned.importances.sum() == pytest.approx(1.0)
    assert learned.importances[2] < 0.1 < learned.importances[:2].min()


@pytest.mark.parametrize("learner", [fit_logistic, fit_catboost])
def test_weights_count(learner):
    """What is weighted away might as well not be there."""
    features = np.array([[0.0], [0.0], [1.0], [1.0]] * 30, np.float32)
    taken = np.array([True, False] * 60)
    weights = np.array([5.0, 1.0, 1.0, 5.0] * 30, np.float32)
    learned = learner(features, taken, weights, 0)
    low, high = learned.score(np.array([[0.0], [1.0]], np.float32))
    assert low > high


def test_texts_of_one_theme_lie_together():
    themes = [f"word{t} word{t + 1} word{t + 2} word{t + 3} theme{t}" for t in range(0, 80, 4)]
    texts = [f"{theme} extra{n % 3}" for n in range(4) for theme in themes]
    found = themes_of([*texts, ""]).distances([*texts, ""])
    assert found.shape == (len(texts) + 1, CLUSTERS)
    assert np.isfinite(found).all()
    own = found[:20].argmin(1)
    assert (found[20:40].argmin(1) == own).mean() > 0.9
    assert themes_of(["one", "two"]) is None
    assert themes_of(["", ""]) is None


WORDS = st.text("abÄß 1_-.", min_size=1, max_size=4)


@settings(max_examples=20)
@given(st.lists(st.lists(WORDS, min_size=1, max_size=8).map(" ".join), min_size=1, max_size=5))
def test_themes_place_any_text_where_the_library_does(strange):
    """Against the vectoriser, the decomposition and the clustering themselves."""
    from sklearn.cluster import MiniBatchKMeans
    from sklearn.decomposition import TruncatedSVD
    from sklearn.feature_extraction.text import TfidfVectorizer

    rng = np.random.default_rng(0)
    known = sorted({" ".join(f"wort{w}" for w in rng.integers(0, 40, 6)) + " ab Äß ab_1" for _ in range(60)})
    vectors = TfidfVectorizer(max_features=2_000, sublinear_tf=True, min_df=2, dtype=np.float32)
    svd, means = TruncatedSVD(20, random_state=0), MiniBatchKMeans(CLUSTERS, random_state=0, n_init=1)
    means.fit(svd.fit_transform(vectors.fit_transform(known)))
    expected = means.transform(svd.transform(vectors.transform([*known, *strange])))
    found = themes_of(known).distances([*known, *strange])
    np.testing.assert_allclose(found, expected, atol=1e-4)
