"""Writes a bundle so that it is there whole or not at all.

    with BundleWriter(folder, version) as writer:
        writer.graph("user_tower", onnx_bytes)
        ...
        path = writer.seal(created=…, dataset=…, …)

Files go into a hidden folder beside the versions; `seal` hashes and syncs them, writes the manifest last
and renames the folder. Killed before the rename, nothing of the name exists; left without `seal`, the folder
is removed.
"""

from __future__ import annotations

import json
import os
import re
import secrets
import shutil
import time
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from math import isfinite
from pathlib import Path
from types import TracebackType
from typing import Any, Literal, Self

import numpy as np
from pydantic import JsonValue

from bundle.columns import write_bytes_column
from bundle.durable import sha256, sync
from bundle.manifest import (
    NAME,
    REQUIRED,
    VERSION_PATTERN,
    Counts,
    Dims,
    Encoders,
    FileEntry,
    Head,
    IndexInfo,
    Manifest,
    RankBy,
)  # fmt: skip
from bundle.probes import Probe, write_probes
from bundle.proposals import TableName, Trends
from bundle.space import ContentSpace
from catalog.errors import BundleError
from catalog.records import Floats, Ints, Item
from catalog.schema import DatasetSchema

STALE = 86_400.0
"""Seconds after which an unfinished folder is taken for a killed writer's and removed."""


def new_version(now: datetime | None = None) -> str:
    """A fresh version name, `YYYYMMDD-HHMMSS-xxxxxx`; names sort by time."""
    return (now or datetime.now(UTC)).strftime("%Y%m%d-%H%M%S-") + secrets.token_hex(3)


