"""A bundle opens whole or not at all: every way to damage one is refused with a sentence."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from bundle import probes as probe_files
from bundle.columns import BytesColumn, write_bytes_column
from bundle.graph import OnnxGraph
from bundle.manifest import Manifest, read_manifest
from bundle.reader import Bundle
from bundle.versions import versions
from bundle.writer import BundleWriter, metadata, new_version
from catalog.errors import BundleError
from catalog.records import Item, ItemId
from tests.bundle import senses
from tests.bundle.make import COLD, HIDDEN, HOSTILE, VERSION, N, make_bundle, vectors

GOLDEN = Path(__file__).parents[1] / "bundles" / "format-1"


@pytest.fixture(scope="module")
def sealed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_bundle(tmp_path_factory.mktemp("sealed"))


@pytest.fixture
def copy(sealed: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(sealed, tmp_path / sealed.name))


def resign(folder: Path, change: Callable[[dict[str, Any]], None] | None = None) -> None:
    """Make the manifest fit the files again, as an attacker or a careless script would."""
    document = json.loads((folder / "manifest.json").read_text())
    for name in [name for name in document["files"] if (folder / name).exists()]:
        data = (folder / name).read_bytes()
        document["files"][name] = {"sha256": hashlib.sha256(data).hexdigest(), "bytes": len(data)}
    if change:
        change(document)
    (folder / "manifest.json").write_text(json.dumps(document))


def test_what_was_written_is_read(sealed: Path) -> None:
    bundle = Bundle.open(sealed)
    assert bundle.version == VERSION == sealed.name
    assert [bundle.items.ids[row] for row in HOSTILE] == list(HOSTILE.values())
    assert bundle.items.row("a/b") == 6
    assert bundle.items.row("nobody") == -1
    assert bundle.users.ids == ("u1", "ü/2")
    assert json.loads(bundle.metadata[5]) == {
        "title": "Film 5, The (1995)", "image": False, "color": "green", "tags": ["x", "t2"], "year": 1995.0
    }  # fmt: skip
    assert np.flatnonzero(~bundle.available).tolist() == [HIDDEN]
    assert bundle.embedding_rows[COLD] == 0
    assert bundle.embedding_rows[7] == 8
    np.testing.assert_array_equal(bundle.vectors, vectors())
    assert bundle.categories["green"].tolist() == [r for r in range(N) if r % 4 == 1 and r != 37]
    assert bundle.popular[:3].tolist() == [0, 1, 2]
    assert bundle.replay_probes() == pytest.approx(
        {"user_tower": 0, "item_tower": 0, "ranker": 0, "scorer": 0}, abs=1e-5
    )
    assert set(bundle.scorer.outputs) == {"score"}
    assert not bundle.vectors.flags.writeable


def test_arrays_are_maps_of_the_files(sealed: Path) -> None:
    array = Bundle.open(sealed).vectors
    assert type(array) is np.ndarray
    base: Any = array
    while base.base is not None and not isinstance(base, np.memmap):
        base = base.base
    assert isinstance(base, np.memmap)


def edit_json(name: str, change: Callable[[Any], None]) -> Callable[[Path], None]:
    def damage(folder: Path) -> None:
        document = json.loads((folder / name).read_text())
        change(document)
        (folder / name).write_text(json.dumps(document))

    return damage


def manifest_edit(change: Callable[[dict[str, Any]], None]) -> Callable[[Path], None]:
    return edit_json("manifest.json", change)


def resigned(name: str, write: Callable[[Path], object]) -> Callable[[Path], None]:
    """Replace a file and let the manifest fit it, so that what stands in the file is what is refused."""

    def damage(folder: Path) -> None:
        write(folder / name)
        resign(folder)

    return damage


def save(array: Any) -> Callable[[Path], None]:
    return lambda path: np.save(path, array, allow_pickle=True)


def flip(name: str) -> Callable[[Path], None]:
    def damage(folder: Path) -> None:
        data = bytearray((folder / name).read_bytes())
        data[len(data) // 2] ^= 1
        (folder / name).write_bytes(bytes(data))

    return damage


def link(folder: Path) -> None:
    (folder / "vectors.npy").rename(folder.parent / "outside.npy")
    (folder / "vectors.npy").symlink_to(folder.parent / "outside.npy")


def add_pickle(folder: Path) -> None:
    (folder / "extra.pkl").write_bytes(b"\x80\x04.")


def truncate(folder: Path) -> None:
    data = (folder / "vectors.npy").read_bytes()
    (folder / "vectors.npy").write_bytes(data[:-40])
    resign(folder)


DAMAGE: dict[str, tuple[Callable[[Path], object], str]] = {
    "no manifest": (lambda f: (f / "manifest.json").unlink(), "found no manifest.json"),
    "manifest is not JSON": (lambda f: (f / "manifest.json").write_text("{"), "expected JSON in"),
    "manifest is a list": (lambda f: (f / "manifest.json").write_text("[]"), "expected bundle format 1"),
    "unknown format": (manifest_edit(lambda m: m.update(format=2)), "expected bundle format 1 .* found 2"),
    "unknown key": (manifest_edit(lambda m: m.update(extra=1)), "found at extra"),
    "missing key": (manifest_edit(lambda m: m.pop("dims")), "found at dims"),
    "bad version": (manifest_edit(lambda m: m.update(version="../x")), "found at version"),
    "path out of the folder": (
        manifest_edit(lambda m: m["files"].update({"../x.npy": {"sha256": "0" * 64, "bytes": 1}})),
        r"found at files",
    ),
    "absolute path": (
        manifest_edit(lambda m: m["files"].update({"/etc/passwd": {"sha256": "0" * 64, "bytes": 1}})),
        r"found at files",
    ),
    "a flipped bit in a graph": (flip("ranker.onnx"), "another hash"),
    "a flipped bit in an array": (flip("items/tokens.npy"), "another hash"),
    "a missing file": (lambda f: (f / "probes.npz").unlink(), r"missing: \['probes.npz'\]"),
    "a file that the manifest forgot": (manifest_edit(lambda m: m["files"].pop("probes.npz")), "probes.npz"),
    "an extra file": (lambda f: (f / "x.npy").touch(), r"extra: \['x.npy'\]"),
    "a pickle": (add_pickle, r"extra: \['extra.pkl'\]"),
    "a link": (link, "plain files and folders"),
    "truncated array": (truncate, "expected a plain array"),
    "array of objects": (
        resigned("neighbours/popular.npy", save(np.array([{}], object))), "expected a plain array"
    ),
    "array of another type": (resigned("vectors.npy", save(vectors().astype(np.float64))), "found float64"),
    "array of another width": (resigned("vectors.npy", save(vectors()[:, :3])), r"found float32 \[40, 3\]"),
    "array of another length": (resigned("items/popularity.npy", save(np.ones(3, np.float32))), r"\[3\]"),
    "NaN in vectors": (resigned("vectors.npy", save(vectors() * np.float32("nan"))), "found NaN"),
    "rows beyond the catalogue": (
        resigned("neighbours/popular.npy", save(np.array([N], np.int32))), "expected rows 0 … 39"
    ),
    "categories beyond the catalogue": (
        resigned("items/categories.json", lambda p: p.write_text('{"red": [40]}')), "expected rows below 40"
    ),
    "categories of another kind": (
        resigned("items/categories.json", lambda p: p.write_text('["red"]')), "lists of rows by category"
    ),
    "graph is no graph": (resigned("ranker.onnx", lambda p: p.write_bytes(b"junk")), "expected an ONNX graph"),
    "features of another version": (
        lambda f: (edit_json("features.json", lambda d: d.update(version="20250101-000000-000000"))(f), resign(f)),
        "mixes versions",
    ),
    "features without a version": (
        resigned("features.json", lambda p: p.write_text("{}")), "feature space with a version"
    ),
    "vectors of another width than declared": (
        lambda f: resign(f, lambda m: m["dims"].update(vector=5)), r"expected float32 \[40, 5\]"
    ),
    "history of another length than declared": (
        lambda f: resign(f, lambda m: m["dims"].update(history=7)), "expected history_"
    ),
    "a head that the graph has not": (
        lambda f: shutil.copy(f / "item_tower.onnx", f / "ranker_score.onnx") and resign(f), "strange inputs"
    ),
    "ids that do not fit their offsets": (
        resigned("items/ids.bin", lambda p: p.write_bytes(b"short")), "expected rising offsets"
    ),
    "ids that are not text": (
        resigned("users/ids.bin", lambda p: p.write_bytes(b"\xff" * p.stat().st_size)), "expected UTF-8 ids"
    ),
    "a renamed folder": (lambda f: f.rename(f.parent / "other"), "bear the version"),
}  # fmt: skip


@pytest.mark.parametrize("damage", DAMAGE)
def test_a_damaged_bundle_is_refused(damage: str, copy: Path) -> None:
    change, message = DAMAGE[damage]
    change(copy)
    left = copy if copy.exists() else copy.parent / "other"
    with pytest.raises(BundleError, match=message):
        Bundle.open(left)


def test_a_drifted_graph_is_refused(copy: Path) -> None:
    bundle = Bundle.open(copy)
    probe = probe_files.read_probes(copy / "probes.npz")
    probe["ranker"].outputs["rating"] = probe["ranker"].outputs["rating"] + np.float32(0.002)  # type: ignore[index]
    probe_files.write_probes(copy / "probes.npz", probe)
    with pytest.raises(BundleError, match=r"rating off by 0\.002"):
        bundle.replay_probes()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda p: p.pop("ranker"), "expected probes of ranker"),
        (lambda p: p["ranker"].outputs.update(score=np.full(2, np.nan, np.float32)), "score off by nan"),
        (lambda p: p["ranker"].outputs.update(score=np.zeros(3, np.float32)), r"expected score \[3\]"),
        (lambda p: p["ranker"].inputs.pop("cross"), r"expected inputs .*cross"),
    ],
    ids=["missing", "nan", "shape", "input"],
)
def test_probes_that_do_not_fit_are_refused(
    change: Callable[[dict[str, Any]], object], message: str, copy: Path
) -> None:
    probe = probe_files.read_probes(copy / "probes.npz")
    bundle = Bundle.open(copy)
    change(probe)
    probe_files.write_probes(copy / "probes.npz", probe)
    with pytest.raises(BundleError, match=message):
        bundle.replay_probes()


def test_the_score_graph_is_the_rankers_own_score(sealed: Path) -> None:
    whole, part = OnnxGraph.open(sealed / "ranker.onnx"), OnnxGraph.open(sealed / "ranker_score.onnx")
    feeds = probe_files.read_probes(sealed / "probes.npz")["ranker"].inputs
    assert set(part.inputs) == {"cross"}
    np.testing.assert_array_equal(part.run(feeds)["score"], whole.run(feeds)["score"])


def test_shapes_that_a_graph_refuses_are_named(sealed: Path) -> None:
    graph = OnnxGraph.open(sealed / "ranker_score.onnx")
    with pytest.raises(BundleError, match=r"refused inputs of shapes \{'cross': \[2, 5\]\}"):
        graph.run({"cross": np.zeros((2, 5), np.float32)})


def test_leaving_without_sealing_leaves_nothing(tmp_path: Path) -> None:
    with BundleWriter(tmp_path, VERSION) as writer:
        writer.vectors(vectors())
    assert list(tmp_path.iterdir()) == []


def test_sealing_too_early_is_refused(tmp_path: Path, sealed: Path) -> None:
    manifest = read_manifest(sealed)
    with (
        BundleWriter(tmp_path, VERSION) as writer,
        pytest.raises(BundleError, match=r"ranker\.onnx.*before sealing"),
    ):
        writer.seal(
            dataset="tiny", schema=manifest.dataset_schema, dims=manifest.dims, counts=manifest.counts,
            heads=["score"], rank_by="ranker", index=manifest.index,
        )  # fmt: skip
    assert list(tmp_path.iterdir()) == []


def test_a_version_is_never_overwritten(sealed: Path) -> None:
    with pytest.raises(BundleError, match="a bundle is never changed"):
        make_bundle(sealed.parent)


def test_rows_that_do_not_match_are_refused(tmp_path: Path) -> None:
    with BundleWriter(tmp_path, VERSION) as writer:
        writer._items = 3
        with pytest.raises(BundleError, match=r"3 rows for vectors\.npy"):
            writer.vectors(vectors())


@pytest.mark.parametrize("delay", [0.0, 0.02, 0.05, 0.1, 0.2])
def test_a_killed_writer_leaves_nothing_that_opens(delay: float, tmp_path: Path) -> None:
    """Killed at any moment: there is no bundle, or a whole one."""
    code = (
        "import sys; from pathlib import Path; from tests.bundle.make import make_bundle; "
        "print('ready', flush=True); make_bundle(Path(sys.argv[1]))"
    )
    process = subprocess.Popen([sys.executable, "-c", code, str(tmp_path)], stdout=subprocess.PIPE)
    assert process.stdout is not None
    process.stdout.readline()
    time.sleep(delay)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    assert {path.name for path in tmp_path.iterdir() if not path.name.startswith(".writing-")} <= {VERSION}
    for one in versions(tmp_path):
        Bundle.open(one.path).replay_probes()


def test_a_stale_unfinished_folder_is_cleared(tmp_path: Path) -> None:
    old, young = tmp_path / ".writing-old-1", tmp_path / ".writing-young-1"
    old.mkdir()
    young.mkdir()
    os.utime(old, (0, 0))
    with BundleWriter(tmp_path, VERSION):
        assert not old.exists()
        assert young.exists()


def test_versions_are_named_by_time() -> None:
    assert Manifest.model_fields["version"].metadata
    first = new_version()
    assert len(first) == len("YYYYMMDD-HHMMSS-xxxxxx")
    with pytest.raises(BundleError, match="expected a version like"):
        BundleWriter(Path("/nowhere"), "v1")


def test_metadata_is_json_whatever_the_features_hold() -> None:
    item = Item(ItemId("x"), 'a "title" 🎬', features={"year": float("nan"), "title": "other", "n": None})
    assert json.loads(metadata(item)) == {"title": 'a "title" 🎬', "image": False, "year": None, "n": None}


def test_columns_of_bytes(tmp_path: Path) -> None:
    write_bytes_column(tmp_path, "x", [b"one", b"", "zwei 🎬".encode()])
    column = BytesColumn.open(tmp_path, "x")
    assert [column[i] for i in range(len(column))] == [b"one", b"", "zwei 🎬".encode()]
    write_bytes_column(tmp_path, "none", [])
    assert len(BytesColumn.open(tmp_path, "none")) == 0


def test_content_vectors_are_optional_but_whole(tmp_path: Path, sealed: Path) -> None:
    assert Bundle.open(sealed).content is None
    path = senses.make_sensing_bundle(tmp_path)
    found = Bundle.open(path).content
    assert found is not None
    for written, read in zip(senses.content(), (found.text, found.image, found.mask), strict=True):
        np.testing.assert_array_equal(written, read)
    assert np.argwhere(~found.mask).tolist() == [[senses.SILENT, 0], [senses.BLIND, 1]]
    np.save(path / "content/text.npy", senses.content()[0][:, 1:])
    resign(path)
    with pytest.raises(BundleError, match=r"expected float32 \[48, 96\] in .*text\.npy"):
        Bundle.open(path)
    (path / "content/text.npy").unlink()
    resign(path, lambda m: m["files"].pop("content/text.npy"))
    with pytest.raises(BundleError, match=r"expected a plain array in .*text\.npy"):
        Bundle.open(path)


def test_the_golden_bundle_of_format_1_still_opens() -> None:
    """Bundles outlive the code that wrote them: this one was written by the first release."""
    (path,) = GOLDEN.iterdir()
    bundle = Bundle.open(path)
    assert max(bundle.replay_probes().values()) < 1e-3
    assert len(bundle.items) == N
