"""An index that takes writes while it is searched: what FAISS does not.

Three parts make one answer: the main index, which never changes; fresh vectors, scored exactly; and masks of the
places of both that no longer count, because their row was removed or has a newer vector. A write replaces one
reference to all of it, so a search sees everything before some moment and nothing after it, and waits for nobody.
When there are many fresh vectors, a new main index is made of both in the background (the log-structured merge
of O'Neil et al. 1996, with two levels).
"""

from __future__ import annotations

import logging
import threading
from dataclasses import dataclass, replace

import numpy as np

from catalog.errors import DataError
from catalog.records import Candidates, Floats, Ints
from index.faiss_index import FaissIndex
from index.protocol import Mask, best, check_search, check_vectors

log = logging.getLogger(__name__)
MERGE_AT = 4096
"""Fresh vectors that start a merge: scoring so many takes about as long as one look into a graph."""
LARGEST_DEAD_SHARE = 0.25
"""Of the places of an index; above, a merge builds anew from those that count."""


@dataclass(frozen=True, slots=True)
class Segments:
    """What there is to search at one moment; a `VectorIndex` that nobody writes to."""

    main: FaissIndex
    rows: Ints | None
    """[m] row of each place of the main index; None: place r holds row r."""
    alive: Mask | None
    """[m] places that count; None: all."""
    fresh_rows: Ints
    """[f] in the order they came."""
    fresh_vectors: Floats
    fresh_alive: Mask
    n: int
    """One more than the highest row there ever was."""

    @property
    def shape(self) -> tuple[int, int]:
        """(n, D); rows that were never put, or were removed, are just not found."""
        return self.n, self.main.shape[1]

    def search(self, queries: Floats, k: int, allowed: Mask | None = None) -> list[Candidates]:
        """The k best allowed rows of each query; see `VectorIndex.search`."""
        if self.alive is None and self.rows is None and not len(self.fresh_rows):
            return self.main.search(queries, k, allowed)
        queries = check_search(self.shape, queries, k, allowed)
        found = self.main.search(queries, k, self._mask(allowed))
        counted = self.fresh_alive if allowed is None else self.fresh_alive & allowed[self.fresh_rows]
        places = np.flatnonzero(counted)
        rows = self.fresh_rows[places]
        scores = queries @ self.fresh_vectors[places].T
        return [
            best(
                np.concatenate((one.rows if self.rows is None else self.rows[one.rows], rows)),
                np.concatenate((one.scores, fresh)),
                k,
            )
            for one, fresh in zip(found, scores, strict=True)
        ]

    def _mask(self, allowed: Mask | None) -> Mask | None:
        """The places of the main index that may be found."""
        if allowed is None:
            return self.alive
        mask = allowed[: self.main.shape[0]] if self.rows is None else allowed[self.rows]
        return mask if self.alive is None else mask & self.alive

    def all_rows(self) -> Ints:
        """[m + f] the row of each place, those of the main index first."""
        rows = np.arange(self.main.shape[0]) if self.rows is None else self.rows
        return np.concatenate((rows, self.fresh_rows))

    def all_alive(self) -> Mask:
        """[m + f] which places count."""
        alive = np.ones(self.main.shape[0], bool) if self.alive is None else self.alive
        return np.concatenate((alive, self.fresh_alive))


