"""Times and settings: the small readers at the edge."""

from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import ValidationError

from catalog.errors import ConfigError, RecommenderError
from serving.app import create_app
from serving.http.inputs import to_epoch
from serving.http.problems import STATUS
from serving.settings import Settings


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
