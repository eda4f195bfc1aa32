"""An item that arrived a second ago is found and recommended by every worker, while others read."""

from __future__ import annotations

import json

import pytest

from benchmarks import bench_new_item
from tests.patience import PATIENCE, PATIENT_SERVER


@pytest.mark.mongo
@pytest.mark.usefixtures("mongo_uri")
def test_within_a_second_in_every_workers_answers(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two workers in processes of their own on a real MongoDB, 200 reads per second: the benchmark, shortened.

    A second on a machine where the slowest of the reads meanwhile takes a twentieth of one; they tell how busy it is.
    """
    for name, value in PATIENT_SERVER.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(bench_new_item, "TRIAL_SECONDS", 5.0)
    monkeypatch.setattr(bench_new_item, "GIVE_UP_SECONDS", PATIENCE)
    with pytest.raises(SystemExit):
        bench_new_item.main(["--items", "8"])
    figures = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert figures["reads"]["failed"] == 0
    for what in ("similar, everywhere", "recommended, everywhere"):
        assert figures[what]["p99_ms"] < max(1000, 20 * figures["reads"]["p99_ms"]), figures
