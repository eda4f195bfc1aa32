"""Times, titles and settings: the small readers at the edge."""

from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import ValidationError

from bundle.reader import Bundle
from catalog.errors import ConfigError, RecommenderError
from serving.app import create_app
from serving.http.inputs import to_epoch
from serving.http.problems import STATUS
from serving.recommend.pipeline import Pipeline
from serving.search.titles import Titles, folded
from serving.settings import Settings
from tests.serving.sensing import Shop


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        (0, 0.0), (1.5, 1.5), ("1.5", 1.5), ("1970-01-01", 0.0), ("1970-01-02T00:00:00", 86400.0),
        ("1970-01-01T02:00:00+02:00", 0.0), ("2000-01-01T00:00:00.250Z", 946684800.25), (" 1970-01-01 ", 0.0),
    ],
)  # fmt: skip
def test_times_in_both_forms(value: object, seconds: float) -> None:
    assert to_epoch(value) == seconds


@pytest.mark.parametrize(
    "value",
    ["", "soon", "1969-12-31", -1, 4.2e9, 1.7e12, float("nan"), float("inf"), None, True, [], "0001-01-01"],
)
def test_what_is_no_time(value: object) -> None:
    with pytest.raises(ValueError, match="expected a time in ISO-8601 or in seconds since the epoch"):
        to_epoch(value)


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


def test_every_error_of_ours_has_a_status() -> None:
    ours = {one for one in RecommenderError.__subclasses__() if one.__module__ == "catalog.errors"}
    assert ours == set(STATUS), "those of the client never come to a server"


def test_settings_come_from_the_environment_and_travel_through_it(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("TOWERBRIDGE_HOME", "TOWERBRIDGE_DATASET", "TOWERBRIDGE_MONGODB_URI"):
        monkeypatch.delenv(name, raising=False)
    settings = Settings(home=Path("/x"), dataset="d", mongodb_uri="mongodb://h", port=1, candidates=7)
    for name, value in settings.environment().items():
        monkeypatch.setenv(name, value)
    assert Settings() == settings
    assert settings.bundles == Path("/x/bundles/d")
    monkeypatch.setenv(
        "TOWERBRIDGE_PORT", "tcp://10.0.0.1:80"
    )  # as Kubernetes sets for a service of that name
    assert Settings().port == 1
    with pytest.raises(ValidationError):
        Settings(prot=1)  # type: ignore[call-arg]


def test_an_app_without_a_store_says_what_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("TOWERBRIDGE_MONGODB_URI", raising=False)
    with pytest.raises(ConfigError, match="TOWERBRIDGE_MONGODB_URI"):
        create_app(Settings())
