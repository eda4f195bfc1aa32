"""Pictures decoded ahead of the network that looks at them: inline, in threads, or in processes.

Pillow lets go of the interpreter while it decodes and resizes, so beside a network on the CPU a thread or two are
enough. A GPU looks faster than threads of one interpreter can decode; there, processes pay (docs/LOG.md). However
they are decoded, only a few pictures wait in memory.
"""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Executor, Future, ProcessPoolExecutor, ThreadPoolExecutor
from multiprocessing import get_context

import numpy as np

from catalog.records import Floats
from embeddings.content import UnreadableError, image_bytes
from embeddings.pictures import Pixels, Preprocess, seen

Source = str | bytes | None
"""Where a picture is (a path or a `data:` URI), or the file itself; None where there is none."""
Square = tuple[Pixels | None, str | None]
"""What the network sees of a picture, or why it cannot be seen."""
MAX_PROCESSES = 8
AHEAD = 4
"""Pictures that wait per worker."""


def read_square(source: Source, preprocess: Preprocess) -> Square:
    """Read, decode and cut one picture. Never raises for what is wrong with it."""
    try:
        if not source:
            return None, "has no picture" if source is None else "is empty"
        data = source if isinstance(source, bytes) else image_bytes(source)
        return seen(data, preprocess.square), None
    except UnreadableError as error:
        return None, str(error)


class Decoder:
    """Reads pictures in order, a few ahead of whoever takes them."""

    def __init__(self, preprocess: Preprocess, threads: int = 0, processes: int = 0) -> None:
        """Decode in so many threads or processes beside the caller; in the caller itself where both are 0."""
        self.preprocess = preprocess
        self._workers = threads + processes
        self._pool: Executor | None = None
        if processes:
            # Fresh interpreters: a fork would copy the locks of onnxruntime's or CUDA's threads in whatever state.
            self._pool = ProcessPoolExecutor(processes, get_context("spawn"))
        elif threads:
            self._pool = ThreadPoolExecutor(threads, "decode")

    @classmethod
    def beside(cls, preprocess: Preprocess, device: str) -> Decoder:
        """What keeps a network on a device fed: a thread or two on a CPU, processes beside a GPU."""
        cores = os.cpu_count() or 1
        if device == "cuda" and cores > 2:
            return cls(preprocess, processes=min(cores - 1, MAX_PROCESSES))
        return cls(preprocess, threads=min(cores, 2))

    def each(self, sources: Iterable[Source]) -> Iterator[Square]:
        """What is seen of every picture, in order."""
        if self._pool is None:
            yield from (read_square(source, self.preprocess) for source in sources)
            return
        waiting: deque[Future[Square]] = deque()
        try:
            for source in sources:
                waiting.append(self._pool.submit(read_square, source, self.preprocess))
                if len(waiting) > AHEAD * self._workers:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            for future in waiting:
                future.cancel()

    def vectors(
        self, sources: Sequence[Source], dim: int, batch: int, network: Callable[[Floats], Floats]
    ) -> tuple[Floats, list[str | None]]:
        """Vectors `[n, dim]` of pictures, zero where one cannot be seen, and per picture the reason.

        Args:
            sources: The pictures.
            dim: Length of the network's vectors.
            batch: Pictures that the network looks at together.
            network: Vectors `[b, dim]` of normalised pictures `[b, 3, size, size]`.
        """
        found = np.zeros((len(sources), dim), np.float32)
        reasons: list[str | None] = []
        rows: list[int] = []
        squares: list[Pixels] = []

        def look() -> None:
            found[rows] = network(self.preprocess.normal(np.stack(squares)))
            rows.clear()
            squares.clear()

        for row, (square, reason) in enumerate(self.each(sources)):
            reasons.append(reason)
            if square is not None:
                rows.append(row)
                squares.append(square)
            if len(rows) == batch:
                look()
        if rows:
            look()
        return found, reasons
