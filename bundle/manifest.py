"""`manifest.json`: what a bundle says about itself.

Written last, so a folder without one is not a bundle. It names every other file with its hash; what a
manifest does not name does not belong to the bundle. It knows nothing of how the files are read.
"""

from __future__ import annotations

import json
from datetime import datetime
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, JsonValue, ValidationError

from catalog.errors import BundleError
from catalog.schema import DatasetSchema

FORMAT = 1
"""The layout that this code writes; it reads every format from 1 up to this one."""
NAME = "manifest.json"
VERSION_PATTERN = r"^\d{8}-\d{6}-[0-9a-f]{6}$"
PATH_PATTERN = r"^[a-z0-9_]+(/[a-z0-9_]+)*(\.[a-z0-9_]+)+$"
"""Relative, lower case, no `..`, no leading slash, no hidden names: nothing that could leave the folder."""
MAX_BYTES = 4 * 1024 * 1024

REQUIRED = (
    "user_tower.onnx", "item_tower.onnx", "ranker.onnx", "ranker_score.onnx", "features.json", "probes.npz",
    "items/ids.bin", "items/ids.offsets.npy", "items/metadata.bin", "items/metadata.offsets.npy",
    "items/embedding_rows.npy", "items/tokens.npy", "items/numeric.npy", "items/popularity.npy",
    "items/available.npy", "items/categories.json", "users/ids.bin", "users/ids.offsets.npy",
    "vectors.npy", "index.faiss", "neighbours/popular.npy",
    "neighbours/item_item.rows.npy", "neighbours/item_item.weights.npy",
)  # fmt: skip
"""Files that every bundle of format 1 has; a manifest may name more (encoders, further candidate sources)."""


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class FileEntry(_Part):
    """Identity of one file."""

    sha256: str = Field(pattern=r"^[0-9a-f]{64}$")
    bytes: int = Field(ge=0)


class Dims(_Part):
    """Widths of the arrays that go in and out of the graphs."""

    vector: int = Field(ge=1)
    text: int = Field(ge=0)
    image: int = Field(ge=0)
    history: int = Field(ge=1)


class Encoders(_Part):
    """Names of the content encoders whose vectors the item tower was trained on; None where masked."""

    text: str | None = None
    image: str | None = None


class Counts(_Part):
    """How much the model was trained on."""

    items: int = Field(ge=0)
    users: int = Field(ge=0)
    interactions: int = Field(ge=0)


class IndexInfo(_Part):
    """The kind of vector index, and its measured recall against exact search."""

    kind: Literal["flat", "hnsw"]
    recall_at_100: float = Field(ge=0, le=1)


Head = Literal["score", "rating"]
RankBy = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]*$")]
"""`ranker`, `retrieval` (the order of the towers), or the name of the one candidate source that decides alone."""
Share = Annotated[float, Field(ge=0, le=1)]


class Manifest(BaseModel):
    """The whole document; unknown keys are refused, so that nothing is silently ignored."""

    model_config = ConfigDict(extra="forbid", frozen=True, validate_by_name=True)

    format: Literal[1] = 1
    version: str = Field(pattern=VERSION_PATTERN)
    created: datetime
    dataset: str
    dataset_schema: DatasetSchema = Field(alias="schema")
    dims: Dims
    metric: Literal["inner_product"] = "inner_product"
    encoders: Encoders = Encoders()
    counts: Counts
    heads: tuple[Head, ...] = Field(min_length=1)
    rank_by: RankBy
    """What orders recommendations: the learned ranker ships as the order only where it lifts."""
    shares: dict[str, Share] = {}
    """The share of the pool that each candidate source fills first; empty: what serving does by itself."""
    rating_range: tuple[float, float] | None = None
    index: IndexInfo
    metrics: dict[str, JsonValue] = {}
    training: dict[str, JsonValue] = {}
    files: dict[Annotated[str, Field(pattern=PATH_PATTERN)], FileEntry]

    def to_json(self) -> bytes:
        """The document as it is written."""
        return (self.model_dump_json(by_alias=True, indent=1) + "\n").encode()


def read_manifest(folder: Path) -> Manifest:
    """The manifest of a bundle folder.

    Raises:
        BundleError: there is none, it is not JSON, its format is unknown or a field is wrong.
    """
    path = folder / NAME
    if not path.is_file():
        raise BundleError(
            f"expected a bundle in {folder}, found no {NAME}; name a folder that `towerbridge build` wrote"
        )
    if path.stat().st_size > MAX_BYTES:
        raise BundleError(f"expected at most {MAX_BYTES} bytes in {path}, found {path.stat().st_size}")
    try:
        document = json.loads(path.read_bytes())
    except ValueError as exc:
        raise BundleError(
            f"expected JSON in {path}, found {exc}; the bundle is damaged, build it again"
        ) from exc
    found = document.get("format") if isinstance(document, dict) else None
    if found != FORMAT:
        raise BundleError(
            f"expected bundle format {FORMAT} in {path}, found {found!r}; "
            "serve it with the Towerbridge that wrote it, or build it again with this one"
        )
    try:
        return Manifest.model_validate_json(path.read_bytes())
    except ValidationError as exc:
        first = exc.errors(include_url=False)[0]
        where = ".".join(str(part) for part in first["loc"])
        raise BundleError(
            f"expected a manifest of format {FORMAT} in {path}, found at {where or 'the top'}: "
            f"{first['msg']} (and {exc.error_count() - 1} more); build the bundle again"
        ) from exc
