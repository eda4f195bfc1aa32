"""The stages that encode, as plain functions on open stores: embed, and align pictures with texts."""

from __future__ import annotations

import heapq
import logging
from collections.abc import Iterator
from dataclasses import asdict, replace
from typing import TYPE_CHECKING, Any

from towerbridge.workspace import Workspace, imported

if TYPE_CHECKING:
    from catalog.progress import Progress
    from catalog.records import Item
    from catalog.store import CatalogStore
    from embeddings.align import AlignReport, Pairs
    from embeddings.choose import Choice
    from embeddings.contrast import Course
    from embeddings.encoder import Encoder, Modality, TextEncoder
    from embeddings.image import Found
    from embeddings.job import EmbedReport
    from embeddings.store import EmbeddingStore

Embedded = dict[str, tuple[str | None, "EmbedReport | None"]]
"""By modality: the encoder's name and its report; both None where the modality is masked."""
MOST_PAIRS = 20_000
"""Pairs that are learned from: more of a large catalogue teach little and would not fit into the time."""
MINUTES_UNASKED = 1.5
"""How long a network without weights may learn where nobody asked for it, as in the middle of `embed`."""

log = logging.getLogger(__name__)


def choice(workspace: Workspace) -> Choice:
    """What the settings say of encoders."""
    from embeddings.choose import Choice

    config = workspace.config
    return Choice(
        config.encoders.text, config.encoders.image, config.data, config.device, workspace.encoders,
        workspace.aligned,
    )  # fmt: skip


def embed(
    workspace: Workspace,
    store: CatalogStore,
    embeddings: EmbeddingStore,
    progress: Progress,
    retry_failed: bool = False,
) -> Embedded:
    """Encode what is new in the catalogue, and make these encoders the ones that training uses.

    Where the weights of the automatic image encoder can be had nowhere, a small one learns from the catalogue first.
    """
    from catalog.errors import NotReadyError
    from embeddings.choose import AUTO

    imported(store, workspace.dataset)
    chosen = choice(workspace)
    text = chosen.open_text()
    done: Embedded = {}
    done["text"] = _embed(workspace, store, embeddings, "text", text, progress, retry_failed)
    if text is not None and chosen.image == AUTO:
        try:
            chosen.find_image(text.name)
        except NotReadyError as error:
            _learn_to_see(workspace, store, embeddings, text, progress, str(error))
    image = chosen.open_image(text.name if text else None)
    done["image"] = _embed(workspace, store, embeddings, "image", image, progress, retry_failed)
    return done


def tune_encoder(
    workspace: Workspace,
    store: CatalogStore,
    embeddings: EmbeddingStore,
    progress: Progress,
    course: Course,
    model: str | None = None,
    blocks: int | None = None,
) -> tuple[Found, AlignReport]:
    """Align an image network with the text encoder on the catalogue's pairs, and have `image = "auto"` mean it.

    Args:
        workspace: Where the network is kept, and what the settings are.
        store: The catalogue.
        embeddings: Where texts have their vectors; those that lack one get it now.
        progress: Told of every picture and every epoch.
        course: How long and how fast to learn.
        model: A timm ViT, or `small` for one without weights; None: the pretrained one where it can be had.
        blocks: How many blocks learn, from the top.

    Raises:
        NotReadyError: too few items have a readable picture and a text.
        ConfigError: texts are left out by the settings, or the network is no ViT.
    """
    from catalog.errors import ConfigError, NotReadyError
    from embeddings import image
    from embeddings.align import SMALL

    imported(store, workspace.dataset)
    chosen = choice(workspace)
    text = chosen.open_text()
    if text is None:
        raise ConfigError(
            'encoders.text = "none": pictures can only be aligned with a text encoder; name one'
        )
    base = None
    if model != SMALL:
        try:
            base = image.find(model or image.DEFAULT_MODEL, chosen.data)
        except NotReadyError:
            if model:
                raise
    _embed(workspace, store, embeddings, "text", text, progress, retry_failed=False)
    return _align(workspace, store, embeddings, text, base, course, blocks, progress)


def _align(
    workspace: Workspace,
    store: CatalogStore,
    embeddings: EmbeddingStore,
    text: TextEncoder,
    base: Found | None,
    course: Course,
    blocks: int | None,
    progress: Progress,
) -> tuple[Found, AlignReport]:
    from embeddings.align import align, select
    from embeddings.choose import exported_image

    pairs = _pairs(store, embeddings, text)
    found, report = align(
        pairs, text.name, base, workspace.aligned, course, blocks, workspace.config.device, progress
    )
    progress.start("export", None)
    exported_image(found, workspace.encoders)
    select(found, workspace.aligned)
    return found, report


def _learn_to_see(
    workspace: Workspace,
    store: CatalogStore,
    embeddings: EmbeddingStore,
    text: TextEncoder,
    progress: Progress,
    why: str,
) -> None:
    """Have a small network learn from the catalogue, for want of weights; a catalogue may be too small for it."""
    from catalog.errors import NotReadyError
    from embeddings.contrast import Course

    log.warning("%s Until then a small network learns from this catalogue's pictures and texts.", why)
    try:
        course = replace(Course(), minutes=MINUTES_UNASKED)
        _align(workspace, store, embeddings, text, None, course, None, progress)
    except NotReadyError as error:
        log.warning("It cannot: %s", error)


def _pairs(store: CatalogStore, embeddings: EmbeddingStore, text: TextEncoder) -> Pairs:
    """Pictures of the catalogue and the vectors of their texts, at most `MOST_PAIRS`, the same ones every time."""
    from embeddings.align import Pairs, hold_out
    from embeddings.content import content_hash

    def candidates() -> Iterator[tuple[str, str, Item]]:
        for item in store.items():
            identity = text.content_hash(item)
            if identity and item.image and (look := content_hash(item, "image")):
                yield look, identity, item

    # The lowest hashes are a sample that depends on nothing but the pictures.
    chosen = heapq.nsmallest(MOST_PAIRS, candidates(), key=lambda each: each[:2])
    vectors, there = embeddings.matrix(text.name, [identity for _, identity, _ in chosen], text.dim)
    rows = there.nonzero()[0]
    return Pairs(
        [chosen[row][2].image for row in rows], vectors[rows], hold_out([chosen[row][1] for row in rows])
    )


def _embed(
    workspace: Workspace,
    store: CatalogStore,
    embeddings: EmbeddingStore,
    modality: Modality,
    encoder: Encoder | None,
    progress: Progress,
    retry_failed: bool,
) -> tuple[str | None, EmbedReport | None]:
    from embeddings.device import choose_device
    from embeddings.job import BATCH_SIZES, embed, select

    report = None
    if encoder is not None:
        progress.start(f"encode {modality}", store.counts().items)
        config = workspace.config
        size = config.encoders.batch_size or BATCH_SIZES[choose_device(config.device)]
        report = embed(store.items(), encoder, embeddings, size, progress, retry_failed)
    select(embeddings, modality, encoder)
    return encoder.name if encoder else None, report


def embedded_as_json(embedded: Embedded) -> dict[str, Any]:
    """What `embed --json` says of each modality."""
    return {
        modality: {"encoder": name} if report is None else {"encoder": name, **asdict(report)}
        for modality, (name, report) in embedded.items()
    }


def embedded_in_words(embedded: Embedded) -> str:
    """`text 1,682 of 1,682 items, image masked`."""
    words = []
    for modality, (_, report) in embedded.items():
        if report is None:
            words.append(f"{modality} masked")
        else:
            words.append(f"{modality} {report.encoded + report.reused:,} of {report.items:,} items")
    return ", ".join(words)
