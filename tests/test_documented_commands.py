"""What README and the documents tell people to type is typed, on small data (`tests/place.py`).

By default it is only made sure that something was decided about every command (`tests/documented.py`). All are
run by `scripts/test -m slow tests/test_documented_commands.py`: half an hour of one core, for models are trained.
"""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from importlib.util import find_spec

import pytest

from tests.documented import NOT_HERE, PAGES, PROGRAMS, as_run, commands, fits, shown, snippets, why_not
from tests.place import Place, settled

ALL = {page: list(commands(page)) for page in PAGES}
PACKAGES = ("tensorflow", "catboost", "implicit", "lightfm", "mlflow", "optuna", "material")


def test_everything_that_is_to_be_typed_begins_with_a_program_that_is_known() -> None:
    """A line of another kind is a new tool, or no command: then its block wants a fence that says what it is."""
    typed = {command for page in ALL.values() for command in page}
    assert {command for command in typed if command.split(" ")[0] not in PROGRAMS} == set()


def test_nothing_is_excused_that_nobody_is_told_to_type() -> None:
    told = [command for page in ALL.values() for command in page]
    assert len(set(told)) > 80
    assert [each for each in NOT_HERE if not any(re.match(each, command) for command in told)] == []
    assert len([command for command in set(told) if why_not(command)]) < 0.25 * len(set(told))


def test_placeholders_have_stand_ins() -> None:
    here = dict.fromkeys(("port", "own", "data", "dump", "dataset", "version"), "0")
    for page in PAGES:
        for told in [*(each for each in ALL[page] if not why_not(each)), *snippets(page)]:
            run = as_run(told, here)
            assert re.findall(r"\b[A-Z]{2,}\b(?![=_])", re.sub(r"'[^']*'|\"[^\"]*\"", "", run)) == [], run
            assert "…" not in run, run
            assert "8000" not in run, run


def test_answers_are_compared_by_names_and_kinds() -> None:
    page = shown("README.md")
    whole, cut = page.values()
    assert fits(whole, whole)
    assert not fits({name: whole[name] for name in list(whole)[1:]}, whole)
    assert not fits({**whole, "degraded": 0}, whole)
    assert not fits({**whole, "items": [{**whole["items"][0], "score": "8"}]}, whole)
    assert fits({**whole, "items": []}, whole)
    film = {"movie_title": "Heat", "score": 1, "predicted_rating": 2.5, "item_id": "3"}
    assert fits({"code": 200, "response": [film, film], "more": 1}, cut)
    assert not fits({"code": 200, "response": [film, {"movie_title": "Heat"}]}, cut)


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    missing = [each for each in PACKAGES if find_spec(each) is None]
    if missing:
        pytest.skip(f"the commands of the documents need what `make demo` installs, {', '.join(missing)} too")
    if shutil.which("curl") is None:
        pytest.skip("no curl")
    with settled(tmp_path_factory.mktemp("clone")) as found:
        yield found


@pytest.mark.slow
@pytest.mark.train
@pytest.mark.mongo
@pytest.mark.timeout(4 * 3600)
@pytest.mark.parametrize("page", [page for page in PAGES if ALL[page] or snippets(page)])
def test_what_a_page_tells_to_type_works(page: str, place: Place) -> None:
    """First what is typed into one terminal, then, when there is a model, what asks the service from another."""
    place.turn_over()
    told = [each for each in ALL[page] if not why_not(each)]
    calls = [each for each in told if each.startswith("curl")]
    wrong = [place.type(each, page) for each in told if each not in calls]
    wrong += place.ask(page, calls, snippets(page))
    assert not any(wrong), "\n\n".join(filter(None, wrong))