class BundleWriter:
    """Collects the files of one version and seals them."""

    def __init__(self, folder: Path, version: str) -> None:
        """Prepare to write `folder/version`; `folder` holds all versions of one data set."""
        if not re.match(VERSION_PATTERN, version):
            raise BundleError(f"expected a version like {new_version()}, found {version!r}")
        self.target = folder / version
        self.version = version
        self._folder = folder / f".writing-{version}-{os.getpid()}"
        self._items: int | None = None

    def __enter__(self) -> Self:
        if self.target.exists():
            raise BundleError(f"{self.target} exists, and a bundle is never changed; write a new version")
        self.target.parent.mkdir(parents=True, exist_ok=True)
        for left in self.target.parent.glob(".writing-*"):
            if time.time() - left.stat().st_mtime > STALE:
                shutil.rmtree(left, ignore_errors=True)
        self._folder.mkdir()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        shutil.rmtree(self._folder, ignore_errors=True)

    def path(self, name: str) -> Path:
        """Where to write a file of the bundle oneself: `space.save(writer.path("features.json"))`."""
        path = self._folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        return path

    def graph(self, name: str, onnx: bytes) -> None:
        """Add `user_tower`, `item_tower` or `ranker`, serialised.

        Of the ranker the part that `score` needs is written beside the whole: onnxruntime computes every output
        of a graph, and recommendations need no predicted ratings.
        """
        self.path(f"{name}.onnx").write_bytes(onnx)
        if name == "ranker":
            self.path("ranker_score.onnx").write_bytes(part_of(onnx, ["score"]))

    def items(
        self,
        items: Sequence[Item],
        schema: DatasetSchema,
        *,
        tokens: np.ndarray[Any, Any],
        numeric: np.ndarray[Any, Any],
        embedding_rows: np.ndarray[Any, Any],
        popularity: np.ndarray[Any, Any],
    ) -> None:
        """Add the catalogue in row order.

        Args:
            items: n records; ids, metadata, availability and categories are taken from them.
            schema: names the feature that `category=` filters by.
            tokens: `[n, Pi]`; numeric: `[n, K]`, as `FeatureSpace.item_inputs` makes them.
            embedding_rows: `[n]` row of the id embedding, 0 for untrained items.
            popularity: `[n]` events in training.
        """
        self._items = len(items)
        folder = self.path("items/ids.bin").parent
        write_bytes_column(folder, "ids", (item.item_id.encode() for item in items))
        write_bytes_column(folder, "metadata", (metadata(item) for item in items))
        self._array("items/available.npy", np.array([item.available for item in items], bool), np.bool_, 1)
        self._array("items/tokens.npy", tokens, np.int32, 2)
        self._array("items/numeric.npy", numeric, np.float32, 2)
        self._array("items/embedding_rows.npy", embedding_rows, np.int32, 1)
        self._array("items/popularity.npy", popularity, np.float32, 1)
        text = json.dumps(categories(items, schema.category), ensure_ascii=False, separators=(",", ":"))
        self.path("items/categories.json").write_text(text, "utf-8")

    def users(self, ids: Sequence[str]) -> None:
        """Add the ids of users that have an id embedding; the user in row r feeds `user_row` r + 1."""
        write_bytes_column(self.path("users/ids.bin").parent, "ids", (name.encode() for name in ids))

    def vectors(self, vectors: Floats) -> None:
        """Add the item vectors `[n, D]`, rows as in `items`."""
        self._array("vectors.npy", vectors, np.float32, 2)

    def content(self, text: Floats, image: Floats, mask: np.ndarray[Any, Any]) -> None:
        """Add the content vectors that the item tower reads, for search by content; a bundle may go without.

        Args:
            text: `[n, Dt]`, unit length, zeros where there is no text; image: `[n, Di]`, likewise.
            mask: `[n, 2]` whether there is a text, a picture.
        """
        self._array("content/mask.npy", mask, np.bool_, 2)
        lengths = []
        for name, vectors, there in (("text", text, mask[:, 0]), ("image", image, mask[:, 1])):
            self._array(f"content/{name}.npy", vectors, np.float32, 2)
            space = ContentSpace.fit(np.asarray(vectors[there.astype(bool)], np.float32))
            space.save(self.path(f"content/{name}.npy").parent, name)
            lengths.append(space.lengths(np.asarray(vectors, np.float32)))
        self._array("content/lengths.npy", np.stack(lengths, axis=1), np.float32, 2)

    def encoder(self, modality: Literal["text", "image"], folder: Path) -> None:
        """Add an exported content encoder, so that serving reads texts or looks at pictures; a bundle may go without.

        Files are linked where the disk allows it: exports are never changed, only written anew.
        """
        for source in sorted(path for path in folder.iterdir() if path.is_file()):
            target = self.path(f"{modality}_encoder/{source.name}")
            try:
                target.hardlink_to(source)
            except OSError:  # another disk, or one that knows no links
                shutil.copyfile(source, target)

    def neighbours(self, popular: Ints, item_item_rows: Ints, item_item_weights: Floats) -> None:
        """Add candidate sources: popular rows best first, co-visited rows and weights `[n, M]`, -1 padded."""
        np.save(self.path("neighbours/popular.npy"), np.asarray(popular, np.int32), allow_pickle=False)
        self._array("neighbours/item_item.rows.npy", item_item_rows, np.int32, 2)
        self._array("neighbours/item_item.weights.npy", item_item_weights, np.float32, 2)

    def table(self, name: TableName, rows: np.ndarray[Any, Any], weights: Floats) -> None:
        """Add one more table of neighbours, rows and weights `[n, m]`, -1 padded; a bundle may go without."""
        self._array(f"neighbours/{name}.rows.npy", rows, np.int32, 2)
        self._array(f"neighbours/{name}.weights.npy", weights, np.float32, 2)

    def trends(self, trends: Trends) -> None:
        """Add what events were worth by item and hour; a bundle may go without."""
        for name in ("rows", "hours", "worth"):
            np.save(self.path(f"neighbours/trending.{name}.npy"), getattr(trends, name), allow_pickle=False)

    def value(self, value: Floats) -> None:
        """Add the best value `[n]`, NaN where it is not known; a bundle may go without."""
        self._array("items/value.npy", value, np.float32, 1)

    def tree(self, parents: Mapping[str, str]) -> None:
        """Add the category above each category; a bundle may go without."""
        text = json.dumps(parents, ensure_ascii=False, separators=(",", ":"))
        self.path("items/tree.json").write_text(text, "utf-8")

    def probes(self, probes: Mapping[str, Probe]) -> None:
        """Add what the training framework answered, one probe per graph."""
        write_probes(self.path("probes.npz"), probes)

    def seal(
        self,
        *,
        dataset: str,
        schema: DatasetSchema,
        dims: Dims,
        counts: Counts,
        heads: Sequence[Head],
        rank_by: RankBy,
        index: IndexInfo,
        shares: Mapping[str, float] | None = None,
        rating_range: tuple[float, float] | None = None,
        encoders: Encoders | None = None,
        metrics: Mapping[str, JsonValue] | None = None,
        training: Mapping[str, JsonValue] | None = None,
    ) -> Path:
        """Hash and sync everything, write the manifest, rename; returns the bundle's final folder.

        Raises:
            BundleError: a required file was never added; nothing is left behind.
        """
        found = sorted(path for path in self._folder.rglob("*") if path.is_file())
        files = {path.relative_to(self._folder).as_posix(): path for path in found}
        missing = sorted(set(REQUIRED) - set(files))
        if missing:
            raise BundleError(
                f"expected {missing} before sealing {self.target}; add them to the writer first"
            )
        manifest = Manifest(
            version=self.version, created=datetime.now(UTC).replace(microsecond=0), dataset=dataset,
            schema=schema, dims=dims, encoders=encoders or Encoders(), counts=counts,
            heads=tuple(heads), rank_by=rank_by, shares=dict(shares or {}), rating_range=rating_range, index=index,
            metrics=dict(metrics or {}), training=dict(training or {}),
            files={n: FileEntry(sha256=sha256(p), bytes=p.stat().st_size) for n, p in files.items()},
        )  # fmt: skip
        for path in found:
            sync(path)
        (self._folder / NAME).write_bytes(manifest.to_json())
        sync(self._folder / NAME)
        for folder in {path.parent for path in found}:
            sync(folder)
        sync(self._folder)
        self._folder.rename(self.target)
        sync(self.target.parent)
        return self.target

    def _array(self, name: str, array: np.ndarray[Any, Any], dtype: Any, axes: int) -> None:
        if array.ndim != axes or (self._items is not None and len(array) != self._items):
            raise BundleError(
                f"expected {axes} axes and {self._items} rows for {name}, found shape {list(array.shape)}"
            )
        np.save(self.path(name), np.ascontiguousarray(array, dtype), allow_pickle=False)


