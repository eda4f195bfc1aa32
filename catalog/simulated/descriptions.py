"""What the simulated shop writes about its items: titles, and a few sentences that say what a picture or a
table of features does not. Style never stands in a feature; only words that go with it give it away."""

from __future__ import annotations

import numpy as np

from catalog.simulated.world import (
    CATEGORIES,
    COLOURS,
    MATERIALS,
    PATTERNS,
    SHAPES,
    STYLES,
    TAGS,
    Goods,
    Size,
    stream,
)

STYLE_WORDS: dict[str, tuple[str, ...]] = {
    "rustic": ("farmhouse", "weathered", "rough-hewn", "country kitchen", "barn wood", "homespun"),
    "minimal": ("clean lines", "uncluttered", "quiet", "Scandinavian", "nothing superfluous", "understated"),
    "retro": ("seventies", "vintage", "jukebox", "nostalgic", "diner", "mid-century"),
    "playful": (
        "whimsical",
        "cheerful",
        "for the young at heart",
        "cartoonish",
        "bouncy",
        "full of mischief",
    ),
    "elegant": ("refined", "gilded", "ballroom", "graceful", "timeless", "for formal evenings"),
    "industrial": ("riveted", "factory loft", "raw", "exposed bolts", "workshop", "heavy-duty"),
    "coastal": ("seaside", "driftwood", "salty breeze", "harbour", "sailcloth", "beach house"),
    "botanical": ("leafy", "greenhouse", "fern prints", "garden-inspired", "wildflower", "mossy"),
}
MAKERS = (
    "Alder",
    "Birk",
    "Corvo",
    "Dune",
    "Ember",
    "Fjord",
    "Grove",
    "Halden",
    "Iona",
    "Juno",
    "Kite",
    "Lumen",
)
OPENINGS = (
    "A {shape} {category} in {colour}, {pattern_phrase}.",
    "This {colour} {category} is {shape} and {pattern_phrase}.",
    "{Shape}, {colour} and {pattern_phrase}: a {category} to keep.",
    "Our {pattern_phrase} {category} comes in {colour}, with a {shape} outline.",
)
MIDDLES = (
    "Made of {material}, it has a {word_a} feel.",
    "The {material} gives it something {word_a}.",
    "Think {word_a}, think {word_b}: {material} at its best.",
    "Worked in {material}; {word_a} and {word_b}.",
)
CLOSINGS = (
    "Made for those who love {word_b} rooms.",
    "It brings {word_b} charm to the {place}.",
    "A {word_b} touch wherever you put it.",
    "Looks at home in the {place}.",
)
PLACES = ("hall", "living room", "study", "dining room", "nursery", "reading corner", "studio", "attic")
PATTERN_PHRASES = {
    "plain": "of one colour",
    "striped": "striped",
    "dotted": "dotted all over",
    "checked": "checked",
    "wavy": "with a wavy pattern",
    "faded": "softly faded",
}


class Writer:
    """Writes about one item at a time; the same seed always finds the same words."""

    def __init__(self, size: Size, goods: Goods) -> None:
        self.goods = goods
        self.choices = stream(size.seed, "words").integers(0, 1 << 16, (size.items, 8), dtype=np.uint32)

    def title(self, row: int) -> str:
        """Maker, number and category, such as `Fjord 214 lamp`: it names an item and tells little."""
        picks = self.choices[row]
        category = CATEGORIES[self.goods.category[row]]
        return f"{MAKERS[picks[0] % len(MAKERS)]} {row + 1} {category}"

    def text(self, row: int) -> str:
        """Two or three sentences."""
        goods, picks = self.goods, self.choices[row]
        words = STYLE_WORDS[STYLES[goods.style[row]]]
        first, second = picks[1] % len(words), picks[2] % (len(words) - 1)
        shape = SHAPES[goods.shape[row]]
        said = {
            "category": CATEGORIES[goods.category[row]],
            "colour": COLOURS[goods.colour[row]],
            "shape": shape,
            "Shape": shape.capitalize(),
            "pattern_phrase": PATTERN_PHRASES[PATTERNS[goods.pattern[row]]],
            "material": MATERIALS[goods.material[row]],
            "word_a": words[first],
            "word_b": words[second + (second >= first)],
            "place": PLACES[picks[3] % len(PLACES)],
        }
        sentences = [OPENINGS[picks[4] % len(OPENINGS)], MIDDLES[picks[5] % len(MIDDLES)]]
        if picks[6] % 3:
            sentences.append(CLOSINGS[picks[7] % len(CLOSINGS)])
        return " ".join(sentence.format(**said) for sentence in sentences)

    def tags(self, row: int) -> tuple[str, ...]:
        """The tags that the item carries."""
        return tuple(TAGS[position] for position in np.flatnonzero(self.goods.tags[row]))
