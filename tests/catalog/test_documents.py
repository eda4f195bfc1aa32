import pytest
from bson import decode, encode
from hypothesis import given
from hypothesis import strategies as st

from catalog import documents
from catalog.errors import DataError
from catalog.records import BadRow, Interaction, Item, User

IDS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1, max_size=60)
TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=40)
FEATURES = st.dictionaries(
    st.from_regex(documents.FEATURE_NAME, fullmatch=True),
    TEXTS | st.floats(allow_nan=False, allow_infinity=False) | st.lists(TEXTS, max_size=3).map(tuple),
    max_size=4,
)


@given(IDS, TEXTS, TEXTS, FEATURES, st.booleans())
def test_items_survive_bson(name: str, title: str, text: str, features: dict, available: bool) -> None:
    item = Item(name, title, text, None, features, available)
    assert documents.document_to_item(decode(encode(documents.item_to_document(item)))) == item


@given(IDS, FEATURES)
def test_users_survive_bson(name: str, features: dict) -> None:
    user = User(name, features)
    assert documents.document_to_user(decode(encode(documents.user_to_document(user)))) == user


@given(
    IDS, IDS, st.floats(0, 4e9), st.none() | st.floats(-1e6, 1e6), st.none() | IDS,
    st.integers(0, 2**62), st.integers(0, 5),
)  # fmt: skip
def test_interactions_survive_bson(
    user: str, item: str, time: float, value: float | None, request: str | None, sequence: int, fold: int
) -> None:
    event = Interaction(user, item, "view", time, value, None, request, sequence, fold)
    assert documents.document_to_event(decode(encode(documents.event_to_document(event)))) == event


@given(st.text(max_size=12))
def test_an_id_is_kept_as_it_is_or_refused(name: str) -> None:
    try:
        assert documents.checked_id(name, "item id") is name
    except DataError:
        assert name == "" or "\0" in name or any("\ud800" <= each <= "\udfff" for each in name)


@given(st.tuples(IDS, IDS, IDS), st.tuples(IDS, IDS, IDS))
def test_two_events_have_one_identity_only_if_they_are_one(one: tuple, other: tuple) -> None:
    first, second = (Interaction(user, item, kind, 1.0) for user, item, kind in (one, other))
    assert (documents.event_identity(first) == documents.event_identity(second)) == (one == other)


def test_the_identity_of_an_event_never_changes_between_versions() -> None:
    # blake2b(b"i\0196\0242\0rating\x00881250949.0\x003.0", digest_size=12): stored databases hold these.
    event = Interaction("196", "242", "rating", 881250949, 3)
    assert str(documents.event_identity(event)) == "4521ff840d477b8baa4b6c52"


def test_integers_and_floats_of_equal_worth_are_one_event() -> None:
    whole, real = Interaction("a", "b", "rating", 5, 3), Interaction("a", "b", "rating", 5.0, 3.0)
    assert documents.event_identity(whole) == documents.event_identity(real)


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_numbers_must_be_finite(value: float) -> None:
    with pytest.raises(DataError, match="'price' is"):
        documents.item_to_document(Item("1", features={"price": value}))
    with pytest.raises(DataError, match="finite"):
        documents.event_to_document(Interaction("a", "b", "rating", 1.0, value))


def test_an_id_of_another_type_is_named() -> None:
    with pytest.raises(DataError, match="user id must be a string, but 17 is int"):
        documents.user_to_document(User(17))  # type: ignore[arg-type]


def test_half_a_surrogate_in_a_text_is_refused() -> None:
    for item in (Item("1", "\ud83c"), Item("1", text="\ud83c"), Item("1", features={"tags": ("\ud83c",)})):
        with pytest.raises(DataError, match="not valid Unicode"):
            documents.item_to_document(item)


def test_a_bad_row_is_stored_readably_and_cut() -> None:
    stored = documents.bad_row_to_document(BadRow("f", 1, "c", "\udce9" + "x" * 5000, "r"))
    assert encode(stored)
    assert stored["value"].startswith("\\xe9xxx")
    assert len(stored["value"]) == 1001
