"""The notebooks: stories that import and plot, with nothing in them that was run, and all of it runs.

The first is run by every test run, all of them by `-m slow`, which CI asks for: in kernels of their own, on a shop
of a few dozen items, in one workspace, so that the sixth opens the bundle that the fifth sealed.
"""

from __future__ import annotations

import ast
import importlib
import json
import os
from importlib.util import find_spec
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))
SMALL = {
    "TOWERBRIDGE_DATASET": "simulated", "TOWERBRIDGE_SIMULATED_ITEMS": "120", "TOWERBRIDGE_SIMULATED_USERS": "60",
    "TOWERBRIDGE_SIMULATED_EVENTS": "1500", "TOWERBRIDGE_ENCODERS_TEXT": "hashing",
    "TOWERBRIDGE_ENCODERS_IMAGE": "hashing", "PYTHONWARNINGS": "ignore",
}  # fmt: skip


def cells(path: Path, kind: str = "code") -> list[str]:
    """The sources of a notebook's cells."""
    document = json.loads(path.read_text("utf-8"))
    return ["".join(cell["source"]) for cell in document["cells"] if cell["cell_type"] == kind]


def test_they_are_numbered_without_a_gap() -> None:
    assert [int(path.stem.partition("_")[0]) for path in NOTEBOOKS] == list(range(1, 8))


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_outputs_are_stripped_and_nothing_is_defined(path: Path) -> None:
    document = json.loads(path.read_text("utf-8"))
    assert document["metadata"]["kernelspec"]["name"] == "python3"
    assert (document["nbformat"], document["nbformat_minor"]) == (4, 5)
    for cell in document["cells"]:
        assert cell["metadata"] == {}
        if cell["cell_type"] == "code":
            assert (cell["outputs"], cell["execution_count"]) == ([], None)
    assert cells(path, "markdown")[0].startswith(f"# {path.stem[0]}. ")
    for source in cells(path):
        for node in ast.walk(ast.parse(source)):
            assert not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef), source


@pytest.mark.train
@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_what_they_import_of_ours_is_there(path: Path) -> None:
    pytest.importorskip("tensorflow", reason="needs the extra `train`")
    for node in ast.walk(ast.parse("\n".join(cells(path)))):
        if isinstance(node, ast.ImportFrom) and node.module and (ROOT / node.module.split(".")[0]).is_dir():
            module = importlib.import_module(node.module)
            for name in (one.name for one in node.names if not hasattr(module, one.name)):
                importlib.import_module(f"{node.module}.{name}")  # of a package a module may be meant


@pytest.mark.train
def test_the_first_one_runs(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    pytest.importorskip("scipy", reason="needs the extra `train`")
    pyplot = pytest.importorskip("matplotlib.pyplot", reason="needs the extra `notebooks`")
    pyplot.switch_backend("Agg")
    for name, value in {**SMALL, "TOWERBRIDGE_HOME": str(tmp_path)}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.chdir(tmp_path)
    names: dict[str, object] = {}
    for source in cells(NOTEBOOKS[0]):
        exec(compile(source, NOTEBOOKS[0].name, "exec"), names)
    pyplot.close("all")
    assert len(names["values"]) > 20  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def workspace(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The home that all of them share."""
    for package in ("nbformat", "nbclient", "ipykernel", "tensorflow", "matplotlib"):
        if find_spec(package) is None:
            pytest.skip(f"no {package}: needs the extras `train` and `notebooks`")
    return tmp_path_factory.mktemp("notebooks")


@pytest.mark.slow
@pytest.mark.train
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_they_run(path: Path, monkeypatch: pytest.MonkeyPatch, workspace: Path) -> None:
    import nbclient
    import nbformat

    if path.stem.startswith("7"):
        pytest.importorskip("catboost", reason="needs the extra `baselines`")
    there = os.environ.get("PYTHONPATH", "")
    for name, value in {**SMALL, "TOWERBRIDGE_HOME": str(workspace), "PYTHONPATH": f"{ROOT}:{there}"}.items():
        monkeypatch.setenv(name, value)
    notebook = nbformat.read(path, as_version=4)
    options = {"metadata": {"path": str(workspace)}}
    nbclient.NotebookClient(notebook, timeout=900, kernel_name="python3", resources=options).execute()
    ran = [cell for cell in notebook.cells if cell.cell_type == "code"]
    assert all(cell.execution_count for cell in ran)
    outputs = [output for cell in ran for output in cell.outputs]
    assert not [output for output in outputs if output.output_type == "error"]
    drawn = sum("image/png" in output.get("data", {}) for output in outputs)
    assert drawn == sum("plt.show()" in source for source in cells(path))
