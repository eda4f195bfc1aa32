"""The pages that are shipped are those of the sources: of these very bytes."""

from __future__ import annotations

import hashlib
import shutil
import subprocess
from pathlib import Path

import pytest

from serving.page.assets import BUILT

WEB = Path(__file__).parents[2] / "web"
SOURCES = (
    "admin.html",
    "index.html",
    "package-lock.json",
    "public",
    "reference.html",
    "src",
    "tsconfig.json",
    "vite.config.ts",
)
"""As `vite.config.ts` has them."""


def test_the_build_is_of_the_sources_as_they_are() -> None:
    files = [path for name in SOURCES for path in (WEB / name, *(WEB / name).rglob("*")) if path.is_file()]
    named = sorted((path.relative_to(WEB).as_posix(), path) for path in files)
    digest = hashlib.sha256()
    for name, path in named:
        digest.update(name.encode() + b"\0" + path.read_bytes() + b"\0")
    built = (BUILT / "sources.sha256").read_text().strip()
    assert built == digest.hexdigest(), "web/ has changed since: run `npm ci && npm run build` in it"


def test_the_lock_names_no_address() -> None:
    assert "resolved" not in (WEB / "package-lock.json").read_text()


@pytest.mark.slow
def test_building_again_makes_the_same_files(tmp_path: Path) -> None:
    if shutil.which("npm") is None or not (WEB / "node_modules").is_dir():
        pytest.skip("no npm, or nothing installed: `npm ci` in web/")
    command = ["npx", "vite", "build", "--outDir", str(tmp_path / "static"), "--logLevel", "error"]
    subprocess.run(command, cwd=WEB, check=True)
    made, kept = (
        {
            path.relative_to(folder).as_posix(): path.read_bytes()
            for path in folder.rglob("*")
            if path.is_file()
        }
        for folder in (tmp_path / "static", BUILT)
    )
    assert made == kept
