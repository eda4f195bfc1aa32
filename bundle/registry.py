"""The registry: the versions on disk, which of them serves, and the story of each.

`bundle.versions` decides what serves, by a file beside the bundles; the ledger remembers who decided it and why. What
the ledger cannot be told, because its database is away, is a warning in the log and never stops a promotion.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bundle import versions
from bundle.manifest import Manifest, read_manifest
from bundle.reader import Bundle
from catalog.errors import BundleError, StoreError
from catalog.ledger import Change, Entry, Ledger, State

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Model:
    """One version, on disk, in the ledger, or both."""

    version: str
    state: State
    reason: str
    """Why it is in that state, where somebody said."""
    manifest: Manifest | None
    """None of a version whose folder is gone or cannot be read."""
    changes: tuple[Change, ...]
    """What happened to it, oldest first."""
    promoted: bool
    """Whether it is the one that should serve; workers that refuse it go on with the one before."""

    @property
    def metrics(self) -> Mapping[str, Any]:
        """Offline figures of its manifest."""
        return self.manifest.metrics if self.manifest else {}


class Registry:
    """Lists, promotes and refuses the versions of one data set."""

    def __init__(self, folder: Path, ledger: Ledger, *, clock: Callable[[], float] = time.time) -> None:
        """Look after a folder.

        Args:
            folder: of all versions of the data set.
            ledger: where their stories are kept.
            clock: seconds since the epoch.
        """
        self.folder = folder
        self.ledger = ledger
        self._clock = clock

    def models(self) -> list[Model]:
        """All versions, oldest first; from the folder alone where the ledger does not answer."""
        try:
            entries = {entry.version: entry for entry in self.ledger.entries()}
        except StoreError as exc:
            log.warning("listing the models without their stories: %s", exc)
            entries = {}
        on_disk = versions.names(self.folder)
        serving, earlier = versions.serving(self.folder), versions.earlier(self.folder)
        return [
            self._model(name, entries.get(name), name in on_disk, serving, earlier)
            for name in sorted({*on_disk, *entries})
        ]

    def candidate(self, version: str, by: str, reason: str) -> None:
        """Remember that a version was built, or looked at and left as it is, and why."""
        self._tell(version, Change(self._clock(), "candidate", by, reason))

    def verify(self, version: str, by: str) -> Path:
        """Open a version in whole and replay its probes; returns its folder.

        Raises:
            BundleError: there is no such version, or it does not verify, which the ledger is told.
        """
        path = versions.folder_of(self.folder, version)
        try:
            Bundle.open(path).replay_probes()
        except BundleError as exc:
            self.refuse(version, by, str(exc))
            raise
        return path

    def promote(self, version: str, by: str, reason: str = "") -> Path:
        """Make a version that was verified the one that serves; returns its folder.

        Raises:
            BundleError: there is no such version.
        """
        before = versions.serving(self.folder)
        path = versions.promote(self.folder, version)
        if before != version:
            self._switched(before, version, by, reason)
        else:
            self.confirm(version, by)
        return path

    def rollback(self, by: str, reason: str = "") -> Path:
        """Go back to the version that served before; returns its folder.

        Raises:
            BundleError: there is none.
        """
        before = versions.serving(self.folder)
        path = versions.rollback(self.folder)
        self._switched(before, path.name, by, reason or f"rolled back from {before}")
        return path

    def refuse(self, version: str, by: str, reason: str) -> None:
        """Remember that a version did not verify."""
        self._tell(version, Change(self._clock(), "refused", by, reason))

    def confirm(self, version: str, by: str) -> None:
        """Make up for what the ledger was not told: that a version serves."""
        try:
            entry = next((one for one in self.ledger.entries() if one.version == version), None)
        except StoreError as exc:
            log.warning("the registry does not say what serves: %s", exc)
            return
        if entry is None or entry.last is None or entry.last.state != "serving":
            self._tell(version, Change(self._clock(), "serving", by, "found promoted"))

    def _switched(self, before: str | None, version: str, by: str, reason: str) -> None:
        now = self._clock()
        if before is not None:
            self._tell(before, Change(now, "retired", by, f"{version} serves instead"))
        self._tell(version, Change(now, "serving", by, reason))

    def _tell(self, version: str, change: Change) -> None:
        try:
            manifest = read_manifest(self.folder / version)
            created, dataset, metrics = manifest.created.timestamp(), manifest.dataset, manifest.metrics
        except BundleError:  # too damaged to say anything of itself
            created, dataset, metrics = change.at, self.folder.name, {}
        try:
            self.ledger.register(Entry(version, dataset, created, metrics))
            self.ledger.add(version, change)
        except StoreError as exc:
            log.warning("the registry was not told that %s is %s: %s", version, change.state, exc)

    def _model(
        self, name: str, entry: Entry | None, on_disk: bool, serving: str | None, earlier: list[str]
    ) -> Model:
        changes = entry.changes if entry else ()
        last = entry.last if entry else None
        manifest, reason = None, "its folder is gone"
        if on_disk:
            try:
                manifest, reason = read_manifest(self.folder / name), ""
            except BundleError as exc:
                reason = str(exc)
        state: State = "candidate"
        if on_disk and (manifest is None or (last and last.state == "refused")):
            state = "refused"
        elif name == serving:
            state = "serving"
        elif name in earlier or manifest is None or (last and last.state in ("serving", "retired")):
            state = "retired"
        said = last.reason if last and last.state == state else ""
        return Model(name, state, reason or said, manifest, changes, name == serving)
