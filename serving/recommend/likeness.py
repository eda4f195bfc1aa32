"""How alike items are by text, by picture and by behaviour, and all three weighed together.

The fused likeness is the cosine of the unit vectors of all modalities put end to end, each scaled by the square root
of its weight. What an item does not have is left out of its vector and of its length, so an item without a picture is
compared by what it has, and counts less for it. Behaviour is the towers' vector: what was learned from users. Texts
and pictures are compared where `bundle.space` puts them, by what sets them apart in this catalogue.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from catalog.records import Floats, History, Ints
from catalog.schema import DatasetSchema
from serving.catalogue import Rows
from towers.features import FeatureSpace

MODALITIES = ("text", "image", "behaviour")
DECAY = 10.0
"""Events after which what a user did has a weight of 1/e in their taste."""


@dataclass(frozen=True, slots=True)
class Weights:
    """How much each modality counts; at least 0, and one of them more."""

    text: float = 0.0
    image: float = 0.0
    behaviour: float = 0.0

    def array(self) -> Floats:
        """In the order of MODALITIES."""
        return np.array([self.text, self.image, self.behaviour], np.float32)


@dataclass(frozen=True, slots=True)
class Profile:
    """What things are compared with: unit vectors by modality, None where there is none."""

    text: Floats | None
    image: Floats | None
    behaviour: Floats | None

    @property
    def parts(self) -> tuple[Floats | None, ...]:
        """In the order of MODALITIES."""
        return self.text, self.image, self.behaviour


def item_profile(items: Rows, row: int) -> Profile:
    """One item as what others are compared with."""
    return mean_profile(items, np.array([row]), np.ones(1, np.float32))


def taste(items: Rows, history: History, space: FeatureSpace, schema: DatasetSchema) -> Profile:
    """What a user likes of late: the mean of the history's items, the latest and the best liked loudest.

    An event weighs what its type does, times 0 … 2 by where its value lies in its range; negative ones nothing.
    """
    recent = history.last(space.history)
    kinds = [0.0, *(0.0 if k.polarity == "negative" else k.weight for k in schema.interactions.values())]
    age = np.arange(len(recent) - 1, -1, -1, dtype=np.float32)
    weights = np.exp(-age / DECAY) * np.array(kinds, np.float32)[recent.types]
    liked = 1 + space.scaled_values(recent.types, recent.values)
    return mean_profile(items, recent.rows, (weights * liked).astype(np.float32))


def mean_profile(items: Rows, rows: Ints, weights: Floats) -> Profile:
    """The direction of the weighted mean of some items' unit vectors, by modality."""
    lengths: Floats = np.maximum(items.lengths[rows], np.float32(1e-12))
    behaviour = _direction(items.vectors[rows] / lengths[:, None], weights)
    if items.content is None:
        return Profile(None, None, behaviour)
    text, image = items.content.text[rows], items.content.image[rows]
    if items.places is not None:
        by_text, by_image = items.places.spaces
        text, image = by_text.place(text), by_image.place(image)
    return Profile(_direction(text, weights), _direction(image, weights), behaviour)


def compare(
    items: Rows, profile: Profile, weights: Weights, rows: Ints | None = None
) -> tuple[Floats, Floats]:
    """The fused likeness `[n]` of a profile to items, all or some, and the cosines `[n, 3]` by modality.

    NaN where there is nothing to compare: of a modality, or of all that count.
    """
    where: Ints | slice = slice(None) if rows is None else rows
    content, lengths = items.content, items.lengths[where]
    mask = np.zeros((len(lengths), len(MODALITIES)), bool)
    mask[:, 2] = lengths > 0
    if content is not None:
        mask[:, :2] = content.mask[where]
    cosines = np.full(mask.shape, np.nan, np.float32)
    if profile.behaviour is not None:
        np.divide(items.vectors[where] @ profile.behaviour, lengths, out=cosines[:, 2], where=mask[:, 2])
    if content is not None:
        for column, vectors, place in ((0, content.text, profile.text), (1, content.image, profile.image)):
            if place is None:
                continue
            if items.places is None:
                found = vectors[where] @ place
            else:
                space, sizes = items.places.spaces[column], items.places.lengths[where, column]
                found = space.cosines(vectors[where], sizes, place)
            np.copyto(cosines[:, column], found, where=mask[:, column])
    each = weights.array()
    there = np.array([part is not None for part in profile.parts])
    lengths = np.sqrt((each * there).sum()) * np.sqrt(mask @ each)
    comparable = (mask & there & (each > 0)).any(1)
    fused: Floats = np.full(len(cosines), np.nan, np.float32)
    np.divide(np.nan_to_num(cosines) @ each, lengths, out=fused, where=comparable)
    return fused, cosines


def _direction(vectors: Floats, weights: Floats) -> Floats | None:
    mean = weights @ vectors
    length = float(np.linalg.norm(mean))
    return mean / np.float32(length) if length > 0 else None
