"""Opens a bundle: verifies every byte of it, maps its arrays, starts its graphs.

An object that exists works: whatever does not fit raises BundleError while opening. Serving adds to this what
the layers above know (features, index); the reader itself knows arrays, ids and graphs.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bundle.columns import BytesColumn, load_array
from bundle.durable import sha256
from bundle.graph import Graph, OnnxGraph, Tensor, check_tensors
from bundle.manifest import NAME, REQUIRED, Manifest, read_manifest
from bundle.probes import replay, replay_part
from bundle.proposals import Proposals, Table, check_rows
from bundle.space import ContentSpace
from bundle.tabular import Tabular
from catalog.errors import BundleError
from catalog.records import Floats, IdMap, Ints

Int32s = NDArray[np.int32]


@dataclass(frozen=True, slots=True)
class Content:
    """What the encoders made of the items: unit vectors, zeros where the mask says that there is nothing."""

    text: Floats
    """[n, Dt]"""
    image: Floats
    """[n, Di]"""
    mask: NDArray[np.bool_]
    """[n, 2]: has a text, has a picture."""


@dataclass(frozen=True, slots=True)
class Places:
    """Where n items lie in the spaces in which they are compared by content."""

    spaces: tuple[ContentSpace, ContentSpace]
    """Of texts, of pictures."""
    lengths: Floats
    """[n, 2] `ContentSpace.lengths` of text and picture."""


@dataclass(frozen=True, slots=True)
class Bundle:
    """One model version, open: n items, vectors of D numbers. Arrays are read-only maps of the files."""

    path: Path
    manifest: Manifest
    user_tower: Graph
    item_tower: Graph
    ranker: Graph
    scorer: Graph
    """The part of the ranker that computes `score` alone."""
    items: IdMap
    users: IdMap
    """Users with an id embedding; the user in row r feeds `user_row` r + 1."""
    metadata: BytesColumn
    """One JSON object per item, as bytes ready to be sent."""
    available: NDArray[np.bool_]
    tokens: Int32s
    numeric: Floats
    embedding_rows: Int32s
    popularity: Floats
    vectors: Floats
    popular: Int32s
    item_item_rows: Int32s
    item_item_weights: Floats
    successor_rows: Int32s
    """[n, s] what is taken soon after each item, -1 padded; s is 0 in bundles that were written without."""
    successor_weights: Floats
    alike_rows: Int32s
    """[n, a] what reads and looks alike, likewise."""
    alike_weights: Floats
    tabular: Tabular | None
    """What a tabular ranker reads; None where the ranker reads users and items."""
    proposals: Proposals
    """What further candidate sources propose from."""
    categories: Mapping[str, Ints]
    """Rows per category value, rising."""
    content: Content | None
    """None in bundles that were written without."""
    places: Places | None
    """How alike the items are by content; None in bundles without content vectors, or without their space."""
    words: Path | None
    """Folder of the index of words that `index.words` opens; None in bundles without."""
    text_encoder: Path | None
    """Folder of the exported encoder that `embeddings.onnx_text` opens; None in bundles without."""
    image_encoder: Path | None
    """The same for `embeddings.onnx_image`."""

    @classmethod
    def open(cls, path: Path, *, verify: bool = True, threads: int = 1) -> Bundle:
        """Open a bundle folder.

        Args:
            path: `bundles/<dataset>/<version>`.
            verify: compare every file with its hash; only a caller that has just done so may leave it out.
            threads: intra-op threads of each graph.

        Raises:
            BundleError: anything is missing, extra, changed, of another version or of an unknown format.
        """
        path = Path(path)
        manifest = read_manifest(path)
        _check_files(path, manifest, verify)
        _check_feature_version(path, manifest)
        n, dim = manifest.counts.items, manifest.dims.vector
        items = _ids(path / "items", n)
        users = _ids(path / "users", None)
        metadata = BytesColumn.open(path / "items", "metadata")
        if len(metadata) != n:
            raise BundleError(f"expected metadata of {n} items in {path}, found {len(metadata)}")
        graphs: dict[str, Any] = {name: OnnxGraph.open(path / file, threads) for name, file in GRAPHS.items()}
        successor, alike = Table.open(path, "successor", n), Table.open(path, "alike", n)
        bundle = cls(
            path=path, manifest=manifest, **graphs, items=items, users=users, metadata=metadata,
            available=load_array(path / "items/available.npy", np.bool_, (n,)),
            tokens=load_array(path / "items/tokens.npy", np.int32, (n, None)),
            numeric=load_array(path / "items/numeric.npy", np.float32, (n, None)),
            embedding_rows=load_array(path / "items/embedding_rows.npy", np.int32, (n,)),
            popularity=load_array(path / "items/popularity.npy", np.float32, (n,)),
            vectors=load_array(path / "vectors.npy", np.float32, (n, dim)),
            popular=load_array(path / "neighbours/popular.npy", np.int32, (None,)),
            item_item_rows=load_array(path / "neighbours/item_item.rows.npy", np.int32, (n, None)),
            item_item_weights=load_array(path / "neighbours/item_item.weights.npy", np.float32, (n, None)),
            successor_rows=successor.rows, successor_weights=successor.weights,
            alike_rows=alike.rows, alike_weights=alike.weights, proposals=Proposals.open(path, n),
            tabular=Tabular.open(path, n),
            categories=_categories(path / "items/categories.json", n),
            content=_content(path / "content", manifest), places=_places(path / "content", manifest),
            words=path / "words" if (path / "words").is_dir() else None,
            text_encoder=_encoder(path, "text", manifest.encoders.text, manifest.dims.text),
            image_encoder=_encoder(path, "image", manifest.encoders.image, manifest.dims.image),
        )  # fmt: skip
        bundle._check_arrays()
        bundle._check_graphs()
        return bundle

    @property
    def version(self) -> str:
        """The one name of everything in it."""
        return self.manifest.version

    @property
    def graphs(self) -> dict[str, Graph]:
        """The three networks by name."""
        return {"user_tower": self.user_tower, "item_tower": self.item_tower, "ranker": self.ranker}

    def replay_probes(self) -> dict[str, float]:
        """Largest drift per graph; BundleError where one exceeds `probes.TOLERANCE`."""
        path = self.path / "probes.npz"
        return {**replay(path, self.graphs), "scorer": replay_part(path, "ranker", self.scorer)}

    def _check_arrays(self) -> None:
        n = len(self.items)
        check_rows(self.path / "neighbours/popular.npy", self.popular, 0, n)
        check_rows(self.path / "neighbours/item_item.rows.npy", self.item_item_rows, -1, n)
        if not np.isfinite(self.vectors).all():
            raise BundleError(
                f"expected finite numbers in {self.path / 'vectors.npy'}, found NaN or infinity"
            )

    def _check_graphs(self) -> None:
        dims = self.manifest.dims
        tokens, numbers = self.tokens.shape[1], self.numeric.shape[1]
        whole, real = np.int32, np.float32
        user = {"user_row": Tensor(whole, (None,)), "user_tokens": Tensor(whole, (None, None))}
        item = {
            "item_row": Tensor(whole, (None,)),
            "item_tokens": Tensor(whole, (None, tokens)),
            "item_numeric": Tensor(real, (None, numbers)),
        }
        history = {
            "history_vectors": Tensor(real, (None, dims.history, dims.vector)),
            "history_types": Tensor(whole, (None, dims.history)),
            "history_values": Tensor(real, (None, dims.history)),
            "history_gaps": Tensor(whole, (None, dims.history)),
        }
        content = {
            "text": Tensor(real, (None, dims.text)),
            "image": Tensor(real, (None, dims.image)),
            "content_mask": Tensor(real, (None, 2)),
        }
        pair = {
            "user_vector": Tensor(real, (None, dims.vector)),
            "rated_rows": Tensor(whole, (None, None)),
            "rated_values": Tensor(real, (None, None)),
            "item_vector": Tensor(real, (None, dims.vector)),
            "cross": Tensor(real, (None, None)),
        }
        ranked = user | item | pair
        if self.tabular is not None:
            ranked = {"features": Tensor(real, (None, len(self.tabular.card.features)))}
        heads: dict[str, Tensor] = {head: Tensor(real, (None,)) for head in self.manifest.heads}
        vector = Tensor(real, (None, dims.vector))
        checks: list[tuple[str, Graph, dict[str, Tensor], dict[str, Tensor]]] = [
            ("user_tower", self.user_tower, user | history, {"user_vector": vector}),
            ("item_tower", self.item_tower, item | content, {"item_vector": vector}),
            ("ranker", self.ranker, ranked, heads),
            ("scorer", self.scorer, ranked, {"score": heads["score"]}),
        ]
        for name, graph, inputs, outputs in checks:
            check_tensors(graph, self.path / GRAPHS[name], inputs, outputs)


GRAPHS = {
    "user_tower": "user_tower.onnx", "item_tower": "item_tower.onnx", "ranker": "ranker.onnx",
    "scorer": "ranker_score.onnx",
}  # fmt: skip
ENCODER_FILES = {"text": "config.json", "image": "preprocess.json"}
"""Where an exported encoder says which it is."""


def _check_files(folder: Path, manifest: Manifest, verify: bool) -> None:
    if folder.name != manifest.version and not folder.name.startswith("."):
        raise BundleError(
            f"expected the folder {folder} to bear the version of its manifest, found {manifest.version}; "
            "a bundle is never renamed"
        )
    found: set[str] = set()
    for place, folders, files in os.walk(folder):
        for name in [*folders, *files]:
            path = Path(place, name)
            if path.is_symlink() or not (path.is_file() or path.is_dir()):
                raise BundleError(f"expected plain files and folders in {folder}, found {path}; remove it")
        found |= {Path(place, name).relative_to(folder).as_posix() for name in files}
    found.discard(NAME)
    named = set(manifest.files)
    if found != named or not named >= set(REQUIRED):
        raise BundleError(
            f"expected in {folder} exactly the files that its manifest names; missing: "
            f"{sorted((named | set(REQUIRED)) - (found & named))}, extra: {sorted(found - named)}; "
            "build the bundle again"
        )
    for name, entry in manifest.files.items():
        path = folder / name
        size = path.stat().st_size
        if size != entry.bytes or (verify and sha256(path) != entry.sha256):
            found_instead = "as many with another hash" if size == entry.bytes else f"{size} bytes"
            raise BundleError(
                f"expected {entry.bytes} bytes with sha256 {entry.sha256[:12]}… in {path}, found "
                f"{found_instead}; the file was changed: build the bundle again"
            )


def _check_feature_version(folder: Path, manifest: Manifest) -> None:
    path = folder / "features.json"
    try:
        document = json.loads(path.read_bytes())
        found = document["version"]
    except (ValueError, KeyError, TypeError) as exc:
        raise BundleError(f"expected a feature space with a version in {path}, found {exc!r}") from exc
    if found != manifest.version:
        raise BundleError(
            f"expected features of version {manifest.version} in {path}, found {found!r}; "
            "the bundle mixes versions: build it again"
        )


def _ids(folder: Path, count: int | None) -> IdMap:
    names = BytesColumn.open(folder, "ids").strings(folder / "ids.bin")
    if len(set(names)) != len(names) or (count is not None and len(names) != count):
        raise BundleError(
            f"expected {len(names) if count is None else count} different ids in {folder}, "
            f"found {len(set(names))} different among {len(names)}; build the bundle again"
        )
    return IdMap.of(names)


def _content(folder: Path, manifest: Manifest) -> Content | None:
    if not folder.is_dir():
        return None
    n, dims = manifest.counts.items, manifest.dims
    return Content(
        load_array(folder / "text.npy", np.float32, (n, dims.text)),
        load_array(folder / "image.npy", np.float32, (n, dims.image)),
        load_array(folder / "mask.npy", np.bool_, (n, 2)),
    )


def _places(folder: Path, manifest: Manifest) -> Places | None:
    if not (folder / "lengths.npy").is_file():
        return None
    n, dims = manifest.counts.items, manifest.dims
    spaces = ContentSpace.load(folder, "text", dims.text), ContentSpace.load(folder, "image", dims.image)
    return Places(spaces, load_array(folder / "lengths.npy", np.float32, (n, 2)))


def _encoder(bundle: Path, modality: str, name: str | None, dim: int) -> Path | None:
    """The folder of an encoder, which must be the one whose vectors the item tower was trained on."""
    folder = bundle / f"{modality}_encoder"
    if not folder.is_dir():
        return None
    path = folder / ENCODER_FILES[modality]
    try:
        document = json.loads(path.read_bytes())
        found, width = document["name"], document["dim"]
    except (OSError, ValueError, KeyError, TypeError) as exc:
        raise BundleError(f"expected an exported encoder in {folder}, found {exc!r}; build it again") from exc
    # The int8 form of an encoder bears its name and a suffix.
    if name is None or found not in (name, f"{name}:int8") or width != dim:
        raise BundleError(
            f"expected the encoder {name} of {dim} numbers in {folder}, found {found!r} of {width}; "
            "the bundle mixes versions: build it again"
        )
    return folder


def _categories(path: Path, n: int) -> dict[str, Ints]:
    try:
        document = json.loads(path.read_bytes())
        rows = {str(name): np.array(rows, np.int64).reshape(-1) for name, rows in document.items()}
    except (ValueError, TypeError, AttributeError) as exc:
        raise BundleError(f"expected lists of rows by category in {path}, found {exc!r}") from exc
    for name, one in rows.items():
        if len(one) and (one.min() < 0 or one.max() >= n):
            raise BundleError(f"expected rows below {n} in {path}, found others under {name!r}")
    return rows
