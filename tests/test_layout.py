"""The promises of the layout: who may import whom, what stays empty, how long a file may be."""

import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PACKAGES = ("catalog", "bundle", "embeddings", "towers", "index", "serving", "training", "towerbridge")


def sources(folder):
    return sorted((ROOT / folder).rglob("*.py"))


def test_the_layers_hold():
    command = [str(Path(sys.executable).parent / "lint-imports"), "--no-logo"]
    run = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stdout + run.stderr


def test_the_rule_on_the_towers_names_every_file_but_those_of_the_features():
    with (ROOT / "pyproject.toml").open("rb") as file:
        contracts = tomllib.load(file)["tool"]["importlinter"]["contracts"]
    (rule,) = (
        each for each in contracts if each["name"].startswith("serving uses three files of the towers")
    )
    others = {path.stem for path in sources("towers")} - {"__init__", "features", "cross", "tabular"}
    assert set(rule["forbidden_modules"]) == {f"towers.{name}" for name in others}


def test_the_rules_on_the_encoders_name_every_file():
    """Each file of the encoders is either free of frameworks, and said to be, or kept from serving."""
    with (ROOT / "pyproject.toml").open("rb") as file:
        contracts = tomllib.load(file)["tool"]["importlinter"]["contracts"]
    rules = {each["name"]: each for each in contracts}
    lean = rules["the serving side loads no training framework"]["source_modules"]
    kept = rules["serving encodes by what was exported"]["forbidden_modules"]
    named = sorted(name for name in (*lean, *kept) if name.startswith("embeddings."))
    assert named == sorted(
        f"embeddings.{path.stem}" for path in sources("embeddings") if path.stem != "__init__"
    )


@pytest.mark.parametrize("package", PACKAGES)
def test_importing_one_file_imports_one_file(package):
    filled = [str(path) for path in sources(package) if path.name == "__init__.py" and path.stat().st_size]
    # The version, and the one face that programs of others import from.
    faces = [ROOT / "towerbridge/__init__.py", ROOT / "towerbridge/client/__init__.py"]
    assert filled == ([str(path) for path in faces] if package == "towerbridge" else [])


@pytest.mark.parametrize("package", PACKAGES)
def test_files_hold_one_idea(package):
    lengths = {str(path.relative_to(ROOT)): len(path.read_text().splitlines()) for path in sources(package)}
    assert {name: lines for name, lines in lengths.items() if lines > 400} == {}


@pytest.mark.parametrize("package", PACKAGES)
def test_there_are_no_grab_bags(package):
    assert [path for path in sources(package) if path.stem in {"utils", "util", "helpers", "common"}] == []


@pytest.mark.parametrize("package", PACKAGES)
def test_tests_mirror_the_folders(package):
    assert list((ROOT / "tests" / package).glob("test_*.py")), f"tests/{package} has no tests"


def test_no_file_names_a_place_of_one_machine():
    found = [
        str(path.relative_to(ROOT))
        for folder in (*PACKAGES, "tests", "scripts", ".ci", "docs")
        for path in (ROOT / folder).rglob("*")
        if path.suffix in {".py", ".sh", ".md", ".toml", ""} and path.is_file() and path != Path(__file__)
        if any(place in path.read_text(errors="replace") for place in ("/home/", "/wo" + "rk/", "/tmp/scr"))
    ]
    assert found == []
