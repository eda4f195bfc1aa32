"""Work that several processes share: what one of them has in hand, the others leave alone.

A claim is kept up by a thread while its owner works, and runs out by itself soon after the owner died.
"""

from __future__ import annotations

import threading
import uuid
from collections.abc import Collection, Iterator
from contextlib import contextmanager

from catalog.errors import StoreError
from embeddings.store import EmbeddingStore

SECONDS = 30.0
"""How long a claim outlives its owner."""


class Claims:
    """The claims of one process on the contents of one encoder."""

    def __init__(self, store: EmbeddingStore, encoder: str, seconds: float = SECONDS) -> None:
        self.seconds = seconds
        self._store = store
        self._encoder = encoder
        self._owner = uuid.uuid4().hex

    @contextmanager
    def held(self, hashes: Collection[str], retry: bool = False) -> Iterator[set[str]]:
        """Those of the hashes that are ours to encode while the context lasts; the rest is someone else's, or done.

        What was not put by the end of it is given back.
        """
        ours = self._store.claim(self._encoder, hashes, self._owner, self.seconds, retry)
        if not ours:
            yield ours
            return
        over = threading.Event()
        keeper = threading.Thread(target=self._keep, args=(ours, retry, over), daemon=True, name="claims")
        keeper.start()
        try:
            yield ours
        finally:
            over.set()
            keeper.join()
            self._store.release(self._encoder, ours, self._owner)

    def _keep(self, ours: set[str], retry: bool, over: threading.Event) -> None:
        while not over.wait(self.seconds / 3):
            try:
                self._store.claim(self._encoder, ours, self._owner, self.seconds, retry)
            except StoreError:
                continue  # the next write of the work itself tells, if it lasts
