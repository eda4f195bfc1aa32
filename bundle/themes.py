"""Where a text lies among a catalogue's themes: distances to the centres of clusters of its TF-IDF.

What scikit-learn found while training is kept as four arrays, and this reads texts as its vectoriser does. So an item
that arrives over HTTP is described as those of the catalogue were, without the library.

tabular/words.json       the vocabulary, in order
tabular/idf.npy          [w] inverse document frequencies
tabular/directions.npy   [w, t] the themes that TF-IDF is brought down to (latent semantic analysis)
tabular/centres.npy      [c, t] the clusters' centres
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from bundle.columns import load_array
from catalog.errors import BundleError
from catalog.records import Floats

WORD = re.compile(r"\b\w\w+\b")


@dataclass(frozen=True, slots=True)
class Themes:
    """w words, t themes and c clusters."""

    words: Mapping[str, int]
    """Rows of the words."""
    idf: Floats
    """[w]"""
    directions: Floats
    """[w, t]"""
    centres: Floats
    """[c, t]"""

    def distances(self, texts: Sequence[str]) -> Floats:
        """Distances `[n, c]` of texts; one without a word that is known lies at the origin."""
        places = np.zeros((len(texts), self.directions.shape[1]), np.float32)
        for at, text in enumerate(texts):
            counts = Counter(self.words[word] for word in WORD.findall(text.lower()) if word in self.words)
            if counts:
                rows = np.fromiter(counts, np.int64, len(counts))
                times = np.fromiter(counts.values(), np.float32, len(counts))
                weights = (1.0 + np.log(times)) * self.idf[rows]
                places[at] = weights / np.linalg.norm(weights) @ self.directions[rows]
        apart: Floats = np.linalg.norm(places[:, None] - self.centres[None], axis=2).astype(np.float32)
        return apart

    def save(self, folder: Path) -> None:
        """Write the four files."""
        words = sorted(self.words, key=self.words.__getitem__)
        (folder / "words.json").write_text(json.dumps(words, ensure_ascii=False) + "\n", "utf-8")
        for name in ("idf", "directions", "centres"):
            np.save(folder / f"{name}.npy", getattr(self, name), allow_pickle=False)

    @classmethod
    def open(cls, folder: Path) -> Themes | None:
        """None where the texts had no clusters, or a bundle is of before they were kept.

        Raises:
            BundleError: the files do not fit.
        """
        path = folder / "words.json"
        if not path.is_file():
            return None
        try:
            words = {str(word): row for row, word in enumerate(json.loads(path.read_bytes()))}
        except (ValueError, TypeError) as exc:
            raise BundleError(
                f"expected a list of words in {path}, found {exc}; build the bundle again"
            ) from exc
        idf = load_array(folder / "idf.npy", np.float32, (len(words),))
        directions = load_array(folder / "directions.npy", np.float32, (len(words), None))
        centres = load_array(folder / "centres.npy", np.float32, (None, directions.shape[1]))
        return cls(words, idf, directions, centres)
