"""What is said to be lacking is lacking, and nothing else is said."""

from dataclasses import replace

import numpy as np
import pytest

from tests.training.conftest import tiny
from training.notes import FEW, shortcomings
from training.split import next_item


def said(data):
    return list(shortcomings(data, next_item(data)))


def about(data, word):
    return [sentence for sentence in said(data) if word in sentence]


def test_users_are_counted_by_what_they_lack():
    # User 0 has four events and is validated on, user 1 has one, user 2 two; the items 4 and 5 were never met, and
    # 2 and 3 are what user 0 is asked for.
    data = tiny([(0, 0), (0, 1), (0, 2), (0, 3), (1, 0), (2, 0), (2, 1)])
    assert about(data, "Users to validate on: 1.")
    assert about(data, "fewer than two interactions: 1.")
    assert about(data, "too few interactions that can be asked for: 1.")
    assert about(data, "without an interaction to learn from: 4.")


def test_enough_users_are_not_remarked_upon():
    data = tiny([(user, item) for user in range(FEW) for item in range(6)], users=FEW)
    assert not about(data, "sers w")
    assert not about(data, "validate")
    assert not about(replace(data, log=data.log), "same time")


def test_one_time_for_all_is_said():
    data = tiny([(0, 0), (0, 1), (0, 2), (0, 3)])
    assert not about(data, "same time")
    still = data.with_log(replace(data.log, times=np.full(len(data.log), 5.0)))
    assert len(about(still, "same time")) == 1


@pytest.mark.parametrize(("column", "name"), [(0, "text"), (1, "picture")])
def test_missing_content_is_said_of_all_or_counted(column, name):
    data = tiny([(0, 0), (0, 1), (0, 2), (0, 3)])
    assert about(data, f"No item has a {name} vector")
    mask = np.zeros((6, 2), np.float32)
    mask[:4, column] = 1
    assert about(replace(data, content=replace(data.content, mask=mask)), f"{name} vector: 2 of 6.")
    mask[:, column] = 1
    assert not about(replace(data, content=replace(data.content, mask=mask)), f"{name} vector")


def test_a_shop_with_everything_lacks_no_side_features(simulated):
    assert not about(simulated, "side features")
    assert about(tiny([(0, 0), (0, 1), (0, 2)]), "Users have no side features")