class LiveIndex:
    """`VectorIndex` under writes: any number of threads may search, put and remove at once."""

    def __init__(self, main: FaissIndex, merge_at: int = MERGE_AT) -> None:
        """Start from an index whose place r holds row r.

        Args:
            main: never changed.
            merge_at: fresh vectors that start a merge in the background.
        """
        m, dim = main.shape
        self._merge_at = merge_at
        self._room = np.zeros((0, dim), np.float32)
        self._places: dict[int, int] = {}
        """Where the fresh vector of a row is that counts."""
        self._main_places: Ints | None = None
        """The same of the main index, by row, -1 where there is none; None: of row r at place r."""
        self._now = Segments(
            main, None, None, np.zeros(0, np.int64), self._room, np.zeros(0, bool), m
        )  # fmt: skip
        self._writing = threading.Lock()
        self._merging = threading.Lock()
        self._background: threading.Thread | None = None

    @property
    def now(self) -> Segments:
        """All that was written so far, to be searched more than once without change."""
        return self._now

    @property
    def shape(self) -> tuple[int, int]:
        """(n, D); n is one more than the highest row there ever was."""
        return self._now.shape

    def search(self, queries: Floats, k: int, allowed: Mask | None = None) -> list[Candidates]:
        """The k best allowed rows of each query; see `VectorIndex.search`."""
        return self._now.search(queries, k, allowed)

    def put(self, rows: Ints, vectors: Floats) -> None:
        """Add rows, or give rows that are there other vectors; searches that begin afterwards find them.

        Args:
            rows: `[w]`, each at least 0; of a repeated one the last vector counts.
            vectors: `[w, D]`, finite.

        Raises:
            DataError: the shapes do not fit or a number is not finite; nothing is changed.
        """
        vectors = check_vectors(vectors)
        rows = np.asarray(rows, np.int64)
        dim = self.shape[1]
        if vectors.shape[1] != dim or rows.shape != vectors.shape[:1] or (rows < 0).any():
            raise DataError(
                f"expected rows [w] of at least 0 and vectors [w, {dim}], found {list(rows.shape)} and "
                f"{list(vectors.shape)}"
            )
        if not len(rows):
            return
        with self._writing:
            now = self._now
            begin = len(now.fresh_rows)
            without = self._without(now, rows)
            self._places.update(zip(rows.tolist(), range(begin, begin + len(rows)), strict=True))
            last = np.array([self._places[row] for row in rows.tolist()])
            self._now = replace(
                without,
                fresh_rows=np.concatenate((now.fresh_rows, rows)),
                fresh_vectors=self._stored(begin, vectors),
                fresh_alive=np.concatenate(
                    (without.fresh_alive, last == np.arange(begin, begin + len(rows)))
                ),
                n=max(now.n, int(rows.max()) + 1),
            )
            if begin + len(rows) >= self._merge_at:
                self._merge_beside()

    def remove(self, rows: Ints) -> None:
        """Let rows not be found any more; those that are not there are ignored."""
        with self._writing:
            self._now = self._without(self._now, np.asarray(rows, np.int64))

    def merge(self) -> None:
        """Make one main index of everything written so far; meanwhile writes and searches go on."""
        with self._merging:
            before = self._now
            count = len(before.fresh_rows)
            alive, rows = before.all_alive(), before.all_rows()
            if not count:
                return
            if (~alive).mean() > LARGEST_DEAD_SHARE:
                kept = np.flatnonzero(alive)
                vectors = np.concatenate((before.main.vectors, before.fresh_vectors))[kept]
                main = FaissIndex.build(vectors, threads=1)
            else:
                kept = np.arange(len(rows))
                main = before.main.extended(before.fresh_vectors)
            rows = rows[kept]
            in_order = bool(np.array_equal(rows, np.arange(len(rows))))
            with self._writing:
                now = self._now
                m = before.main.shape[0]
                # What was removed or replaced during the merge does not count in the new index either.
                alive = now.all_alive()[: m + count][kept]
                self._room = now.fresh_vectors[count:].copy()
                self._now = Segments(
                    main,
                    None if in_order else rows,
                    None if alive.all() else alive,
                    now.fresh_rows[count:],
                    self._room,
                    now.fresh_alive[count:],
                    now.n,
                )
                self._places = {row: place - count for row, place in self._places.items() if place >= count}
                self._main_places = None if in_order else np.full(now.n, -1, np.int64)
                if self._main_places is not None:
                    self._main_places[rows[alive]] = np.flatnonzero(alive)

    def close(self) -> None:
        """Wait for a merge under way."""
        thread = self._background
        if thread is not None:
            thread.join()

    def _without(self, now: Segments, rows: Ints) -> Segments:
        """The segments without some rows; masks are copied, because searches may hold them."""
        main = self._main_places_of(now, rows)
        alive = now.alive
        if len(main):
            alive = np.ones(now.main.shape[0], bool) if alive is None else alive.copy()
            alive[main] = False
        fresh = [place for row in rows.tolist() if (place := self._places.pop(row, -1)) >= 0]
        fresh_alive = now.fresh_alive
        if fresh:
            fresh_alive = fresh_alive.copy()
            fresh_alive[fresh] = False
        return replace(now, alive=alive, fresh_alive=fresh_alive)

    def _main_places_of(self, now: Segments, rows: Ints) -> Ints:
        """Where the main index holds some rows, those left out that it does not."""
        if self._main_places is None:
            return rows[(rows >= 0) & (rows < now.main.shape[0])]
        places = self._main_places[rows[(rows >= 0) & (rows < len(self._main_places))]]
        return places[places >= 0]

    def _stored(self, begin: int, vectors: Floats) -> Floats:
        """All fresh vectors; what is stored once is never written again, so earlier views stay good."""
        end = begin + len(vectors)
        if end > len(self._room):
            room = np.empty((max(2 * end, 64), vectors.shape[1]), np.float32)
            room[:begin] = self._room[:begin]
            self._room = room
        self._room[begin:end] = vectors
        return self._room[:end]

    def _merge_beside(self) -> None:
        if self._background is None or not self._background.is_alive():
            self._background = threading.Thread(target=self._merge_and_tell, name="merge", daemon=True)
            self._background.start()

    def _merge_and_tell(self) -> None:
        try:
            self.merge()
        except Exception:  # searches stay right without it, only slower
            log.exception("merging the index failed; the next write tries again")
