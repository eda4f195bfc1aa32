"""What the towers promise whatever their weights are."""

import numpy as np
import pytest

tf = pytest.importorskip("towers.frameworks", reason="needs the extra `train`").tf

from towers.frameworks import keras  # noqa: E402
from towers.item_tower import ItemSizes, ItemTower  # noqa: E402
from towers.layers import mean_of_tokens  # noqa: E402
from towers.user_tower import UserSizes, UserTower  # noqa: E402

pytestmark = pytest.mark.train
SIZE, HISTORY = 8, 5


def item_tower(id_dropout=0.5, content_dropout=0.5, dropout=0.5):
    return ItemTower(ItemSizes(ids=6, tokens=9, text=3, image=2), SIZE, id_dropout, content_dropout, dropout)


@pytest.fixture(scope="module")
def items():
    keras.utils.set_random_seed(1)
    return item_tower()


@pytest.fixture(scope="module")
def users():
    keras.utils.set_random_seed(2)
    tower = UserTower(
        UserSizes(ids=4, tokens=5, types=2, history=HISTORY, unknown=(1, 2)), SIZE, 2, 2, 0.5, 0.5
    )
    tower(person(0))
    for weight in tower.trainable_variables:  # zeros and tiny numbers would hide mistakes
        weight.assign(tf.random.stateless_normal(weight.shape, (len(weight.name), 3), stddev=0.5))
    return tower


def content(n=3, **changed):
    rng = np.random.default_rng(0)
    inputs = {
        "item_row": np.arange(1, n + 1, dtype=np.int32),
        "item_tokens": rng.integers(1, 9, (n, 2)).astype(np.int32),
        "item_numeric": rng.normal(size=(n, 1)).astype(np.float32),
        "text": rng.normal(size=(n, 3)).astype(np.float32),
        "image": rng.normal(size=(n, 2)).astype(np.float32), "content_mask": np.ones((n, 2), np.float32),
    }  # fmt: skip
    return {name: tf.constant(array) for name, array in {**inputs, **changed}.items()}


def person(events, seed=0, history=HISTORY, **changed):
    """One user with so many events, padded on the left."""
    rng = np.random.default_rng(seed)
    inputs = {
        "user_row": np.array([1], np.int32), "user_tokens": np.array([[1, 3]], np.int32),
        "history_vectors": np.zeros((1, history, SIZE), np.float32),
        "history_types": np.zeros((1, history), np.int32),
        "history_values": np.zeros((1, history), np.float32), "history_gaps": np.zeros((1, history), np.int32),
    }  # fmt: skip
    if events:
        inputs["history_vectors"][0, -events:] = rng.normal(size=(events, SIZE))
        inputs["history_types"][0, -events:] = rng.integers(1, 3, events)
        inputs["history_values"][0, -events:] = rng.uniform(-1, 1, events)
        inputs["history_gaps"][0, -events:] = rng.integers(0, 12, events)
    return {name: tf.constant(array) for name, array in {**inputs, **changed}.items()}


def test_a_missing_picture_leaves_exactly_the_other_parts(items):
    masked = items(content(content_mask=np.array([[1, 0]] * 3, np.float32)))
    other = items(
        content(content_mask=np.array([[1, 0]] * 3, np.float32), image=np.full((3, 2), 9.0, np.float32))
    )
    np.testing.assert_array_equal(masked, other)
    assert np.abs(items(content()) - masked).max() > 1e-4


def test_before_training_the_item_vector_is_the_sum_of_its_parts(items):
    inputs = content()
    parts = (
        items.ids(inputs["item_row"]) + mean_of_tokens(items.tokens, inputs["item_tokens"])
        + items.numeric(inputs["item_numeric"]) + items.text.project(inputs["text"])
        + items.image.project(inputs["image"])
    )  # fmt: skip
    np.testing.assert_allclose(items(inputs), parts, rtol=1e-5, atol=1e-6)


def test_gates_weigh_text_and_picture_of_each_item_by_its_other_parts():
    keras.utils.set_random_seed(3)
    tower, inputs = item_tower(), content(2)
    plain = tower(inputs).numpy()
    kernel = np.zeros((3 * SIZE + 2, 2), np.float32)
    kernel[:SIZE, 0] = 50.0  # the text of items whose features point this way; of others none
    tower.gates.set_weights([kernel, np.array([0.0, -100.0], np.float32)])  # pictures of nobody
    features = mean_of_tokens(tower.tokens, inputs["item_tokens"]) + tower.numeric(inputs["item_numeric"])
    text, image = tower.text.project(inputs["text"]).numpy(), tower.image.project(inputs["image"]).numpy()
    opened = 2 / (1 + np.exp(-50.0 * features.numpy().sum(1, keepdims=True)))
    assert abs(opened[0] - opened[1]) > 0.01
    np.testing.assert_allclose(tower(inputs), plain - text - image + opened * text, rtol=1e-4, atol=1e-5)


def test_training_sees_items_without_their_content_as_well():
    keras.utils.set_random_seed(4)
    tower = item_tower(id_dropout=0.0, content_dropout=0.5, dropout=0.0)
    n = 400
    inputs = content(n, item_row=np.ones(n, np.int32))
    seen = tower(inputs, training=True).numpy()
    ways = np.array([
        tower({**inputs, "content_mask": tf.constant(np.tile(np.float32([text, image]), (n, 1)))}).numpy()
        for text in (0, 1) for image in (0, 1)
    ])  # fmt: skip
    near = np.abs(ways - seen).max(2)
    assert near.min(0).max() < 1e-6  # each item as it is without some of its content,
    assert np.bincount(near.argmin(0), minlength=4).min() > n / 8  # in every combination


