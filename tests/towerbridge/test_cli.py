"""The command line as its users meet it: in a subprocess, with real files, by exit code and sentence."""

import json
import os
import re
import resource
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.patience import PATIENCE, eventually, heed_interrupts

COMMAND = [sys.executable, "-m", "towerbridge"]
HEAVY = ("numpy", "pymongo", "rich", "torch", "tensorflow", "onnxruntime", "faiss", "fastapi")


@pytest.fixture
def environment(tmp_path):
    kept = {name: value for name, value in os.environ.items() if not name.startswith("TOWERBRIDGE_")}
    return {**kept, "TOWERBRIDGE_HOME": str(tmp_path / "home"), "COLUMNS": "200", "NO_COLOR": "1"}


@pytest.fixture
def towerbridge(tmp_path, environment):
    """Run a command in an empty folder; the finished process with its text."""

    def run(*words, **variables):
        return subprocess.run(
            [*COMMAND, *words], cwd=tmp_path, env={**environment, "PYTHONPATH": str(ROOT), **variables},
            capture_output=True, text=True, check=False,
        )  # fmt: skip

    return run


ROOT = Path(__file__).parent.parent.parent


def one_sentence(run):
    """The one line on standard error, which a failed command must have and nothing else."""
    lines = run.stderr.strip().splitlines()
    assert len(lines) == 1, run.stderr
    assert lines[0].startswith("towerbridge: ")
    assert run.stdout == ""
    return lines[0]


def test_help_answers_within_half_a_second(towerbridge):
    def spent():
        """Of the processor by commands so far: how long they wait for it is the machine's affair."""
        usage = resource.getrusage(resource.RUSAGE_CHILDREN)
        return usage.ru_utime + usage.ru_stime

    def seconds():
        before = spent()
        assert towerbridge("--help").returncode == 0
        return spent() - before

    assert min(seconds() for _ in range(3)) <= 0.5


