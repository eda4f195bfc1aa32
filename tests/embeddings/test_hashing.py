from zlib import crc32

import numpy as np
from PIL import Image

from catalog.records import Item, ItemId
from embeddings.hashing import HashingImageEncoder, HashingTextEncoder, describe
from tests.embeddings.pictures import gradient


def of(*texts: str) -> np.ndarray:
    return HashingTextEncoder().encode([Item(ItemId("1"), text=text) for text in texts])[0]


def test_text_by_hand() -> None:
    # "up up": one short word of weight 0.25 seen twice, one pair of weight 0.5 seen once.
    encoder = HashingTextEncoder(dim=1024)
    vector = encoder.encode([Item(ItemId("1"), "up", "up")])[0][0]
    places = [crc32(b"up"), crc32(b"up up")]
    word, pair = (vector[place % 1024] * (1 if place >> 31 else -1) for place in places)
    assert np.count_nonzero(vector) == 2
    np.testing.assert_allclose(word / pair, 0.25 * (1 + np.log(2)) / 0.5, rtol=1e-5)
    assert pair > 0


def test_words_in_common_come_out_close() -> None:
    heist, robbery, garden = of(
        "A crew of thieves plans a bank heist in Los Angeles",
        "Detectives hunt thieves after a bank heist",
        "How to grow tomatoes on a balcony in spring",
    )
    assert heist @ robbery > 0.2 + heist @ garden


def test_pieces_of_words_find_other_forms() -> None:
    sing, plural, other = of("astronaut", "astronauts", "kitchen")
    assert sing @ plural > 0.4 > abs(sing @ other) + 0.2


def test_case_does_not_matter() -> None:
    np.testing.assert_array_equal(*of("Heat WAVE", "heat wave"))


def test_text_without_words_is_a_reason() -> None:
    vectors, reasons = HashingTextEncoder().encode([Item(ItemId("1"), "…!?")])
    assert reasons == ["has no words"]
    assert not vectors.any()


def test_a_megabyte_is_bounded() -> None:
    assert np.isfinite(of("word " * 200_000)).all()


def test_pictures_that_look_alike_come_out_close() -> None:
    picture = gradient()
    smaller, turned = picture.resize((100, 80)), picture.rotate(180)
    original, small, other = (describe(each) for each in (picture, smaller, turned))
    assert original @ small > 0.97 > original @ other + 0.1


def test_a_picture_of_one_colour_has_no_edges() -> None:
    vector = describe(Image.new("RGB", (20, 20), (255, 0, 0)))
    # One full bin of the histogram (red 3, green 0, blue 0 is bin 48), grid colours ±0.5, no edges.
    np.testing.assert_allclose(vector[48], np.sqrt(0.5), rtol=1e-5)
    np.testing.assert_allclose(np.abs(vector[64:112]), np.sqrt(0.5 / 48), rtol=1e-4)
    assert not vector[112:].any()
    assert len(vector) == HashingImageEncoder.dim
