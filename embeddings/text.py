"""SBERT: titles and texts as unit vectors, by sentence-transformers.

A text longer than the model reads is cut into overlapping windows of whole words; the vector is the mean
of the windows' unit vectors, at unit length again. Knows nothing of where weights or vectors are kept.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from catalog.errors import ConfigError, NotReadyError
from catalog.records import Floats, Item
from embeddings.content import content_hash, item_text
from embeddings.device import FORWARD_BATCH, choose_device
from embeddings.encoder import Modality
from embeddings.torchvision_ops import declare_missing_operators
from embeddings.weights import Weights, text_weights

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer

DEFAULT_MODEL = "all-MiniLM-L6-v2"
MAX_WINDOWS = 16
"""Windows read of one text; what follows (after some 3,000 words) is left out, so time is bounded."""
MAX_CHARACTERS = 64_000
_VERSION = 1  # of joining, windows and pooling: raise it when any of them changes the vectors


class TextEncoder:
    """An `embeddings.encoder.Encoder` on a sentence-transformers model that is already loaded."""

    modality: Modality = "text"

    def __init__(self, model: SentenceTransformer, name: str, forward_batch: int = 8) -> None:
        self.name = name
        self._model = model
        self._forward_batch = forward_batch
        self._tokenizer: Any = model.tokenizer
        # Two places go to the tokens that begin and end every sequence.
        self._window = int(model.max_seq_length or 512) - 2
        self.dim = int(model.get_embedding_dimension() or 0)

    @classmethod
    def open(cls, model: str = DEFAULT_MODEL, device: str = "auto") -> TextEncoder:
        """Load by name, folder or `local-dir:` folder; NotReadyError where no weights can be had."""
        weights = text_weights(model)
        return cls.load(weights, device)

    @classmethod
    def load(cls, weights: Weights, device: str = "auto") -> TextEncoder:
        """Load a model folder that is on this disk, without asking the hub anything."""
        try:
            import transformers

            chosen = choose_device(device)
            declare_missing_operators()
            from sentence_transformers import SentenceTransformer
        except ImportError as error:
            raise NotReadyError(
                f"the text encoder needs sentence-transformers, which does not import ({error}): "
                "pip install 'towerbridge[train]'"
            ) from error
        transformers.utils.logging.disable_progress_bar()  # one bar per model load says nothing
        logging.getLogger("sentence_transformers").setLevel(logging.WARNING)
        try:
            model = SentenceTransformer(str(weights.path), device=chosen, local_files_only=True)
        except (OSError, ValueError, KeyError) as error:
            raise ConfigError(
                f"{weights.path} is not a sentence-transformers model folder that loads: {error}"
            ) from error
        model.eval()
        name = f"sbert:{weights.name}:{weights.identity()}:{_VERSION}"
        return cls(model, name, FORWARD_BATCH[chosen])

    def content_hash(self, item: Item) -> str | None:
        """Identity of title and text; None where both are empty."""
        return content_hash(item, "text")

    def encode(self, items: Sequence[Item]) -> tuple[Floats, list[str | None]]:
        """Unit vectors `[n, dim]`; an item without text is a zero vector and a reason."""
        texts = [item_text(item) for item in items]
        vectors = self.encode_texts(texts)
        return vectors, [None if text else "has no text" for text in texts]

    def encode_texts(self, texts: Sequence[str]) -> Floats:
        """Unit vectors `[n, dim]` of plain texts, zero where one is empty."""
        pieces: list[str] = []
        owners: list[int] = []
        for owner, windows in enumerate(self.windows(texts)):
            pieces.extend(windows)
            owners.extend([owner] * len(windows))
        pooled = np.zeros((len(texts), self.dim), np.float32)
        if pieces:
            vectors = self._model.encode(
                pieces, batch_size=self._forward_batch, normalize_embeddings=True, show_progress_bar=False
            )
            np.add.at(pooled, owners, np.asarray(vectors, np.float32))
        return unit(pooled)

    def windows(self, texts: Sequence[str]) -> list[list[str]]:
        """What the model reads of each text: itself where it fits, else overlapping runs of whole words."""
        spans: list[list[str]] = []
        texts = [text[:MAX_CHARACTERS] for text in texts]
        found = self._tokenizer(
            texts, add_special_tokens=False, return_offsets_mapping=True, truncation=False, verbose=False,
        ) if texts else {"offset_mapping": []}  # fmt: skip
        for text, offsets in zip(texts, found["offset_mapping"], strict=True):
            cuts = window_cuts(text, offsets, self._window)
            spans.append([text[begin:end] for begin, end in cuts])
        return spans


def window_cuts(text: str, offsets: Sequence[tuple[int, int]], window: int) -> list[tuple[int, int]]:
    """Character ranges of the windows of a text.

    Args:
        text: The text.
        offsets: Character range of each of its tokens.
        window: Tokens that the model reads at once. Every window ends where a word does and the next
            starts a quarter of a window earlier, so that no sentence is seen by its end alone.
    """
    if not offsets:
        return []
    if len(offsets) <= window:
        return [(0, len(text))]
    cuts: list[tuple[int, int]] = []
    begin = 0
    while len(cuts) < MAX_WINDOWS:
        end = min(begin + window, len(offsets))
        if end < len(offsets):
            end = _word_start(text, offsets, begin, end)
        cuts.append((offsets[begin][0], offsets[end - 1][1]))
        if end == len(offsets):
            break
        begin = _word_start(text, offsets, begin, max(end - window // 4, begin + 1))
    return cuts


def _word_start(text: str, offsets: Sequence[tuple[int, int]], begin: int, at: int) -> int:
    """The last token after `begin` and up to `at` that starts a word; `at` where none does."""
    for token in range(at, begin, -1):
        start = offsets[token][0]
        if start > 0 and text[start - 1].isspace():
            return token
    return at


def unit(vectors: Floats) -> Floats:
    """Rows scaled to length 1; rows of zeros stay so."""
    norms = np.linalg.norm(vectors, axis=1, keepdims=True)
    scaled: Floats = np.divide(vectors, norms, out=np.zeros_like(vectors), where=norms > 0)
    return scaled