def test_help_loads_nothing_heavy(environment):
    code = (
        "import sys\n"
        "from typer.testing import CliRunner\n"
        "from towerbridge.cli import app\n"
        "assert CliRunner().invoke(app, ['train', '--help']).exit_code == 0\n"
        f"print([name for name in {HEAVY} if name in sys.modules])"
    )
    out = subprocess.run(
        [sys.executable, "-c", code], env=environment, cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout
    assert set(json.loads(out.replace("'", '"'))) <= {"rich"}


def test_every_command_has_help(towerbridge):
    listed = re.findall(r"^│ ([a-z]+) {2,}", towerbridge("--help").stdout, re.MULTILINE)
    assert len(listed) >= 15
    for verb in ("import", "recommend", listed[-1]):
        run = towerbridge(verb, "--help")
        assert run.returncode == 0
        assert "Usage: towerbridge" in run.stdout


def test_the_version_is_the_packages(towerbridge):
    from towerbridge import __version__

    assert towerbridge("--version").stdout == f"{__version__}\n"


@pytest.mark.parametrize(
    "words", [("fly",), ("import", "--colour"), ("serve", "--port", "many"), ("promote",)]
)
def test_what_the_command_line_does_not_know_is_exit_code_2(towerbridge, words):
    run = towerbridge(*words)
    assert run.returncode == 2
    assert "Usage: towerbridge" in run.stderr
    assert "Traceback" not in run.stderr


def test_an_unknown_data_set_is_one_sentence_that_names_those_there_are(towerbridge):
    run = towerbridge("validate", "movielens-100m")
    assert run.returncode == 2
    said = one_sentence(run)
    assert "'movielens-100m'" in said
    assert "movielens-100k" in said
    assert "simulated" in said


def test_a_data_set_that_is_not_in_the_folder_is_one_sentence(towerbridge, tmp_path):
    run = towerbridge("validate", "movielens-100k", "--data", str(tmp_path))
    assert run.returncode == 2
    assert str(tmp_path) in one_sentence(run)


def test_debug_shows_the_trace(towerbridge):
    run = towerbridge("--debug", "validate", "movielens-100m")
    assert run.returncode != 0
    assert "Traceback" in run.stderr


def test_an_unknown_key_in_the_settings_is_one_sentence(towerbridge, tmp_path):
    (tmp_path / "towerbridge.toml").write_text("[serve]\nprot = 1\n")
    run = towerbridge("models")
    assert run.returncode == 2
    assert "unknown key 'serve.prot'; did you mean 'serve.port'?" in one_sentence(run)


def test_settings_come_from_the_named_file_the_environment_and_flags(towerbridge, tmp_path):
    (tmp_path / "my.toml").write_text('dataset = "from-file"\n')
    shown = [
        json.loads(run.stdout)["dataset"]
        for run in (
            towerbridge("models", "--json"),
            towerbridge("--config", "my.toml", "models", "--json"),
            towerbridge("models", "--json", TOWERBRIDGE_CONFIG="my.toml"),
            towerbridge("--config", "my.toml", "models", "--json", TOWERBRIDGE_DATASET="from-environment"),
            towerbridge(
                "--config", "my.toml", "models", "--dataset", "from-flag", "--json", TOWERBRIDGE_DATASET="env"
            ),
        )
    ]
    assert shown == ["simulated", "from-file", "from-file", "from-environment", "from-flag"]


def test_config_prints_a_file_that_can_be_used_and_never_overwrites_one(towerbridge, tmp_path):
    assert towerbridge("config", "--output", "towerbridge.toml").returncode == 0
    assert towerbridge("config", "--current").returncode == 0
    before = (tmp_path / "towerbridge.toml").read_text()
    assert before == towerbridge("config").stdout
    run = towerbridge("config", "--output", "towerbridge.toml")
    assert run.returncode == 2
    assert "exists already" in one_sentence(run)
    assert (tmp_path / "towerbridge.toml").read_text() == before


def test_models_of_a_fresh_workspace_are_an_empty_list_and_a_hint(towerbridge):
    assert json.loads(towerbridge("models", "--json").stdout) == {"dataset": "simulated", "models": []}
    assert "`towerbridge demo`" in towerbridge("models").stdout


@pytest.mark.parametrize("words", [("promote", "20260101-000000-abcdef"), ("rollback",)])
def test_moving_between_versions_that_are_not_there_is_one_sentence(towerbridge, words):
    run = towerbridge(*words)
    assert run.returncode == 2
    one_sentence(run)


def test_a_reader_that_goes_away_is_no_failure(environment, tmp_path):
    shell = f"{sys.executable} -m towerbridge config | head -n 1; exit ${{PIPESTATUS[0]}}"
    run = subprocess.run(
        ["bash", "-c", shell], env={**environment, "PYTHONPATH": str(ROOT)}, cwd=tmp_path,
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert (run.returncode, run.stderr) == (0, "")
    assert run.stdout.startswith("# Settings of Towerbridge")


def test_the_port_of_the_demo_is_looked_at_before_an_hour_of_work(towerbridge):
    import socket

    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        run = towerbridge("demo", "--port", str(taken.getsockname()[1]))
    assert run.returncode == 2
    assert "--port" in one_sentence(run)


def processor_seconds(pid):
    """What a process has had so far."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return sum(map(int, fields[11:13])) / os.sysconf("SC_CLK_TCK")


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
@pytest.mark.parametrize(("sent", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_stopping_a_command_is_clean(environment, tmp_path, sent, code):
    """Asked to stop while it generates a catalogue that would take minutes."""
    process = subprocess.Popen(
        [*COMMAND, "validate", "simulated", "--items", "20000", "--users", "200000", "--events", "20000000"],
        env={**environment, "PYTHONPATH": str(ROOT)}, cwd=tmp_path,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, preexec_fn=heed_interrupts,
    )  # fmt: skip
    with process:
        try:
            # Its first seconds on the processor are for what it imports.
            eventually(lambda: process.poll() is not None or processor_seconds(process.pid) > 4)
            assert process.poll() is None, process.communicate()
            process.send_signal(sent)
            _, said = process.communicate(timeout=PATIENCE)
        finally:
            process.kill()
    assert process.returncode == code
    assert "Traceback" not in said
