"""An item that arrived a second ago is found and recommended by every worker, while others read."""

from __future__ import annotations

import json

import pytest

from benchmarks import bench_new_item


@pytest.mark.mongo
@pytest.mark.usefixtures("mongo_uri")
def test_within_a_second_in_every_workers_answers(capsys: pytest.CaptureFixture[str]) -> None:
    """Two workers in processes of their own on a real MongoDB, 200 reads per second: the benchmark, shortened."""
    with pytest.raises(SystemExit):
        bench_new_item.main(["--items", "8"])
    figures = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert figures["reads"]["failed"] == 0
    for what in ("similar, everywhere", "recommended, everywhere"):
        assert figures[what]["p99_ms"] < 1000, figures
    assert figures["met"]
