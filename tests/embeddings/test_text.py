import numpy as np
import pytest

from catalog.records import Item, ItemId
from embeddings.text import SbertEncoder
from embeddings.vectors import unit
from embeddings.windows import MAX_WINDOWS

pytestmark = pytest.mark.train


class TestSbert:
    def test_canonical_vectors(self, sbert: SbertEncoder) -> None:
        vectors = sbert.encode_texts(
            ["Toy Story (1995). A cowboy doll is threatened by a new spaceman toy.", "Heat"]
        )
        expected = [
            [-0.062160, 0.008500, 0.046894, 0.010327, 0.033623],
            [-0.065017, 0.033546, 0.000268, 0.115027, 0.035437],
        ]
        np.testing.assert_allclose(vectors[:, :5], expected, atol=1e-4)
        assert sbert.name == "sbert:all-minilm-l6-v2:a683a6d1843b:2"
        assert sbert.dim == 384

    def test_short_texts_are_what_sentence_transformers_says(self, sbert: SbertEncoder) -> None:
        texts = ["A heist in Los Angeles", "Toys come alive", "Ein Film über Züge"]
        np.testing.assert_allclose(
            sbert.encode_texts(texts), sbert.model.encode(texts, show_progress_bar=False), atol=1e-5
        )

    def test_long_text_is_the_mean_of_its_windows(self, sbert: SbertEncoder) -> None:
        text = " ".join(f"Scene {number}: the submarine dives." for number in range(60))
        windows = sbert.pieces([text]).texts
        assert len(windows) > 1
        parts = sbert.model.encode(windows, normalize_embeddings=True, show_progress_bar=False)
        mean = parts.mean(axis=0)
        np.testing.assert_allclose(sbert.encode_texts([text])[0], mean / np.linalg.norm(mean), atol=1e-5)

    def test_title_lead_and_body_weigh_the_same(self, sbert: SbertEncoder) -> None:
        body = " ".join(f"Scene {number}: the submarine dives." for number in range(60))
        item = Item(ItemId("1"), "The Hunt", f"A captain goes astray.\n\n{body}")
        title, lead, rest = sbert.encode_texts(["The Hunt", "A captain goes astray.", body])
        np.testing.assert_allclose(sbert.encode([item])[0], unit((title + lead + rest)[None]), atol=1e-5)

    def test_the_end_of_a_long_text_is_read(self, sbert: SbertEncoder) -> None:
        opening = "The committee discussed the budget of the town. " * 30
        query, plain, ends_so = sbert.encode_texts(
            ["a dragon burns the castle", opening, opening + "Then a dragon burned the castle. " * 8]
        )
        assert query @ ends_so > query @ plain + 0.1

    def test_a_megabyte_is_bounded(self, sbert: SbertEncoder) -> None:
        assert len(sbert.pieces(["one more word " * 80_000]).texts) == MAX_WINDOWS

    def test_meaning_beats_words(self, sbert: SbertEncoder) -> None:
        items = [
            Item(ItemId("1"), "Free Willy", "A boy befriends a whale"),
            Item(ItemId("2"), "The Big Blue", "Divers who love the sea and its dolphins"),
            Item(ItemId("3"), "Wall Street", "A broker befriends a ruthless financier"),
        ]
        willy, blue, street = sbert.encode(items)[0]
        assert willy @ blue > willy @ street