def test_training_drops_ids_and_serving_does_not(items):
    many = {name: tf.repeat(column[:1], 400, axis=0) for name, column in content(1).items()}
    many = {**many, "text": many["text"] * 0, "image": many["image"] * 0}
    distinct = np.unique(np.round(items(many, training=True).numpy(), 5), axis=0)
    assert len(distinct) == 2  # with the id and without
    assert len(np.unique(items(many).numpy(), axis=0)) == 1


def test_padding_does_not_count_among_tokens():
    table = keras.layers.Embedding(4, 2)
    table.build(())
    table.set_weights([np.array([[9, 9], [1, 0], [0, 1], [4, 4]], np.float32)])
    means = mean_of_tokens(table, tf.constant([[1, 2, 0], [3, 0, 0], [0, 0, 0]]))
    assert means.numpy().tolist() == [[0.5, 0.5], [4, 4], [0, 0]]


def test_no_state_sees_what_comes_after_it(users):
    states = users(person(5)).numpy()
    changed = {name: array.numpy() for name, array in person(5).items()}
    changed["history_vectors"][0, 3:] += 1.0
    changed["history_types"][0, 3:] = 3 - changed["history_types"][0, 3:]
    after = users({name: tf.constant(array) for name, array in changed.items()}).numpy()
    np.testing.assert_array_equal(states[0, :4], after[0, :4])  # the user and the first three events
    assert np.abs(states[0, 4:] - after[0, 4:]).min() > 1e-6


def test_a_prefix_in_training_is_what_serving_asks(users):
    """The state after t events of a long window is the served vector of somebody who did just these."""
    whole = {name: array.numpy() for name, array in person(5).items()}
    states = users({name: tf.constant(array) for name, array in whole.items()}).numpy()
    for t in range(1, 6):
        short = {name: array.numpy() for name, array in person(0).items()}
        for name in short:
            if name.startswith("history"):
                short[name][0, HISTORY - t :] = whole[name][0, :t]
        served = users.last({name: tf.constant(array) for name, array in short.items()}).numpy()
        np.testing.assert_allclose(served[0], states[0, t], rtol=1e-4, atol=1e-5)


def test_somebody_without_a_history_is_their_side_features(users):
    served = users.last(person(0)).numpy()
    np.testing.assert_allclose(served, users(person(0)).numpy()[:, 0], rtol=1e-6)
    junk = np.full((1, HISTORY, SIZE), 7.0, np.float32)
    np.testing.assert_allclose(users.last(person(0, history_vectors=junk)).numpy(), served, rtol=1e-5)
    other = users.last(person(0, user_tokens=np.array([[2, 4]], np.int32))).numpy()
    assert np.abs(other - served).max() > 1e-4


def test_strangers_are_part_of_training(users):
    """With dropout 0.5 on ids a quarter of the training rows has neither id nor side features."""
    many = {name: tf.repeat(array, 2000, axis=0) for name, array in person(0).items()}
    users.dropout.rate, kept = 0.0, users.dropout.rate
    try:
        rows = users.sequence(many, training=True)[0][:, 0].numpy()
    finally:
        users.dropout.rate = kept
    stranger = person(0, user_row=np.zeros(1, np.int32), user_tokens=np.array([[1, 2]], np.int32))
    nameless = person(0, user_row=np.zeros(1, np.int32))
    for asked, share in ((stranger, 0.25), (nameless, 0.25), (person(0), 0.5)):
        one = users.sequence(asked, training=False)[0][0, 0].numpy()
        assert np.isclose(rows, one, atol=1e-5).all(1).mean() == pytest.approx(share, abs=0.05)


def test_the_latest_event_changes_the_vector(users):
    one = users.last(person(3)).numpy()
    two = {name: array.numpy() for name, array in person(3).items()}
    two["history_vectors"][0, -1] += np.arange(SIZE)
    assert np.abs(users.last({n: tf.constant(a) for n, a in two.items()}).numpy() - one).max() > 1e-4


def test_no_two_tables_start_alike():
    """Keras hands out the same numbers to tensors of one shape that share an initialiser."""
    tower = UserTower(
        UserSizes(ids=4, tokens=4, types=3, history=HISTORY, unknown=(1, 2)), SIZE, 2, 2, 0.0, 0.0
    )
    tower(person(0))
    starts = [weight.numpy() for weight in tower.trainable_variables if weight.numpy().std() > 0]
    assert len(starts) >= 4 + 2 * 4
    for i, one in enumerate(starts):
        for other in starts[:i]:
            assert one.shape != other.shape or not np.array_equal(one, other)


def test_a_narrow_batch_gets_the_vectors_of_a_wide_one(users):
    """Padding on the left says nothing, so batches of short histories may leave it out."""
    wide = person(2)
    narrow = {name: value[:, -3:] if name.startswith("history") else value for name, value in wide.items()}
    traced = tf.function(users, reduce_retracing=True)  # from the third width on the length is not fixed
    for width in (2, 4, 3):
        cut = {
            name: value[:, -width:] if name.startswith("history") else value for name, value in wide.items()
        }
        np.testing.assert_allclose(traced(cut)[:, -2:], users(wide)[:, -2:], rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(users(narrow)[:, 0], users(wide)[:, 0], rtol=1e-5, atol=1e-6)
