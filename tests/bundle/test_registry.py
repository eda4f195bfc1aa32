"""The registry: states follow from the file on disk and the ledger, and a ledger that is away stops nothing."""

from __future__ import annotations

import shutil
from itertools import count
from pathlib import Path

import pytest

from bundle import versions
from bundle.registry import Registry
from catalog.errors import BundleError, StoreError
from catalog.ledger import Change, Entry, MemoryLedger
from tests.bundle.make import make_bundle

A, B, C = "20260101-000000-aaaaaa", "20260102-000000-bbbbbb", "20260103-000000-cccccc"


@pytest.fixture(scope="module")
def sealed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("sealed")
    for version in (A, B, C):
        make_bundle(folder, version)
    return folder


@pytest.fixture
def registry(sealed: Path, tmp_path: Path) -> Registry:
    """Three versions in `tiny`; the clock ticks once with every change."""
    ticks = count(1)
    return Registry(
        Path(shutil.copytree(sealed, tmp_path / "tiny")), MemoryLedger(), clock=lambda: float(next(ticks))
    )


def states(registry: Registry) -> list[str]:
    return [model.state for model in registry.models()]


def test_a_story_is_told_from_candidate_to_retired_and_back(registry: Registry) -> None:
    assert states(registry) == ["candidate"] * 3
    registry.promote(A, "cli")
    registry.candidate(B, "schedule", "ndcg@10 fell by 12 %")
    registry.promote(C, "http", "better")
    assert states(registry) == ["retired", "candidate", "serving"]
    first, second, third = registry.models()
    assert [change.state for change in first.changes] == ["serving", "retired"]
    assert (first.reason, second.reason, third.reason) == (
        f"{C} serves instead", "ndcg@10 fell by 12 %", "better",
    )  # fmt: skip
    assert registry.rollback("cli").name == A
    assert states(registry) == ["serving", "candidate", "retired"]
    assert registry.models()[0].reason == f"rolled back from {C}"
    assert third.changes == (Change(3.0, "serving", "http", "better"),)


def test_promoting_what_serves_changes_nothing(registry: Registry) -> None:
    registry.promote(A, "cli")
    registry.promote(A, "cli")
    assert len(registry.models()[0].changes) == 1


def test_a_version_that_does_not_verify_is_refused_with_the_reason(registry: Registry) -> None:
    registry.promote(A, "cli")
    (registry.folder / B / "vectors.npy").write_bytes(b"\0" * 64)
    with pytest.raises(BundleError, match=r"vectors\.npy"):
        registry.verify(B, "http")
    refused = registry.models()[1]
    assert refused.state == "refused"
    assert "vectors.npy" in refused.reason
    assert versions.serving(registry.folder) == A
    assert registry.verify(A, "http") == registry.folder / A


def test_one_that_was_promoted_and_refused_serves_once_it_is_mended(registry: Registry) -> None:
    vectors = registry.folder / A / "vectors.npy"
    whole = vectors.read_bytes()
    registry.promote(A, "cli")
    vectors.write_bytes(b"")
    registry.refuse(A, "worker", "vectors.npy was changed")
    assert (states(registry)[0], registry.models()[0].promoted) == ("refused", True)
    vectors.write_bytes(whole)
    registry.verify(A, "cli")
    registry.promote(A, "cli")
    assert [change.state for change in registry.models()[0].changes] == ["serving", "refused", "serving"]
    assert states(registry)[0] == "serving"


def test_a_version_that_is_not_there_is_not_found(registry: Registry) -> None:
    for asked in (registry.verify, registry.promote):
        with pytest.raises(BundleError, match="expected one of the versions"):
            asked("20260109-000000-ffffff", "cli")
    assert len(registry.models()) == 3


def test_damaged_and_vanished_versions_are_listed_too(registry: Registry) -> None:
    registry.ledger.register(Entry("20250101-000000-aaaaaa", "tiny", 5.0))
    (registry.folder / B / "manifest.json").write_text("{")
    gone, _, damaged, _ = registry.models()
    assert (gone.state, gone.reason, gone.manifest) == ("retired", "its folder is gone", None)
    assert (damaged.state, damaged.manifest) == ("refused", None)
    assert "JSON" in damaged.reason


def test_a_promotion_that_the_ledger_was_not_told_of_is_made_up_for(registry: Registry) -> None:
    versions.promote(registry.folder, B)
    for _ in range(3):
        registry.confirm(B, "worker")
    assert [(one.state, one.by) for one in registry.models()[1].changes] == [("serving", "worker")]
    registry.promote(A, "cli")
    registry.confirm(A, "worker")
    assert [one.by for one in registry.models()[0].changes] == ["cli"]


class Away(MemoryLedger):
    """A ledger whose database does not answer."""

    def register(self, entry: Entry) -> None:
        raise StoreError("no MongoDB server answered")

    def entries(self) -> list[Entry]:
        raise StoreError("no MongoDB server answered")


def test_without_the_ledger_versions_are_promoted_and_listed(
    registry: Registry, caplog: pytest.LogCaptureFixture
) -> None:
    alone = Registry(registry.folder, Away())
    alone.promote(A, "cli")
    alone.promote(B, "cli")
    assert states(alone) == ["retired", "serving", "candidate"]
    assert "the registry was not told" in caplog.text
