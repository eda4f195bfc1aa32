"""What tabular rankers are learned by, on plain arrays: features in, a scoring function and its ONNX graph out.

The graphs come out of the libraries' own exporters; what is added is one node that picks the score and names it.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bundle.writer import part_of
from catalog.errors import ConfigError
from catalog.records import Floats


@dataclass(frozen=True, slots=True)
class LearnedTable:
    """A fitted model over f features."""

    onnx: bytes
    """`features [n, f]` → `score [n]`."""
    score: Callable[[Floats], Floats]
    """The library's own answer to the same."""
    importances: Floats
    """[f], adding up to 1."""


Learner = Callable[[Floats, NDArray[np.bool_], Floats, int], LearnedTable]
"""From features `[n, f]`, which rows were taken, weights `[n]` and a seed."""


def fit_logistic(features: Floats, taken: NDArray[np.bool_], weights: Floats, seed: int) -> LearnedTable:
    """Logistic regression over standardised features; the score is the logit."""
    from skl2onnx import to_onnx
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    model = make_pipeline(StandardScaler(), LogisticRegression(max_iter=1000, random_state=seed))
    model.fit(features, taken, logisticregression__sample_weight=weights)
    regression = model[-1]
    options = {id(regression): {"zipmap": False, "raw_scores": True}}
    exported = to_onnx(model, features[:1].astype(np.float32), options=options, target_opset=17)
    size = np.abs(regression.coef_[0])

    def score(rows: Floats) -> Floats:
        return np.asarray(model.decision_function(rows), np.float32)

    return LearnedTable(named(exported, 1), score, (size / max(size.sum(), 1e-12)).astype(np.float32))


def fit_catboost(features: Floats, taken: NDArray[np.bool_], weights: Floats, seed: int) -> LearnedTable:
    """Boosted trees (Prokhorenkova et al. 2018); the score is the probability of being taken.

    Raises:
        ConfigError: CatBoost is not installed.
    """
    try:
        from catboost import CatBoostClassifier
    except ImportError as exc:
        raise ConfigError(
            "the ranker catboost needs CatBoost, which is not there: pip install 'towerbridge[baselines]' brings it"
        ) from exc
    import onnx

    model = CatBoostClassifier(
        iterations=200, depth=6, learning_rate=0.1, random_seed=seed, thread_count=1, verbose=False,
        allow_writing_files=False,
    )  # fmt: skip
    model.fit(features, taken.astype(int), sample_weight=weights)
    with tempfile.TemporaryDirectory(prefix="towerbridge-ranker-") as folder:
        path = Path(folder) / "ranker.onnx"
        model.save_model(str(path), format="onnx")
        exported = onnx.load(str(path))
    size = np.asarray(model.get_feature_importance(), np.float32)

    def score(rows: Floats) -> Floats:
        return np.asarray(model.predict_proba(rows)[:, 1], np.float32)

    return LearnedTable(named(exported, 1), score, size / max(float(size.sum()), 1e-12))


def named(model: Any, column: int) -> bytes:
    """An exported binary classifier as `features [n, f]` → `score [n]`, a column of its scores by class.

    Args:
        model: an ONNX model with one input and a tensor of scores `[n, 2]`, whatever it makes of that.
        column: of the class.
    """
    import onnx
    from onnx import TensorProto, helper

    graph = model.graph
    (given,) = graph.input
    classifier = next(
        node for node in reversed(graph.node) if len(node.output) > 1 or node.op_type == "ZipMap"
    )
    scores = classifier.input[0] if classifier.op_type == "ZipMap" else classifier.output[1]
    for node in list(graph.node):
        node.input[:] = ["features" if name == given.name else name for name in node.input]
        if node.op_type == "ZipMap":
            graph.node.remove(node)
    given.name = "features"
    given.type.tensor_type.shape.dim[0].dim_param = "n"
    chosen = helper.make_tensor("the_class", TensorProto.INT64, [], [column])
    graph.node.append(helper.make_node("Constant", [], ["the_class"], value=chosen))
    graph.node.append(helper.make_node("Gather", [scores, "the_class"], ["score"], axis=1))
    del graph.output[:]
    graph.output.append(helper.make_tensor_value_info("score", TensorProto.FLOAT, ["n"]))
    if not any(each.domain in ("", "ai.onnx") for each in model.opset_import):
        model.opset_import.append(helper.make_opsetid("", 17))
    del graph.value_info[:]
    onnx.checker.check_model(model)
    return part_of(model.SerializeToString(), ["score"])
