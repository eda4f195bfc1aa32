"""What is precomputed for candidate sources, against numbers derived by hand and a plain count of pairs."""

from __future__ import annotations

from dataclasses import replace
from itertools import combinations

import numpy as np
import pytest
from scipy import sparse

from catalog.records import InteractionLog, Item, ItemId
from catalog.schema import BestValue, DatasetSchema
from tests.training.conftest import tiny

pytest.importorskip("sklearn")
pytest.importorskip("mlxtend")

from training.sources import rules as mining
from training.sources import sessions as sitting
from training.sources.best_value import best_value
from training.sources.rules import least_count, rules
from training.sources.sessions import sessions
from training.sources.tfidf import tfidf
from training.sources.tree import tree
from training.sources.trends import trends


def item(name: str, title: str = "", **features: object) -> Item:
    return Item(ItemId(name), title, features=features)  # type: ignore[arg-type]


def held(*baskets: tuple[int, ...], items: int = 6) -> sparse.csr_matrix:
    matrix = np.zeros((len(baskets), items), bool)
    for at, basket in enumerate(baskets):
        matrix[at, list(basket)] = True
    return sparse.csr_matrix(matrix)


def timed(events: list[tuple[int, int, float]], types: list[int] | None = None):  # type: ignore[no-untyped-def]
    """(user, item, time) sorted by user and time."""
    data = tiny([(user, row) for user, row, _ in events], types)
    times = np.array([at for _, _, at in events])
    log = data.log
    return data.with_log(
        InteractionLog(log.user_rows, log.item_rows, log.types, log.values, times, log.folds)
    )


