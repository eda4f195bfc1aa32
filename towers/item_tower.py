"""The item tower: id, side features, text and picture of an item → its vector.

Each part can be missing on its own: an item that training never saw has id row 0, one without a picture has mask 0.
In training all three are dropped at random (DropoutNet, Volkovs et al. 2017), so that the other parts learn to carry
such items, and so that to have no picture does not come to mean what films without a poster happen to be. How much
text and picture count is decided item by item by gates (gated multimodal unit, Arevalo et al. 2017) that know every
part but the id. Vectors are not normalised: their length carries how often an item is wanted.
"""

from __future__ import annotations

from dataclasses import dataclass

from towers.frameworks import keras, tf
from towers.layers import Dropout, Noise, mean_of_tokens, normal, table

SPREAD = 0.02
"""Standard deviation of weights before training."""


@dataclass(frozen=True, slots=True)
class ItemSizes:
    """Sizes of the item tower's inputs."""

    ids: int
    """Rows of the id embedding, row 0 (unknown) included."""
    tokens: int
    text: int
    image: int


class ItemTower(keras.layers.Layer):
    """Inputs as in `item_tower.onnx`; output `[n, embedding_size]`."""

    def __init__(
        self, sizes: ItemSizes, embedding_size: int, id_dropout: float, content_dropout: float, dropout: float
    ) -> None:
        super().__init__(name="item_tower")
        self.id_dropout, self.content_dropout = id_dropout, content_dropout
        self.noise = Noise("noise")
        self.ids = table(sizes.ids, embedding_size, SPREAD, "ids")
        self.tokens = table(sizes.tokens, embedding_size, SPREAD, "tokens")
        self.numeric = keras.layers.Dense(embedding_size, kernel_initializer=normal(SPREAD), name="numeric")
        self.text = Modality(embedding_size, dropout, name="text")
        self.image = Modality(embedding_size, dropout, name="image")
        self.gates = keras.layers.Dense(2, "sigmoid", kernel_initializer="zeros", name="gates")

    def call(self, inputs: dict[str, tf.Tensor], training: bool = False) -> tf.Tensor:
        """Item vectors `[n, embedding_size]`."""
        row, mask = inputs["item_row"], inputs["content_mask"]
        if training:
            row = tf.where(self.noise.kept(self.id_dropout, tf.shape(row)), row, 0)
            mask *= tf.cast(self.noise.kept(self.content_dropout, tf.shape(mask)), mask.dtype)
        features = mean_of_tokens(self.tokens, inputs["item_tokens"]) + self.numeric(inputs["item_numeric"])
        text = self.text(inputs["text"], mask[:, 0:1], training)
        image = self.image(inputs["image"], mask[:, 1:2], training)
        # Twice, as all gates are half open before training: the tower begins as the sum of its parts.
        gates = 2.0 * self.gates(tf.concat([features, text, image, mask], axis=1))
        return self.ids(row) + features + gates[:, 0:1] * text + gates[:, 1:2] * image


class Modality(keras.layers.Layer):
    """A content vector brought to the tower's size; nothing where there is none."""

    def __init__(self, embedding_size: int, dropout: float, name: str) -> None:
        super().__init__(name=name)
        self.project = keras.layers.Dense(embedding_size, kernel_initializer=normal(SPREAD), name="project")
        self.dropout = Dropout(dropout)

    def call(self, content: tf.Tensor, mask: tf.Tensor, training: bool = False) -> tf.Tensor:
        """`[n, embedding_size]` from content `[n, dim]` and mask `[n, 1]`."""
        # The bias is inside the masked part: without the content, the item is exactly the sum of its other parts.
        return mask * self.project(self.dropout(content, training=training))
