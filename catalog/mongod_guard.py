"""The guard of the embedded MongoDB server: starts it, and stops it when nobody uses it any more.

Run by `catalog.mongod` as a plain script, so it imports nothing but the standard library:

    python -I -S mongod_guard.py FOLDER MONGOD ARGUMENT…

Every process that uses the server holds a shared lock on FOLDER/users.lock. The guard waits for the
exclusive one. The kernel hands it over when the last user has left, however it left (kill -9 too), and
then the server is told to stop. Should the guard itself be killed, the kernel ends the server with it.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path
from types import FrameType

STOP_SECONDS = 30
DEATH_SIGNAL = 1  # PR_SET_PDEATHSIG of prctl(2)


def die_with_parent() -> None:
    """Ask the kernel (Linux) to end this process when its parent ends; called between fork and exec."""
    with contextlib.suppress(Exception):
        import ctypes

        ctypes.CDLL(None).prctl(DEATH_SIGNAL, signal.SIGTERM)


def main(arguments: list[str]) -> int:
    """Guard one server; returns its exit code."""
    folder, command = Path(arguments[0]), arguments[1:]
    users = os.open(folder / "users.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    with (folder / "mongod.log").open("ab") as log:
        # A session of its own: Ctrl-C in the terminal is for the command, which still has work to save.
        server = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
            preexec_fn=die_with_parent, start_new_session=True,
        )  # fmt: skip

    def stop(signum: int, frame: FrameType | None) -> None:
        server.terminate()

    signal.signal(signal.SIGTERM, stop)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    state = {"guard": os.getpid(), "mongod": server.pid, "port": int(command[command.index("--port") + 1])}
    partial = folder / "server.json.partial"
    partial.write_text(json.dumps(state))
    partial.replace(folder / "server.json")

    def stop_when_unused() -> None:
        fcntl.flock(users, fcntl.LOCK_EX)
        server.terminate()
        try:
            server.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            server.kill()

    threading.Thread(target=stop_when_unused, daemon=True).start()
    code = server.wait()
    (folder / "server.json").unlink(missing_ok=True)
    return code


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
