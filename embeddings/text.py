"""SBERT: titles and texts as unit vectors, by sentence-transformers.

What of a text is read at once, and how it is pooled, is said in `embeddings.windows`; `embeddings.onnx_text` reads
the same without torch. Knows nothing of where vectors are kept.
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
from embeddings.windows import Pieces, cut, reasons

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer

DEFAULT_MODEL = "all-MiniLM-L6-v2"
_VERSION = 2  # of sections, windows and pooling: raise it when any of them changes the vectors


class SbertEncoder:
    """An `embeddings.encoder.Encoder` on a sentence-transformers model that is already loaded."""

    modality: Modality = "text"

    def __init__(self, model: SentenceTransformer, name: str, forward_batch: int = 8) -> None:
        self.name = name
        self.model: Any = model
        self.max_tokens = int(model.max_seq_length or 512)
        """Tokens that the model reads at once, with those that begin and end a sequence."""
        self._forward_batch = forward_batch
        self.dim = int(model.get_embedding_dimension() or 0)

    @classmethod
    def open(cls, model: str = DEFAULT_MODEL, device: str = "auto") -> SbertEncoder:
        """Load by name, folder or `local-dir:` folder; NotReadyError where no weights can be had."""
        weights = text_weights(model)
        return cls.load(weights, device)

    @classmethod
    def load(cls, weights: Weights, device: str = "auto") -> SbertEncoder:
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
        return cls(model, name_of(weights), FORWARD_BATCH[chosen])

    def content_hash(self, item: Item) -> str | None:
        """Identity of title and text; None where both are empty."""
        return content_hash(item, "text")

    def encode(self, items: Sequence[Item]) -> tuple[Floats, list[str | None]]:
        """Unit vectors `[n, dim]`; an item without a word is a zero vector and a reason."""
        vectors = self.encode_texts([item_text(item) for item in items])
        return vectors, reasons(vectors)

    def encode_texts(self, texts: Sequence[str]) -> Floats:
        """Unit vectors `[n, dim]` of plain texts, zero where one has no words."""
        pieces = self.pieces(texts)
        if not pieces.texts:
            return np.zeros((len(texts), self.dim), np.float32)
        vectors = self.model.encode(
            pieces.texts, batch_size=self._forward_batch, normalize_embeddings=True, show_progress_bar=False
        )
        return pieces.pooled(np.asarray(vectors, np.float32))

    def pieces(self, texts: Sequence[str]) -> Pieces:
        """What the model reads of each text."""

        def offsets(parts: list[str]) -> list[list[tuple[int, int]]]:
            found: list[list[tuple[int, int]]] = self.model.tokenizer(
                parts, add_special_tokens=False, return_offsets_mapping=True, truncation=False, verbose=False
            )["offset_mapping"]
            return found

        # Two places go to the tokens that begin and end every sequence.
        return cut(texts, offsets, self.max_tokens - 2)


def name_of(weights: Weights) -> str:
    """The name of the encoder on some weights, known before they are loaded."""
    return f"sbert:{weights.name}:{weights.identity()}:{_VERSION}"
