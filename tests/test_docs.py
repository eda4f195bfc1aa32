"""Documents are tested: what README, CHANGELOG and compose name exists, and what the code has is told."""

import re
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text()


def verbs():
    from typer.main import get_command

    from towerbridge.cli import app

    return get_command(app).commands


def code(text):
    """Lines of indented code blocks and inline code spans."""
    return re.findall(r"^    (\S.*)$", text, re.MULTILINE) + re.findall(r"`([^`\n]+)`", text)


@pytest.mark.parametrize("document", sorted(path.name for path in ROOT.glob("*.md")))
def test_make_targets_that_are_named_exist(document):
    targets = re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), re.MULTILINE)
    named = {
        match[1]
        for line in code((ROOT / document).read_text())
        if (match := re.match(r"make ([a-z]+)", line))
    }
    assert named <= set(targets)


def test_commands_that_are_named_exist_with_their_flags():
    known = verbs()
    for line in code(README):
        match = re.match(r"(?:\.venv/bin/)?towerbridge(?: --debug)? ([a-z]+)(.*)", line)
        if match is None:
            continue
        verb, rest = match[1], match[2].split("   ")[0]
        assert verb in known, line
        flags = {
            name for parameter in known[verb].params for name in (*parameter.opts, *parameter.secondary_opts)
        }
        assert set(re.findall(r"--[a-z-]+", rest)) <= flags, line


def test_flags_of_the_demo_in_make_lines_exist():
    parameters = verbs()["demo"].params
    flags = {name for parameter in parameters for name in (*parameter.opts, *parameter.secondary_opts)}
    lines = [line for line in code(README) if line.startswith("make demo ARGS=")]
    assert lines
    for line in lines:
        assert set(re.findall(r"--[a-z-]+", line)) <= flags, line


def test_every_command_is_told_of():
    told = " ".join(code(README))
    assert [verb for verb in verbs() if verb not in told] == []


def test_variables_that_are_named_are_settings():
    from towerbridge.config import unknown_variables

    named = set(re.findall(r"TOWERBRIDGE_[A-Z_]*[A-Z]", README))
    assert named
    assert unknown_variables(dict.fromkeys(named, "")) == []


def test_every_folder_has_its_line():
    with (ROOT / "pyproject.toml").open("rb") as file:
        packages = tomllib.load(file)["tool"]["importlinter"]["root_packages"]
    assert [package for package in packages if f"| `{package}/` |" not in README] == []


def test_files_that_are_linked_exist():
    links = re.findall(r"\]\(([^)#]+)\)", README)
    assert links
    assert [link for link in links if "://" not in link and not (ROOT / link).exists()] == []


def test_data_sets_that_are_named_exist():
    from catalog.registry import dataset_names

    table = README.split("## Data sets")[1].split("##")[0]
    assert set(re.findall(r"^\| `([a-z0-9-]+)` \|", table, re.MULTILINE)) == set(dataset_names())


def test_the_changelog_has_the_version():
    from towerbridge import __version__

    assert f" {__version__}\n" in (ROOT / "CHANGELOG.md").read_text()


def test_the_image_copies_every_package_and_nothing_secret():
    ignore = (ROOT / ".dockerignore").read_text().splitlines()
    assert ignore[0] == "*"
    with (ROOT / "pyproject.toml").open("rb") as file:
        packages = tomllib.load(file)["tool"]["importlinter"]["root_packages"]
    assert {f"!{package}" for package in packages} <= set(ignore)


def test_compose_waits_for_a_database_that_takes_majority_writes():
    yaml = pytest.importorskip("yaml", reason="PyYAML comes with the training extra")
    services = yaml.safe_load((ROOT / "compose.yaml").read_text())["services"]
    from towerbridge.config import unknown_variables

    for name in ("serving", "training"):
        assert unknown_variables(services[name]["environment"]) == []
        assert services[name]["depends_on"]["mongodb"]["condition"] == "service_healthy"
        assert f" AS {services[name]['build']['target']}\n" in (ROOT / "Dockerfile").read_text()
    assert "--replSet" in services["mongodb"]["command"]