class TestRules:
    def test_by_hand(self) -> None:
        """0 and 1 are in four of eight sessions together; 0 in five, 1 in six. 2 is everywhere: no lift."""
        found, weights = rules(
            held((0, 1, 2), (0, 1, 2), (0, 1, 2), (0, 1, 2), (0, 2), (1, 2), (1, 2), (2, 3)), keep=2
        )
        assert found[:4].tolist() == [[1], [0], [-1], [-1]]
        assert weights[:2, 0] == pytest.approx([4 / 5, 4 / 6])

    def test_they_are_those_of_counting_all_pairs(self) -> None:
        rng = np.random.default_rng(0)
        matrix = rng.random((300, 12)) < rng.random(12) * 0.5
        matrix[:, 3] |= matrix[:, 7] & (rng.random(300) < 0.6)
        least = least_count(sparse.csr_matrix(matrix))
        expected: dict[tuple[int, int], float] = {}
        for a, b in combinations(range(12), 2):
            both, one, other = (matrix[:, a] & matrix[:, b]).sum(), matrix[:, a].sum(), matrix[:, b].sum()
            if both >= least and both * 300 > one * other:
                expected |= {(a, b): both / one, (b, a): both / other}
        found, weights = rules(sparse.csr_matrix(matrix), keep=12)
        said = {
            (a, int(b)): w for a in range(12) for b, w in zip(found[a], weights[a], strict=True) if b >= 0
        }
        assert said == pytest.approx(expected)
        assert (np.diff(weights, axis=1) <= 0).all()

    def test_the_least_count_rises_until_the_work_is_bounded(self, monkeypatch: pytest.MonkeyPatch) -> None:
        rng = np.random.default_rng(1)
        matrix = sparse.csr_matrix(rng.random((400, 30)) < np.linspace(0.02, 0.5, 30))
        monkeypatch.setattr(mining, "PAIRS", 3_000)
        least = least_count(matrix)
        assert least > mining.LEAST
        size = np.asarray(matrix.sum(0)).ravel() >= least
        per_session = np.asarray(matrix[:, size].sum(1)).ravel()
        assert (per_session * (per_session - 1) // 2).sum() <= 3_000
        rules(matrix)

    @pytest.mark.parametrize("baskets", [held(), held((0, 1)), held((0, 1), (2, 3), (4, 5))])
    def test_where_nothing_is_frequent_there_are_none(self, baskets: sparse.csr_matrix) -> None:
        found, _ = rules(baskets)
        assert (found == -1).all()


class TestSessions:
    def test_a_pause_of_half_an_hour_begins_another(self) -> None:
        data = timed(
            [(0, 1, 0.0), (0, 2, 1_800.0), (0, 3, 3_601.0), (0, 4, 3_700.0), (1, 1, 3_750.0), (1, 2, 3_800.0)]
        )
        assert rows_of(sessions(data, np.ones(6, bool))) == [{1, 2}, {3, 4}, {1, 2}]

    def test_where_times_are_an_order_a_user_is_a_session(self) -> None:
        data = timed([(0, 1, 0.0), (0, 2, 9_000.0), (1, 3, 0.0), (1, 3, 1.0)])
        untimed = data.schema.model_copy(update={"timed": False})
        data = replace(data, schema=untimed)
        assert rows_of(sessions(data, np.ones(4, bool))) == [{1, 2}]  # one item makes no session

    def test_what_is_not_learned_from_or_was_rejected_is_left_out(self) -> None:
        data = timed([(0, 1, 0.0), (0, 2, 1.0), (0, 3, 2.0), (0, 4, 3.0)], types=[1, 3, 1, 1])
        assert rows_of(sessions(data, np.array([True, True, True, False]))) == [{1, 3}]

    def test_the_latest_and_the_first_of_each(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(sitting, "LATEST", 1)
        monkeypatch.setattr(sitting, "LONGEST", 2)
        data = timed([(0, 1, 50.0), (0, 2, 51.0), (0, 3, 52.0), (1, 4, 0.0), (1, 5, 1.0)])
        assert rows_of(sessions(data, np.ones(5, bool))) == [{1, 2}]


def rows_of(matrix: sparse.csr_matrix) -> list[set[int]]:
    return [set(matrix[at].indices.tolist()) for at in range(matrix.shape[0])]


class TestTfidf:
    ITEMS = (
        item("a", "red wool scarf", kind="scarves"), item("b", "blue wool scarf", kind="scarves"),
        item("c", "blue jeans", kind="trousers"), item("d", "d", kind="trousers"),
        item("e", "grey jeans", kind="trousers"),
        item("f", "unheard"),
    )  # fmt: skip

    def test_shared_words_make_neighbours(self) -> None:
        rows, weights = tfidf(self.ITEMS, "kind", keep=3)
        assert rows[0].tolist() == [1, -1, -1]
        assert rows[4, 0] == 2
        assert set(rows[1].tolist()) == {0, 2, -1}
        assert weights[1, 0] > weights[1, 1] > 0  # three words in common, then one
        # What bears its id for a title, or words of its own only, has none.
        assert (rows[[3, 5]] == -1).all()

    def test_they_are_cosines_of_what_scikit_learn_makes(self) -> None:
        from sklearn.feature_extraction.text import TfidfVectorizer

        texts = [
            "red wool scarf scarves",
            "blue wool scarf scarves",
            "blue jeans trousers",
            "grey jeans trousers",
            "unheard",
        ]
        vectors = TfidfVectorizer(min_df=2, max_df=2, sublinear_tf=True).fit_transform(texts)
        _, weights = tfidf(self.ITEMS, "kind", keep=3)
        assert weights[0, 0] == pytest.approx((vectors[0] @ vectors[1].T).toarray()[0, 0], abs=1e-6)

    @pytest.mark.parametrize(
        "items", [(), (item("a", "a"), item("b", "b")), (item("a", "one"), item("b", "two"))]
    )
    def test_without_words_in_common_there_is_no_table(self, items: tuple[Item, ...]) -> None:
        rows, weights = tfidf(items, None)
        assert rows.shape == weights.shape == (len(items), 0)


class TestBestValue:
    TOLD = BestValue(discount="off", rating="stars", reviews="count")

    def test_by_hand(self) -> None:
        """The mean rating weighs as much as the median item's reviews: (1·5 + 100·4 + 10·3) / 111 for 10."""
        items = [item("a", off=0.5, stars=5.0, count=1.0), item("b", off=0.5, stars=4.0, count=100.0),
                 item("c", off=0.1, stars=3.0, count=10.0), item("d", off=0.9, count=3.0),
                 item("e", stars=4.0, count=0.0)]  # fmt: skip
        mean = (5 + 400 + 30) / 111
        expected = [0.5 * (10 * mean + 5) / 11 * np.log(2), 0.5 * (10 * mean + 400) / 110 * np.log(101),
                    0.1 * (10 * mean + 30) / 20 * np.log(11), np.nan, np.nan]  # fmt: skip
        found = best_value(items, self.TOLD)
        assert found == pytest.approx(expected, rel=1e-6, nan_ok=True)
        assert found[1] > found[0]  # five stars of one buyer do not beat four of a hundred

    def test_without_reviews_nothing_is_known(self) -> None:
        assert np.isnan(best_value([item("a", off=0.5, stars=5.0), item("b")], self.TOLD)).all()


def test_the_tree_is_read_off_the_items() -> None:
    items = [
        item("a", path=("leaf", "branch", "root")),
        item("b", path=("twig", "branch", "root")),
        item("c", path=()),
        item("d"),
    ]
    assert tree(items, "path") == {"leaf": "branch", "twig": "branch", "branch": "root"}


class TestTrends:
    def test_events_are_summed_by_item_and_hour(self) -> None:
        data = timed(
            [(0, 1, 10.0), (0, 1, 3_599.0), (0, 2, 3_600.0), (1, 1, 20.0), (1, 3, 30.0)], [1, 1, 1, 1, 3]
        )
        found = trends(data, np.array([True, True, True, True, True]))
        assert found is not None
        assert (found.rows.tolist(), found.hours.tolist(), found.worth.tolist()) == (
            [1, 2],
            [0, 1],
            [3.0, 1.0],
        )

    def test_where_times_are_an_order_there_are_none(self) -> None:
        data = timed([(0, 1, 10.0)])
        data = replace(data, schema=data.schema.model_copy(update={"timed": False}))
        assert trends(data, np.ones(1, bool)) is None


def test_a_data_set_names_only_features_that_it_has() -> None:
    numeric, multi = {"kind": "numeric"}, {"kind": "multi"}
    shop = {
        "name": "shop",
        "interactions": {"view": {}},
        "items": {"off": numeric, "stars": numeric, "path": multi},
    }
    told = {"discount": "off", "rating": "stars", "reviews": "count"}
    with pytest.raises(ValueError, match=r"best_value\.reviews = 'count' must name a numeric item feature"):
        DatasetSchema.model_validate({**shop, "best_value": told})
    with pytest.raises(ValueError, match="tree = 'off' must name a multi item feature"):
        DatasetSchema.model_validate({**shop, "tree": "off"})
