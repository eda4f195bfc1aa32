"""Items by title, as people write it, and as it is after it changed."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from bundle.reader import Bundle
from serving.recommend.pipeline import Pipeline
from serving.search.titles import Titles, folded
from tests.bundle import senses
from tests.serving.sensing import Shop
from tests.serving.test_catalogue import put


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Godfather, The (1972)", "The Godfather (1972)"), ("Few Good Men, A (1992)", "a few  good men (1992)"),
        ("An Ideal Husband", "ideal husband, an"), ("GoldenEye (1995)", "goldeneye (1995)"),
        ("Misérables, Les (1995)", "les miserables (1995)"), ("Die Hard (1988)", "DIE  HARD (1988)"),
    ],
)  # fmt: skip
def test_titles_that_are_one(one: str, other: str) -> None:
    assert folded(one) == folded(other)


def test_titles_that_are_not_one() -> None:
    forms = [
        folded(title)
        for title in ("Heat (1995)", "Heat", "Theatre", "The", "Heat (1986)", "Heat, The (1995)")
    ]
    assert len(set(forms)) == len(forms)


def test_rows_by_title(bundle: Bundle) -> None:
    titles = Titles(Pipeline(bundle).catalogue)
    asked = ["Film 3, The (1993)", "the film 3 (1993)", "no", "Film 3, The (1993)"]
    assert titles.rows(asked) == {"Film 3, The (1993)": 3, "the film 3 (1993)": 3, "no": -1}
    assert titles.rows(["The Film 3", "film 3, the (1994)"]) == {"The Film 3": 3, "film 3, the (1994)": -1}


def test_a_title_without_its_year_is_of_one_film_or_of_none(sensing_bundle: Path) -> None:
    """Of several nobody knows which; once the others have gone it is clear."""
    with Shop(sensing_bundle).worker() as client:
        for name, year in (("a", 1950), ("b", 2015)):
            client.put(f"/v1/items/{name}", json={"title": f"Cinderella ({year})"})

        def found() -> list[str | None]:
            body = {"user_id": "u0", "candidate_movies": ["cinderella", "Cinderella (2015)"]}
            ranked = client.post("/recommendation/ranked_recommendation", json=body).json()["response"]
            return [
                {one["movie_title"]: one["item_id"] for one in ranked}[title]
                for title in body["candidate_movies"]
            ]

        assert found() == [None, "b"]
        client.put("/v1/items/a", json={"title": "Aschenputtel (1950)"})
        assert found() == ["b", "b"]


def test_titles_that_changed_are_found_as_if_they_were_read_anew(sensing_bundle: Path) -> None:
    """Titles that are taken over, shared, given up and swapped; asked for now and then."""
    catalogue = Pipeline(Bundle.open(sensing_bundle)).catalogue
    titles, rng = Titles(catalogue), np.random.default_rng(0)
    asked = [
        f"{name}{year}"
        for name in ("The Fog", "fog, the", "Heat", "Ran")
        for year in ("", " (1980)", " (2005)")
    ]
    known = [name for name in asked if name != "fog, the"]
    for turn in range(60):
        row = int(rng.integers(12))
        put(catalogue, replace(senses.item(row), title=str(rng.choice(known)) if rng.random() < 0.8 else ""))
        if turn % 3 == 0:
            assert titles.rows(asked) == Titles(catalogue).rows(asked)


def test_what_changed_is_told_once_and_takes_no_more_room_than_there_are_items(sensing_bundle: Path) -> None:
    catalogue = Pipeline(Bundle.open(sensing_bundle)).catalogue
    put(catalogue, senses.item(3))
    before = catalogue.written
    for row in (5, 3, 5, 7, 5):
        put(catalogue, senses.item(row))
    assert catalogue.changed(before) == [5, 7, 3]
    assert sorted(catalogue.changed(0)) == [3, 5, 7]
    assert catalogue.changed(catalogue.written) == []
