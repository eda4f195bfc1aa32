"""Pictures as unit vectors by an exported graph: what `embeddings.image` answers, without torch.

Reads a folder that `embeddings.export` wrote: `model.onnx` (the network and normalisation) and `preprocess.json`,
which says how pictures are resized, cropped and normalised. Safe to use from several threads.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from bundle.graph import Graph, OnnxGraph, Tensor, check_tensors
from catalog.records import Floats, Item
from embeddings.content import content_hash
from embeddings.decoding import Decoder
from embeddings.encoder import Modality
from embeddings.exported import GRAPH, IMAGE_CONFIG, ImageConfig, read_config

FORWARD_BATCH = 8
"""Pictures of one run: what passes between layers stays in the cache (docs/LOG.md)."""


class OnnxImageEncoder:
    """An `embeddings.encoder.ImageEncoder` on onnxruntime."""

    modality: Modality = "image"

    def __init__(self, graph: Graph, decoder: Decoder, config: ImageConfig) -> None:
        self.name = config.name
        self.dim = config.dim
        self.text_space = config.text_space
        self._graph = graph
        self._decoder = decoder

    @classmethod
    def open(cls, folder: Path, threads: int = 1) -> OnnxImageEncoder:
        """Open an exported encoder and have it look at its canonical picture.

        Args:
            folder: What `embeddings.export` wrote.
            threads: Of the network; where there are more than one, another one decodes ahead.

        Raises:
            BundleError: a file is missing or damaged, or the answer is another one.
        """
        config = read_config(folder / IMAGE_CONFIG, ImageConfig)
        graph = OnnxGraph.open(folder / GRAPH, threads)
        check_tensors(
            graph, folder / GRAPH, {"pixels": Tensor(np.float32, (None, 3, config.size, config.size))},
            {"vector": Tensor(np.float32, (None, config.dim))},
        )  # fmt: skip
        encoder = cls(graph, Decoder(config.preprocess, threads=min(threads - 1, 2)), config)
        config.check(encoder.encode_pixels(config.preprocess(canonical_picture())[None])[0], folder)
        return encoder

    def content_hash(self, item: Item) -> str | None:
        """Identity of the picture's bytes; None where the item has no picture."""
        return content_hash(item, "image")

    def encode(self, items: Sequence[Item]) -> tuple[Floats, list[str | None]]:
        """Unit vectors `[n, dim]`; a picture that cannot be read is a zero vector and the reason."""
        sources = [item.image or None for item in items]
        return self._decoder.vectors(sources, self.dim, FORWARD_BATCH, self.encode_pixels)

    def encode_pictures(self, pictures: Sequence[bytes]) -> tuple[Floats, list[str | None]]:
        """The same of picture files."""
        return self._decoder.vectors(pictures, self.dim, FORWARD_BATCH, self.encode_pixels)

    def encode_pixels(self, pixels: Floats) -> Floats:
        """Unit vectors `[n, dim]` of normalised pictures `[n, 3, size, size]`."""
        vectors: Floats = self._graph.run({"pixels": pixels})["vector"]
        return vectors


def canonical_picture() -> Image.Image:
    """320 × 240: red grows to the right, green downwards, blue is a chessboard of 40-pixel squares."""
    x, y = np.meshgrid(np.arange(320), np.arange(240))
    blue = ((x // 40 + y // 40) % 2) * 255
    return Image.fromarray(np.stack([x * 255 // 320, y * 255 // 240, blue], axis=2).astype(np.uint8))
