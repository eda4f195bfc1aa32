"""Texts as unit vectors by an exported graph: what `embeddings.text` answers, without torch.

Reads a folder that `embeddings.export` wrote: `model.onnx` (transformer, pooling and normalisation), `tokenizer.json`
and `config.json`. Safe to use from several threads.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from bundle.graph import Graph, OnnxGraph, Tensor, check_tensors
from catalog.errors import BundleError
from catalog.records import Floats, Item
from embeddings.content import content_hash, item_text
from embeddings.encoder import Modality
from embeddings.exported import CANONICAL_TEXT, GRAPH, TEXT_CONFIG, TOKENIZER, TextConfig, read_config
from embeddings.windows import Pieces, cut, reasons

if TYPE_CHECKING:
    from tokenizers import Encoding, Tokenizer

FORWARD_BATCH = 8
"""Pieces of one run: what passes between layers stays in the cache (docs/LOG.md)."""


class OnnxTextEncoder:
    """An `embeddings.encoder.TextEncoder` on onnxruntime."""

    modality: Modality = "text"

    def __init__(self, graph: Graph, measure: Tokenizer, read: Tokenizer, config: TextConfig) -> None:
        """Take two tokenizers: `measure` never truncates, `read` does so at what the graph reads."""
        self.name = config.name
        self.dim = config.dim
        self._config = config
        self._graph = graph
        self._measure = measure
        self._read = read

    @classmethod
    def open(cls, folder: Path, threads: int = 1) -> OnnxTextEncoder:
        """Open an exported encoder and have it answer its canonical text.

        Raises:
            BundleError: a file is missing or damaged, or the answer is another one.
        """
        from tokenizers import Tokenizer

        config = read_config(folder / TEXT_CONFIG, TextConfig)
        graph = OnnxGraph.open(folder / GRAPH, threads)
        tokens = Tensor(np.int64, (None, None))
        check_tensors(
            graph, folder / GRAPH, {"input_ids": tokens, "attention_mask": tokens},
            {"vector": Tensor(np.float32, (None, config.dim))},
        )  # fmt: skip
        try:
            measure, read = (Tokenizer.from_file(str(folder / TOKENIZER)) for _ in range(2))
        except Exception as error:  # tokenizers raises plain Exception
            raise BundleError(
                f"expected a tokenizer in {folder / TOKENIZER}, found {error}; export the encoder again"
            ) from error
        for tokenizer in (measure, read):
            tokenizer.no_padding()
        measure.no_truncation()
        read.enable_truncation(config.max_tokens)
        encoder = cls(graph, measure, read, config)
        config.check(encoder.encode_texts([CANONICAL_TEXT])[0], folder)
        return encoder

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
        found = self._read.encode_batch_fast(pieces.texts)
        vectors = np.zeros((len(found), self.dim), np.float32)
        # Pieces of about one length share a run, so that little of it is padding.
        order = sorted(range(len(found)), key=lambda row: len(found[row]))
        for begin in range(0, len(order), FORWARD_BATCH):
            rows = order[begin : begin + FORWARD_BATCH]
            vectors[rows] = self._run([found[row] for row in rows])
        return pieces.pooled(vectors)

    def pieces(self, texts: Sequence[str]) -> Pieces:
        """What the model reads of each text."""

        def offsets(parts: list[str]) -> list[list[tuple[int, int]]]:
            return [each.offsets for each in self._measure.encode_batch(parts, add_special_tokens=False)]

        return cut(texts, offsets, self._config.max_tokens - 2)

    def _run(self, found: Sequence[Encoding]) -> Floats:
        """The graph's vectors `[n, dim]` of some tokenised pieces."""
        ids = np.full((len(found), max(map(len, found))), self._config.pad_token, np.int64)
        mask = np.zeros_like(ids)
        for row, one in enumerate(found):
            ids[row, : len(one)] = one.ids
            mask[row, : len(one)] = 1
        vectors: Floats = self._graph.run({"input_ids": ids, "attention_mask": mask})["vector"]
        return vectors
