"""Which version serves: promoted, rolled back, and never half of either."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from bundle import versions
from catalog.errors import BundleError, NotReadyError
from tests.bundle.make import make_bundle

A, B, C = "20260101-000000-aaaaaa", "20260102-000000-bbbbbb", "20260103-000000-cccccc"


@pytest.fixture(scope="module")
def three(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("three")
    for version in (B, A, C):
        make_bundle(folder, version)
    return folder


@pytest.fixture
def folder(three: Path) -> Path:
    for name in (versions.CURRENT, versions.PREVIOUS):
        (three / name).unlink(missing_ok=True)
    return three


def test_listed_by_time_with_the_current_one_marked(folder: Path) -> None:
    (folder / ".writing-x-1").mkdir(exist_ok=True)
    versions.promote(folder, B)
    assert [(one.name, one.current) for one in versions.versions(folder)] == [
        (A, False),
        (B, True),
        (C, False),
    ]
    assert versions.current(folder) == folder / B
    assert (folder / "CURRENT").read_text() == f"{B}\n"


def test_nothing_promoted_says_what_to_do(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(NotReadyError, match="towerbridge build"):
        versions.current(folder)
    assert versions.versions(tmp_path / "nowhere") == []
    with pytest.raises(NotReadyError):
        versions.current(tmp_path / "nowhere")


def test_rollback_walks_back_step_by_step(folder: Path) -> None:
    for version in (A, B, B, C):
        versions.promote(folder, version)
    assert versions.rollback(folder).name == B
    assert versions.rollback(folder).name == A
    with pytest.raises(BundleError, match="found none"):
        versions.rollback(folder)
    assert versions.current(folder).name == A
    versions.promote(folder, C)
    assert versions.rollback(folder).name == A


def test_a_promotion_that_was_cut_short_does_not_confuse_rollback(folder: Path) -> None:
    """The stack is written first: then the serving version is on top of it."""
    versions.promote(folder, A)
    versions.promote(folder, B)
    (folder / versions.PREVIOUS).write_text(f"{A}\n{B}\n")
    assert versions.rollback(folder).name == A


def test_old_versions_are_removed_but_never_what_serves_or_served_before(three: Path, tmp_path: Path) -> None:
    assert versions.prune(tmp_path / "nowhere", 1) == []
    names = [f"2026010{day}-000000-aaaaaa" for day in range(1, 8)]
    for name in names:
        shutil.copytree(three / A, tmp_path / name)
    for name in (names[3], names[1], names[0]):
        versions.promote(tmp_path, name)
    (tmp_path / f"{versions.REMOVING}x").mkdir()
    assert versions.prune(tmp_path, 2, besides=names[2]) == names[3:5]
    assert versions.names(tmp_path) == [*names[:3], *names[5:]]
    assert not list(tmp_path.glob(f"{versions.REMOVING}*")), "what a killed one left goes too"
    assert versions.rollback(tmp_path).name == names[1]
    assert versions.prune(tmp_path, 2, besides=names[2]) == names[:1], "gone back from, it is as old as any"


@pytest.mark.parametrize("name", ["nope", "../x", "", "20260101-000000-dddddd"])
def test_only_sealed_versions_are_promoted(folder: Path, name: str) -> None:
    with pytest.raises(BundleError, match="expected one of the versions"):
        versions.promote(folder, name)


def test_a_current_that_is_gone_is_named(folder: Path) -> None:
    (folder / "CURRENT").write_text("20260101-000000-dddddd\n")
    with pytest.raises(BundleError, match="which is no bundle"):
        versions.current(folder)
    with pytest.raises(BundleError, match="which is no bundle"):
        versions.in_turn(folder)


def test_those_before_are_in_turn_where_the_serving_one_cannot_be(folder: Path) -> None:
    for version in (A, B, C):
        versions.promote(folder, version)
    assert versions.in_turn(folder) == [folder / name for name in (C, B, A)]
    (folder / "CURRENT").write_text("20260101-000000-dddddd\n")
    assert versions.in_turn(folder) == [folder / name for name in (B, A)]
