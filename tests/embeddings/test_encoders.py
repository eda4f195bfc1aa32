"""What every encoder promises, whatever is inside it."""

from base64 import b64encode

import numpy as np
import pytest

from catalog.records import Item, ItemId
from embeddings.encoder import Encoder
from embeddings.hashing import HashingImageEncoder, HashingTextEncoder
from tests.embeddings.pictures import encoded, gradient

PICTURES = [
    "data:image/png;base64," + b64encode(encoded(picture, "PNG")).decode()
    for picture in (gradient(90, 60), gradient(60, 90).rotate(180), gradient(50, 50).convert("L"))
]
ITEMS = [
    Item(ItemId("a"), "Toy Story (1995)", "A cowboy doll is threatened by a spaceman toy", PICTURES[0]),
    Item(ItemId("b"), "", "الفيلم 🙂 «κινηματογράφος»", PICTURES[1]),
    Item(ItemId("c"), "Heat", "", PICTURES[2]),
]
EMPTY = Item(ItemId("d"))
BROKEN = Item(ItemId("e"), "\0", "…", "data:image/png;base64,aGVsbG8=")
ENCODERS = [
    "hashing-text",
    "hashing-image",
    pytest.param("sbert", marks=pytest.mark.train),
    pytest.param("vit", marks=[pytest.mark.train, pytest.mark.realdata]),
    pytest.param("local_encoder", marks=pytest.mark.train),
    pytest.param("onnx_sbert", marks=pytest.mark.train),
    pytest.param("onnx_vit", marks=[pytest.mark.train, pytest.mark.realdata]),
    pytest.param("onnx_local", marks=pytest.mark.train),
]


@pytest.fixture(params=ENCODERS)
def encoder(request: pytest.FixtureRequest) -> Encoder:
    match request.param:
        case "hashing-text":
            return HashingTextEncoder()
        case "hashing-image":
            return HashingImageEncoder()
        case name:
            found: Encoder = request.getfixturevalue(name)
            return found


class TestEncoder:
    def test_unit_vectors(self, encoder: Encoder) -> None:
        vectors, reasons = encoder.encode(ITEMS)
        assert vectors.shape == (3, encoder.dim)
        assert vectors.dtype == np.float32
        assert vectors.flags.c_contiguous
        assert reasons == [None, None, None]
        np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)

    def test_different_content_differs(self, encoder: Encoder) -> None:
        vectors, _ = encoder.encode(ITEMS)
        cosines = vectors @ vectors.T
        assert cosines[~np.eye(3, dtype=bool)].max() < 0.9999
        assert len({encoder.content_hash(item) for item in ITEMS}) == 3

    def test_order_and_company_do_not_matter(self, encoder: Encoder) -> None:
        together, _ = encoder.encode(ITEMS)
        for row in (2, 0, 1):
            alone, _ = encoder.encode([ITEMS[row]])
            np.testing.assert_allclose(alone[0], together[row], atol=2e-5)

    def test_nothing_to_read_is_a_reason(self, encoder: Encoder) -> None:
        vectors, reasons = encoder.encode([EMPTY, ITEMS[0]])
        assert encoder.content_hash(EMPTY) is None
        assert reasons[0] is not None
        assert reasons[1] is None
        assert not vectors[0].any()
        assert vectors[1].any()

    def test_odd_content_has_a_hash_and_an_answer(self, encoder: Encoder) -> None:
        vectors, reasons = encoder.encode([BROKEN])
        assert encoder.content_hash(BROKEN) is not None
        assert np.isfinite(vectors).all()
        assert (reasons[0] is None) == bool(vectors.any())

    def test_no_items(self, encoder: Encoder) -> None:
        vectors, reasons = encoder.encode([])
        assert vectors.shape == (0, encoder.dim)
        assert reasons == []

    def test_the_name_says_which_weights(self, encoder: Encoder) -> None:
        kind, model, identity, *_ = *encoder.name.split(":"), ""
        assert kind
        assert model
        assert identity
        assert encoder.modality in ("text", "image")
