"""How numbers, durations, tables and JSON come out."""

import json

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
