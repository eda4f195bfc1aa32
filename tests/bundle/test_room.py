"""Arrays that grow over mapped files: the file stays, views stay, memory comes and goes."""

from __future__ import annotations

import gc
import hashlib
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from bundle import room
from bundle.columns import load_array
from bundle.room import Column


@pytest.fixture(params=["mapped", "in memory", "copied elsewhere"])
def column(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Column:
    values = np.arange(3 * 1000, dtype=np.float32).reshape(1000, 3)
    if request.param == "in memory":
        return Column(values)
    if request.param == "copied elsewhere":
        monkeypatch.setattr(sys, "platform", "win32")
    np.save(tmp_path / "values.npy", values)
    return Column(load_array(tmp_path / "values.npy", np.float32, (None, 3)))


def test_rows_are_added_and_replaced(column: Column) -> None:
    earlier = column.rows
    column.put(1000, [7, 8, 9])
    column.put(4, -1.0)
    assert column.rows.shape == (1001, 3)
    assert column.rows[[3, 4, 999, 1000]].tolist() == [
        [9, 10, 11], [-1, -1, -1], [2997, 2998, 2999], [7, 8, 9]
    ]  # fmt: skip
    assert earlier.shape == (1000, 3), "who took a view keeps its length"
    with pytest.raises(AssertionError, match="row 1002 of a column of 1001"):
        column.put(1002, 0)


def test_a_column_that_is_full_moves(column: Column) -> None:
    capacity = len(column._room)
    for row in range(1000, capacity + 10):
        column.put(row, row)
    assert column.rows[:, 0][[999, 1000, capacity, capacity + 9]].tolist() == [
        2997, 1000, capacity, capacity + 9
    ]  # fmt: skip


def test_the_file_never_changes(tmp_path: Path) -> None:
    path = tmp_path / "values.npy"
    np.save(path, np.arange(5000, dtype=np.int32))
    before = hashlib.sha256(path.read_bytes()).hexdigest()
    array = load_array(path, np.int32, (5000,))
    column = Column(array)
    for row in (0, 4999, 5000, 5001):
        column.put(row, -row - 1)
    assert column.rows[[0, 1, 4999, 5000, 5001]].tolist() == [-1, 1, -5000, -5001, -5002]
    assert (array[0], array[-1]) == (0, 4999), "another view of the file"
    assert hashlib.sha256(path.read_bytes()).hexdigest() == before


def test_nothing_at_first(tmp_path: Path) -> None:
    np.save(tmp_path / "none.npy", np.zeros((0, 2), np.float32))
    column = Column(load_array(tmp_path / "none.npy", np.float32, (None, 2)))
    column.put(0, [1, 2])
    assert column.rows.tolist() == [[1, 2]]


CODE = """
import sys, numpy as np
from bundle.columns import load_array
from bundle.room import Column

def private_mb():
    lines = open('/proc/self/smaps_rollup').read().splitlines()
    return sum(int(l.split()[1]) for l in lines if l.startswith(('Private_Dirty:', 'Anonymous:'))) / 1024

before = private_mb()
columns = [Column(load_array(sys.argv[1], np.float32, (None, 256))) for _ in range(4)]
total = sum(float(c.rows.sum()) for c in columns)
for c in columns:
    for row in (0, 20_000, len(c.rows)):
        c.put(row, 1.0)
print(private_mb() - before)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_the_pages_of_the_file_are_not_copied(tmp_path: Path) -> None:
    """Four columns over 32 MB, with some rows replaced, keep a few pages each to themselves."""
    np.save(tmp_path / "big.npy", np.ones((32_768, 256), np.float32))
    done = subprocess.run(
        [sys.executable, "-c", CODE, str(tmp_path / "big.npy")], capture_output=True, text=True, check=True
    )
    assert float(done.stdout) < 8


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_memory_goes_with_the_last_view(tmp_path: Path) -> None:
    np.save(tmp_path / "values.npy", np.zeros((1000, 100), np.float32))
    array = load_array(tmp_path / "values.npy", np.float32, (None, 100))

    def maps() -> int:
        return Path("/proc/self/maps").read_text().count(str(tmp_path / "values.npy"))

    begun = maps()
    view = Column(array).rows[5]
    gc.collect()
    assert maps() == begun + 1, "a view keeps its memory"
    del view
    gc.collect()
    assert maps() == begun


def test_without_memory_it_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(MemoryError, match="expected to map"):
        room._map(None, 2**62, 2 | 0x20, -1)
