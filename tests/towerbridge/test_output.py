"""How numbers, durations, tables and JSON come out."""

import json
import re
import sys

import numpy as np
import pytest

from towerbridge.output import cell, duration, print_json, table


@pytest.mark.parametrize(
    ("value", "shown"),
    [(None, "-"), (True, "yes"), (1682, "1,682"), (0.07512, "0.0751"), ("x", "x"), (0, "0")],
)
def test_cells(value, shown):
    assert cell(value) == shown


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [(0.04, "0.0 s"), (9.94, "9.9 s"), (12.3, "12 s"), (119.4, "119 s"), (185, "3 min 05 s")],
)
def test_durations(seconds, shown):
    assert duration(seconds) == shown


def test_json_is_one_line_that_any_parser_reads(capsys):
    print_json({"a": np.float32(0.5), "b": float("nan"), "c": (1, "é"), "d": {1: np.int64(3)}})
    out = capsys.readouterr().out
    assert out.count("\n") == 1
    assert json.loads(out) == {"a": 0.5, "b": None, "c": [1, "é"], "d": {"1": 3}}


def test_tables_are_plain_and_uncut_where_output_is_no_terminal(capsys):
    table(("stage", "items"), [("import", 1682), ("[bold]x[/bold] " + "long " * 20, None)])
    out = capsys.readouterr().out
    assert "1,682" in out
    assert "[bold]x[/bold] " + ("long " * 20).strip() in out
    assert "\x1b" not in out


HEAD = ("shown to everybody", "ndcg@10", "hit_rate@5", "recall@100")
ROWS = [("most popular", 0.0274, 0.0293, 0.23), ("item knn", 0.0431, 0.0513, 0.376)]


@pytest.fixture
def terminal(monkeypatch, capsys):
    """Draws a table on a terminal of a width: its lines, and what was left out."""

    def draw(columns, head=HEAD, rows=ROWS, spare=()):
        monkeypatch.setenv("TERM", "xterm")
        monkeypatch.setenv("COLUMNS", str(columns))
        monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
        hidden = table(head, rows, spare=spare)
        plain = re.sub("\x1b\\[[0-9;]*m", "", capsys.readouterr().out)
        return [line for line in plain.splitlines() if line.strip()], hidden

    return draw


def test_a_narrow_terminal_does_without_what_can_be_spared_and_folds_no_value(terminal):
    # Cells of 12, 7, 10 and 10 characters, three between two of them and one at either side: 50.
    lines, hidden = terminal(50, spare=("hit_rate@5", "recall@100"))
    assert hidden == []
    assert [line.split() for line in lines[-2:]] == [
        ["most", "popular", "0.0274", "0.0293", "0.2300"], ["item", "knn", "0.0431", "0.0513", "0.3760"],
    ]  # fmt: skip
    lines, hidden = terminal(49, spare=("hit_rate@5", "recall@100"))
    assert hidden == ["hit_rate@5"]
    assert lines[-2].split() == ["most", "popular", "0.0274", "0.2300"]
    lines, hidden = terminal(26, spare=("hit_rate@5", "recall@100"))
    assert hidden == ["hit_rate@5", "recall@100"]
    assert lines[-1].split() == ["item", "knn", "0.0431"]
    assert all(len(line) <= 26 for line in lines)


def test_a_wide_terminal_shows_all_and_folds_no_name(terminal):
    lines, hidden = terminal(56, spare=("hit_rate@5",))  # 18 characters in place of 12
    assert hidden == []
    assert lines[0].split() == " ".join(HEAD).split()


def test_where_nothing_can_be_spared_values_are_folded_and_none_is_lost(terminal):
    lines, hidden = terminal(30, spare=("another",))
    assert hidden == []
    assert re.sub(r"\s", "", "".join(lines)).count("0.") == 6


def test_a_file_gets_lines_as_long_as_they_are(capsys):
    figures = tuple(f"{n}.1234±0.0567" for n in range(30))
    assert table(("what", *map(str, range(30))), [("pipeline", *figures)], spare=("3",)) == []
    assert re.search(r"pipeline +" + " +".join(map(re.escape, figures)), capsys.readouterr().out)