def part_of(onnx: bytes, outputs: Sequence[str]) -> bytes:
    """The part of a serialised graph that some of its outputs need."""
    from onnx import load_from_string
    from onnx.utils import Extractor

    whole = load_from_string(onnx)
    part = Extractor(whole).extract_model([one.name for one in whole.graph.input], list(outputs))
    read = {name for node in part.graph.node for name in node.input}
    unread = [one for one in part.graph.input if one.name not in read]
    for one in unread:
        part.graph.input.remove(one)
    return bytes(part.SerializeToString())


def metadata(item: Item) -> bytes:
    """What an answer shows of an item, serialised once: title, whether it has a picture, features."""
    shown: dict[str, object] = {"title": item.title, "image": item.image is not None}
    for name, value in item.features.items():
        shown.setdefault(name, None if isinstance(value, float) and not isfinite(value) else value)
    return json.dumps(shown, ensure_ascii=False, separators=(",", ":"), allow_nan=False).encode()


def categories(items: Sequence[Item], feature: str | None) -> dict[str, list[int]]:
    """Rows per category value, rising; empty where the data set declares no category."""
    rows: dict[str, list[int]] = {}
    if feature is not None:
        for row, item in enumerate(items):
            value = item.features.get(feature)
            for member in value if isinstance(value, tuple) else () if value is None else (str(value),):
                rows.setdefault(member, []).append(row)
    return rows
