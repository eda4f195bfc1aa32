"""`embed` and `tune-encoder` as stages: which encoder is used when, and what an aligned one is good for."""

from __future__ import annotations

import logging
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from catalog.errors import ConfigError, NotReadyError
from catalog.importer import import_dataset
from catalog.memory import MemoryStore
from catalog.progress import SILENT
from catalog.records import Item, ItemId
from catalog.simulated.dataset import SimulatedDataset
from catalog.simulated.world import Size
from embeddings.align import current
from embeddings.contrast import Course
from embeddings.exported import exported_folder
from embeddings.job import content_vectors
from embeddings.onnx_image import OnnxImageEncoder
from embeddings.store import MemoryEmbeddingStore
from towerbridge import encoding
from towerbridge.config import Config, Encoders
from towerbridge.workspace import Workspace

SHORT = Course(epochs=1, batch_size=32)


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> MemoryStore:
    """120 items with drawn pictures."""
    store = MemoryStore()
    size = Size(items=120, users=20, events=200)
    import_dataset(SimulatedDataset(size, tmp_path_factory.mktemp("simulated")), store)
    return store


def workspace(home: Path, text: str = "hashing", image: str = "auto") -> Workspace:
    return Workspace(
        Config(home=home, data=home / "no-data", device="cpu", encoders=Encoders(text=text, image=image))
    )


@pytest.fixture(autouse=True)
def no_hub(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")


def test_every_item_gets_its_vectors(shop: MemoryStore, tmp_path: Path) -> None:
    embeddings = MemoryEmbeddingStore()
    done = encoding.embed(workspace(tmp_path, image="hashing"), shop, embeddings, SILENT)
    assert encoding.embedded_in_words(done) == "text 120 of 120 items, image 120 of 120 items"
    assert encoding.embedded_as_json(done)["text"]["encoder"] == "hashing-text:256:1"
    assert content_vectors(list(shop.items()), "image", embeddings).mask.all()


def test_a_modality_that_is_left_out_is_masked(shop: MemoryStore, tmp_path: Path) -> None:
    embeddings = MemoryEmbeddingStore()
    done = encoding.embed(workspace(tmp_path, image="none"), shop, embeddings, SILENT)
    assert encoding.embedded_as_json(done)["image"] == {"encoder": None}
    assert encoding.embedded_in_words(done).endswith("image masked")


def test_nothing_is_embedded_before_it_is_imported(tmp_path: Path) -> None:
    with pytest.raises(NotReadyError, match="not imported yet"):
        encoding.embed(workspace(tmp_path), MemoryStore(), MemoryEmbeddingStore(), SILENT)


@pytest.mark.train
class TestAligned:
    def test_it_is_used_from_then_on(self, shop: MemoryStore, tmp_path: Path) -> None:
        place, embeddings = workspace(tmp_path), MemoryEmbeddingStore()
        found, report = encoding.tune_encoder(place, shop, embeddings, SILENT, SHORT, model="small")
        assert found == current(place.aligned)
        assert report.pairs + report.held_out == 120
        done = encoding.embed(place, shop, embeddings, SILENT)
        assert done["image"][0] == found.name
        exported = OnnxImageEncoder.open(exported_folder(place.encoders, found.name))
        assert (exported.text_space, exported.dim) == ("hashing-text:256:1", 256)
        vectors = content_vectors(list(shop.items()), "image", embeddings).vectors
        np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)
        chosen = encoding.choice(place)
        assert chosen.carried({"text": "hashing-text:256:1", "image": found.name}) == {
            "image": exported_folder(place.encoders, found.name)
        }
        with pytest.raises(NotReadyError):
            chosen.find_image("sbert:another:0:1")  # it is of no use beside another text encoder

    def test_without_any_weights_a_small_one_learns_unasked(
        self,
        shop: MemoryStore,
        tmp_path: Path,
        monkeypatch: pytest.MonkeyPatch,
        caplog: pytest.LogCaptureFixture,
    ) -> None:
        monkeypatch.setattr(encoding, "MINUTES_UNASKED", 0.02)
        embeddings = MemoryEmbeddingStore()
        with caplog.at_level(logging.WARNING):
            done = encoding.embed(workspace(tmp_path), shop, embeddings, SILENT)
        assert "a small network learns from this catalogue" in caplog.text
        assert encoding.embedded_in_words(done) == "text 120 of 120 items, image 120 of 120 items"
        caplog.clear()
        again = encoding.embed(workspace(tmp_path), shop, embeddings, SILENT)
        assert again["image"][0] == done["image"][0]
        assert caplog.text == "", "it has learned"

    def test_a_catalogue_too_small_to_learn_from_is_left_without(
        self, tmp_path: Path, caplog: pytest.LogCaptureFixture, shop: MemoryStore
    ) -> None:
        schema, few = shop.load_schema(), MemoryStore()
        assert schema is not None
        few.save_schema(schema)
        few.put_items([replace(item, image=None) for item in shop.items()])
        with caplog.at_level(logging.WARNING):
            done = encoding.embed(workspace(tmp_path), few, MemoryEmbeddingStore(), SILENT)
        assert encoding.embedded_in_words(done) == "text 120 of 120 items, image masked"
        assert "expected at least 64 items with a readable picture" in caplog.text

    def test_pairs_are_a_sample_that_stays_the_same(
        self, shop: MemoryStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(encoding, "MOST_PAIRS", 50)
        place, embeddings = workspace(tmp_path), MemoryEmbeddingStore()
        encoding.embed(replace_image(place, "none"), shop, embeddings, SILENT)
        text = encoding.choice(place).open_text()
        assert text is not None
        pairs = encoding._pairs(shop, embeddings, text)
        assert len(pairs.sources) == len(pairs.texts) == len(pairs.held_out) == 50
        more = MemoryStore()
        more.put_items([*shop.items(), Item(ItemId("silent")), Item(ItemId("blind"), "a title")])
        again = encoding._pairs(more, embeddings, text)
        assert again.sources == pairs.sources
        np.testing.assert_array_equal(again.texts, pairs.texts)

    def test_texts_must_be_read(self, shop: MemoryStore, tmp_path: Path) -> None:
        with pytest.raises(ConfigError, match=r'encoders\.text = "none"'):
            encoding.tune_encoder(
                workspace(tmp_path, text="none"), shop, MemoryEmbeddingStore(), SILENT, SHORT
            )

    def test_a_network_that_was_asked_for_must_be_there(self, shop: MemoryStore, tmp_path: Path) -> None:
        with pytest.raises(NotReadyError, match="no weights for vit_small"):
            encoding.tune_encoder(
                workspace(tmp_path),
                shop,
                MemoryEmbeddingStore(),
                SILENT,
                SHORT,
                model="vit_small_patch16_224",
            )


def replace_image(place: Workspace, image: str) -> Workspace:
    encoders = place.config.encoders.model_copy(update={"image": image})
    return Workspace(place.config.model_copy(update={"encoders": encoders}))
