"""MovieLens 1M: the release's own layout, and the part of it that time stamps are at hand for."""

import gzip
from collections import Counter
from pathlib import Path

import pytest

from catalog.records import BadRow, Interaction, Item, User
from catalog.registry import open_dataset

MOVIES = "1::Toy Story (1995)::Animation|Children's|Comedy\n2::Misérables, Les (1998)::Drama\n"
USERS = "1::F::1::10::48067\n2::M::56::16::70072\n"
RATINGS = "1::2::5::978300760\n2::1::3::978302109\n"


@pytest.fixture
def release(tmp_path: Path) -> Path:
    """The release's files, two rows each."""
    folder = tmp_path / "ml-1m"
    folder.mkdir()
    (folder / "movies.dat").write_text(MOVIES, "latin-1")
    (folder / "users.dat").write_text(USERS)
    (folder / "ratings.dat").write_text(RATINGS)
    return tmp_path


def rows(data: Path) -> list[list[object]]:
    dataset = open_dataset("movielens-1m", home=data / "home", data=data)
    dataset.check()
    return [list(part.rows()) for part in dataset.parts()]


def test_the_original_layout(release: Path) -> None:
    assert rows(release) == [
        [
            Item("1", "Toy Story (1995)", features={"genres": ("Animation", "Children's", "Comedy"), "year": 1995}),
            Item("2", "Misérables, Les (1998)", features={"genres": ("Drama",), "year": 1998}),
        ],
        [
            User("1", {"gender": "F", "age": "under 18", "occupation": "K-12 student", "zip": "4"}),
            User("2", {"gender": "M", "age": "56 and over", "occupation": "self-employed", "zip": "7"}),
        ],
        [
            Interaction("1", "2", "rating", 978300760, 5.0, sequence=1),
            Interaction("2", "1", "rating", 978302109, 3.0, sequence=2),
        ],
    ]  # fmt: skip


def test_gzipped_files_and_a_part_of_the_ratings_say_the_same(release: Path) -> None:
    expected, folder = rows(release), release / "ml-1m"
    for name, stored in (
        ("movies.dat", "movies.dat.gz"), ("users.dat", "users.dat.gz"),
        ("ratings.dat", "ratings_users_1-2500.dat.gz"),
    ):  # fmt: skip
        (folder / stored).write_bytes(gzip.compress((folder / name).read_bytes()))
        (folder / name).unlink()
    assert rows(release) == expected


def test_the_whole_release_wins_over_a_part_of_it(release: Path) -> None:
    (release / "ml-1m/ratings_users_1-2500.dat").write_text("1::1::1::1\n")
    assert rows(release)[2][0] == Interaction("1", "2", "rating", 978300760, 5.0, sequence=1)


def test_a_rating_that_cannot_be_is_told(release: Path) -> None:
    (release / "ml-1m/ratings.dat").write_text("1::2::6::978300760\n")
    expected = BadRow("ratings.dat", 1, "rating", "6", "a number from 1 to 5 was expected")
    assert rows(release)[2] == [expected]


@pytest.mark.realdata
def test_the_real_part(data_folder: Path, tmp_path: Path) -> None:
    if not (data_folder / "ml-1m").is_dir():
        pytest.skip("TOWERBRIDGE_DATA holds no ml-1m")
    dataset = open_dataset("movielens-1m", home=tmp_path, data=data_folder)
    dataset.check()
    films, people, ratings = dataset.parts()
    items = {item.item_id: item for item in films.rows()}
    assert len(items) == 3883
    assert "Woody" in items["1"].text
    assert sum(bool(item.image) for item in items.values()) == 3256
    assert sum(1 for _ in people.rows()) == 6040
    if ratings.name == "ratings_users_1-2500.dat.gz":
        counts = Counter(int(event.user_id) for event in ratings.rows())
        assert sorted(counts) == list(range(1, 2501))
        assert counts.total() == 415_323
        # Every one of them is whole: the release has at least 20 ratings of each.
        assert min(counts.values()) >= 20
