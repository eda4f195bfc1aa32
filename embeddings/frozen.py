"""A vision transformer in two parts: blocks that stay as they are and run once, and blocks that learn.

What the frozen part answers is kept on disk, of every picture and its mirror image, so that learning never runs it
again. Where every block learns, the pictures themselves are kept, and met shifted and mirrored.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from catalog.errors import ConfigError
from catalog.progress import Progress
from catalog.records import Floats, Ints
from embeddings.decoding import Decoder, Source
from embeddings.device import FORWARD_BATCH
from embeddings.pictures import Pixels, Preprocess

if TYPE_CHECKING:
    import torch

SHIFT = 0.1
"""Share of its side by which a picture is shifted at most."""


@dataclass(frozen=True, slots=True)
class Kept:
    """What n readable pictures are to the blocks that learn."""

    values: NDArray[Any]
    """Tokens `[n, 2, tokens, width]` float16 of the picture and its mirror image, or pixels `[n, size, size, 3]`."""
    rows: Ints
    """`[n]`: which of the pictures that were given each is."""


class Parts:
    """A timm ViT with its lowest blocks frozen."""

    def __init__(self, network: Any, frozen: int, preprocess: Preprocess, device: str) -> None:
        """Freeze so many blocks, and what comes before them; ConfigError where the network has none."""
        if not hasattr(network, "blocks") or not hasattr(network, "forward_intermediates"):
            raise ConfigError(
                f"expected a vision transformer of timm to align with texts, found {type(network).__name__}"
            )
        self.network = network
        self.device = device
        self._frozen = frozen
        self._preprocess = preprocess
        for parameter in network.parameters():
            parameter.requires_grad = not frozen
        for part in (*network.blocks[frozen:], network.norm, network.fc_norm, network.head):
            for parameter in part.parameters():
                parameter.requires_grad = True

    @contextmanager
    def kept(self, sources: list[Source], scratch: Path, progress: Progress) -> Iterator[Kept]:
        """Run the frozen part over the pictures that can be read; what it answers is gone after the context."""
        shutil.rmtree(scratch, ignore_errors=True)
        scratch.mkdir()
        try:
            yield self._keep(sources, scratch / "values.npy", progress)
        finally:
            shutil.rmtree(scratch, ignore_errors=True)

    def vectors(self, kept: NDArray[Any], rng: np.random.Generator | None = None) -> torch.Tensor:
        """Vectors `[b, dim]`, at unit length, of what was kept of b pictures.

        Args:
            kept: Rows of `Kept.values`.
            rng: Chooses mirror images and shifts; None looks at the pictures as they are.
        """
        import torch
        from torch.nn.functional import normalize

        if self._frozen:
            side = np.zeros(len(kept), np.int64) if rng is None else rng.integers(2, size=len(kept))
            tokens = torch.from_numpy(kept[np.arange(len(kept)), side]).to(self.device).float()
            for block in self.network.blocks[self._frozen :]:
                tokens = block(tokens)
            return normalize(self.network.forward_head(self.network.norm(tokens)))
        pixels = self._preprocess.normal(kept if rng is None else varied(kept, rng))
        return normalize(self.network(torch.from_numpy(pixels).to(self.device)))

    def unit_vectors(self, kept: NDArray[Any], rows: Ints) -> Floats:
        """The same as arrays `[len(rows), dim]`, of some rows, when learning is over."""
        import torch

        self.network.eval()
        found = np.zeros((len(rows), self.network.num_classes), np.float32)
        step = FORWARD_BATCH[self.device]
        with torch.inference_mode():
            for begin in range(0, len(rows), step):
                some = slice(begin, begin + step)
                found[some] = self.vectors(kept[rows[some]]).float().cpu().numpy()
        return found

    def _keep(self, sources: list[Source], path: Path, progress: Progress) -> Kept:
        progress.start("look at pictures", len(sources))
        self.network.eval()
        rows: list[int] = []
        values: NDArray[Any] = np.zeros(0)
        for some, squares in self._batches(sources, progress):
            found = self._lower(squares) if self._frozen else squares
            if not rows:
                shape = (len(sources), *found.shape[1:])
                values = np.lib.format.open_memmap(path, "w+", found.dtype, shape)
            values[len(rows) : len(rows) + len(some)] = found
            rows += some
        return Kept(values[: len(rows)], np.array(rows, np.int64))

    def _batches(self, sources: list[Source], progress: Progress) -> Iterator[tuple[list[int], Pixels]]:
        rows: list[int] = []
        squares: list[Pixels] = []
        for row, (square, _) in enumerate(Decoder.beside(self._preprocess, self.device).each(sources)):
            progress.advance(1)
            if square is not None:
                rows.append(row)
                squares.append(square)
            if len(rows) == FORWARD_BATCH[self.device]:
                yield rows, np.stack(squares)
                rows, squares = [], []
        if rows:
            yield rows, np.stack(squares)

    def _lower(self, squares: Pixels) -> NDArray[np.float16]:
        """Tokens `[b, 2, tokens, width]` after the frozen blocks, of pictures and their mirror images."""
        import torch

        pixels = torch.from_numpy(self._preprocess.normal(squares)).to(self.device)
        sides = []
        with torch.inference_mode():
            for side in (pixels, pixels.flip(3)):
                (found,) = self.network.forward_intermediates(
                    side, indices=[self._frozen - 1], return_prefix_tokens=True, stop_early=True,
                    output_fmt="NLC", intermediates_only=True,
                )  # fmt: skip
                patches, prefix = found
                sides.append(torch.cat([prefix, patches], dim=1))
            tokens: NDArray[np.float16] = torch.stack(sides, dim=1).half().cpu().numpy()
        return tokens


def varied(pixels: Pixels, rng: np.random.Generator) -> Pixels:
    """Pictures `[b, size, size, 3]`, shifted by up to `SHIFT` of their side, and every other one mirrored."""
    size = pixels.shape[1]
    most = max(1, round(SHIFT * size))
    padded = np.pad(pixels, ((0, 0), (most, most), (most, most), (0, 0)), mode="edge")
    down, right = rng.integers(2 * most + 1, size=(2, len(pixels)))
    cut = np.stack([one[d : d + size, r : r + size] for one, d, r in zip(padded, down, right, strict=True)])
    mirrored = rng.random(len(pixels)) < 0.5
    cut[mirrored] = cut[mirrored, :, ::-1]
    return cut
