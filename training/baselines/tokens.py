"""Side features as sparse rows: one column per token of the feature space that the towers read."""

from __future__ import annotations

import numpy as np
from scipy import sparse

from towers.features import FeatureSpace
from training.baselines.baseline import Learned


def feature_space(learned: Learned) -> FeatureSpace:
    """The vocabularies of the items, and of the users who have training events."""
    data = learned.data
    known = np.flatnonzero(np.diff(learned.matrix.indptr))
    return FeatureSpace.fit(data.schema, data.items, (data.users[user] for user in known))


def item_tokens(learned: Learned) -> sparse.csr_matrix:
    """`[items, tokens]`, each row summing to 1 over the item's tokens."""
    space = feature_space(learned)
    return _rows(space.item_inputs(learned.data.items)[0], space.item_tokens)


def user_tokens(learned: Learned) -> sparse.csr_matrix:
    """`[users, tokens]`, each row summing to 1 over the user's tokens."""
    space = feature_space(learned)
    tokens = [space.user_inputs(user, 0)["user_tokens"] for user in learned.data.users]
    return _rows(np.concatenate(tokens), space.user_tokens)


def _rows(tokens: np.ndarray, width: int) -> sparse.csr_matrix:
    present = tokens > 0
    owner = np.nonzero(present)[0]
    shares = (1.0 / np.maximum(present.sum(1), 1))[owner].astype(np.float32)
    return sparse.csr_matrix((shares, (owner, tokens[present])), shape=(len(tokens), width))
