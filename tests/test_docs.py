"""Documents are tested: what README, CHANGELOG and compose name exists, and what the code has is told."""

import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from tests.documented import as_run, commands, snippets

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


PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])
TOLD = [page for page in PAGES if page.name not in ("LOG.md", "CHANGELOG.md")]
"""Pages that tell how things are, and not how they were."""


def named(page):
    return str(page.relative_to(ROOT))


@pytest.mark.parametrize("page", TOLD, ids=named)
def test_command_lines_are_those_of_the_command_line(page):
    """Each is parsed by the very parser that reads it when it is typed; nothing is run."""
    import shlex

    from typer.main import get_command

    from towerbridge.cli import app

    whole = get_command(app)
    typed = [each for line in commands(named(page)) for each in as_run(line, {}).split(" && ")]
    for line in (each for each in typed if each.startswith("towerbridge ")):
        words = shlex.split(line)[1:]
        while words[0].startswith("--"):
            words = words[1 if words[0] == "--debug" else 2 :]
        verb = whole.commands.get(words[0])
        assert verb is not None, line
        given = [word for word in words[1:] if word not in ("--help", "-h")]
        arguments = [each for each in verb.params if each.param_type_name == "argument"]
        if len(given) < sum(each.required for each in arguments) and not given:
            continue  # a verb that is spoken of, not typed
        try:
            verb.make_context(words[0], given, resilient_parsing=False)
        except Exception as error:
            pytest.fail(f"{line}: {error}")


@pytest.mark.parametrize("page", TOLD, ids=named)
def test_python_blocks_compile_and_what_they_import_is_there(page):
    import ast
    import importlib

    for block in snippets(named(page)):
        tree = ast.parse(block)
        compile(tree, str(page), "exec")
        for node in ast.walk(tree):
            if isinstance(node, ast.ImportFrom) and node.module:
                module = importlib.import_module(node.module)
                for name in (each.name for each in node.names if not hasattr(module, each.name)):
                    importlib.import_module(f"{node.module}.{name}")  # of a package a module may be meant
            elif isinstance(node, ast.Import):
                for each in node.names:
                    importlib.import_module(each.name)


@pytest.mark.parametrize("page", PAGES, ids=named)
def test_links_lead_somewhere(page):
    def anchors(text):
        heads = re.findall(r"^#+ (.+)$", text, re.M)
        return {re.sub(r"[^\w\- ]", "", head.lower()).strip().replace(" ", "-") for head in heads}

    text = re.sub(r"^```.*?^```", "", page.read_text("utf-8"), flags=re.M | re.S)
    for link in re.findall(r"\]\(([^)\s]+)\)", re.sub(r"`[^`\n]*`", "", text)):
        if "://" in link or link.startswith("mailto:"):
            continue
        path, _, anchor = link.partition("#")
        target = page if not path else (page.parent / path)
        assert target.exists(), link
        if anchor and target.suffix == ".md":
            assert anchor in anchors(target.read_text("utf-8")), link


@pytest.mark.parametrize("page", TOLD, ids=named)
def test_benchmarks_that_are_named_exist(page):
    for module in re.findall(r"python -m (benchmarks\.\w+)", page.read_text("utf-8")):
        assert (ROOT / f"{module.replace('.', '/')}.py").is_file(), module


def test_every_migration_page_names_a_route_that_is_served():
    from serving.app import create_app
    from serving.settings import Settings

    paths = set(create_app(Settings(mongodb_uri="mongodb://nowhere")).openapi()["paths"])
    for page in sorted((ROOT / "docs" / "migrate").glob("*.md")):
        asked = re.findall(r"127\.0\.0\.1:8000(/[^ ?']*)", page.read_text("utf-8"))
        asked += re.findall(r"\| `(?:GET|POST) (/[^`?]*)", page.read_text("utf-8"))
        assert asked
        patterns = [
            re.compile(re.sub(r"\\{\w+(?:\\:\w+)?\\}", "[^/]+", re.escape(path)) + "$") for path in paths
        ]
        assert [path for path in asked if not any(each.match(path) for each in patterns)] == []


@pytest.mark.train
def test_the_page_of_settings_is_that_of_the_code():
    pytest.importorskip("tensorflow", reason="knobs of training need the extra `train`")
    sys.path.insert(0, str(ROOT / "scripts"))
    try:
        from pages import configuration
    finally:
        sys.path.pop(0)
    written = (ROOT / "docs" / "configuration.md").read_text("utf-8")
    assert written == configuration(), "run `python scripts/pages.py`"


def test_the_site_builds_without_a_warning(tmp_path):
    pytest.importorskip("material", reason="needs the extra `docs`")
    from serving.app import create_app
    from serving.settings import Settings

    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet", "--site-dir", str(tmp_path)]
    environment = {**os.environ, "NO_MKDOCS_2_WARNING": "1"}
    run = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, env=environment)
    assert run.returncode == 0, run.stdout + run.stderr
    reference = (tmp_path / "http-reference.html").read_text("utf-8")
    for path in create_app(Settings(mongodb_uri="mongodb://nowhere")).openapi()["paths"]:
        assert f" {path}<" in reference, path
    page = (tmp_path / "index.html").read_text("utf-8")
    assert "img/chain.svg" in page
    loaded = re.findall(r"<(?:script|link|img)[^>]+(?:src|href)=\"?(https?://[^\" >]+)", page)
    assert [address for address in loaded if "canonical" not in address] == []
