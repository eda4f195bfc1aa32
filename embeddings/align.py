"""Aligns an image network with the frozen text encoder on a catalogue's own pictures and texts.

Afterwards a picture lies where its item's text lies, so texts find pictures and pictures find texts. The text side
stays as it is and the image side learns (LiT: Zhai et al. 2022), by the symmetric contrastive loss with a learned
temperature (CLIP: Radford et al. 2021). A pretrained ViT learns with its upper blocks; where no pretrained weights
can be had, a small one learns from nothing.

Knows arrays, not stores: `towerbridge.encoding` brings the pairs and keeps what comes out.
"""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bundle.durable import replace_text
from catalog.errors import NotReadyError
from catalog.progress import SILENT, Progress
from catalog.records import Floats
from embeddings.contrast import Course, learn, recall
from embeddings.decoding import Source
from embeddings.device import choose_device
from embeddings.frozen import Parts
from embeddings.image import ALIGNED, Found, TimmEncoder, find, import_timm, settings_of
from embeddings.pictures import Preprocess
from embeddings.weights import LOCAL_DIR, Weights

SMALL = "small"
"""The model setting for the network that learns from nothing."""
SMALL_ARCHITECTURE = "vit_tiny_patch16_224"
SMALL_ARGUMENTS: dict[str, Any] = {
    "img_size": 64, "patch_size": 8, "embed_dim": 160, "depth": 5, "num_heads": 5, "global_pool": "avg",
    "class_token": False,
}  # fmt: skip
SMALL_PREPROCESS = Preprocess(64, 1.0, "center", "bicubic", (0.5, 0.5, 0.5), (0.5, 0.5, 0.5))
UPPER_BLOCKS = 2
"""Blocks of a pretrained network that learn on a CPU; on a GPU all do."""
CURRENT = "CURRENT"
"""The file that names the network in use."""
LEAST_PAIRS = 64
"""Fewer teach nothing that would hold for another picture."""


@dataclass(frozen=True, slots=True)
class Pairs:
    """n pictures and the vectors of their texts."""

    sources: Sequence[Source]
    texts: Floats
    """`[n, dim]`, unit length."""
    held_out: NDArray[np.bool_]
    """`[n]`: which are measured and not learned from."""


@dataclass(frozen=True, slots=True)
class AlignReport:
    """What was learned, measured on the pairs that were held out."""

    pairs: int
    """Pairs learned from: those whose picture can be read."""
    held_out: int
    epochs: int
    steps_per_second: float
    """Of learning alone."""
    seconds: float
    """Of all of it: reading the pictures, running the frozen blocks, learning."""
    text_to_image_recall_at_10: float
    """Share of the held-out texts among whose ten nearest held-out pictures is their own."""
    image_to_text_recall_at_10: float
    chance: float
    """What guessing would reach."""


def align(
    pairs: Pairs,
    text_encoder: str,
    base: Found | None,
    folder: Path,
    course: Course | None = None,
    blocks: int | None = None,
    device: str = "auto",
    progress: Progress = SILENT,
) -> tuple[Found, AlignReport]:
    """Learn from the pairs that are not held out, save the network, and measure it on those that are.

    Args:
        pairs: Pictures and texts.
        text_encoder: Name of the encoder that made the text vectors.
        base: The pretrained ViT to begin with; None begins with the small one and random weights.
        folder: Where the network goes, in a folder of its own that is named after its weights.
        course: How long and how fast to learn.
        blocks: How many blocks learn, from the top; None leaves it to the device.
        device: `auto`, `cpu` or `cuda`.
        progress: Told of every picture and every epoch.

    Returns:
        What `embeddings.image.TimmEncoder.load` loads, and the report.

    Raises:
        NotReadyError: too few pictures can be read.
        ConfigError: the network is no ViT.
    """
    import torch

    began = time.perf_counter()
    course, chosen = course or Course(), choose_device(device)
    torch.manual_seed(course.seed)
    network, preprocess, architecture, arguments = _begin(base, pairs.texts.shape[1])
    depth = len(getattr(network, "blocks", ()))
    if blocks is None:
        blocks = UPPER_BLOCKS if base is not None and chosen == "cpu" else depth
    parts = Parts(network.to(chosen), max(0, depth - blocks), preprocess, chosen)
    folder.mkdir(parents=True, exist_ok=True)
    scratch = folder / ".kept"
    with parts.kept(list(pairs.sources), scratch, progress) as kept:
        held = pairs.held_out[kept.rows]
        if (~held).sum() < LEAST_PAIRS:
            raise NotReadyError(
                f"expected at least {LEAST_PAIRS} items with a readable picture and a text to learn from, found "
                f"{(~held).sum()} (and {held.sum()} held out): import more of them first"
            )
        texts = pairs.texts[kept.rows]
        learned = learn(parts, kept.values, texts, np.flatnonzero(~held), course, began, progress)
        pictures = parts.unit_vectors(kept.values, np.flatnonzero(held))
    found = _save(network, preprocess, architecture, arguments, text_encoder, folder)
    count = int(held.sum())
    return found, AlignReport(
        int((~held).sum()), count, learned.epochs, learned.steps / max(learned.seconds, 1e-9),
        time.perf_counter() - began, recall(texts[held], pictures), recall(pictures, texts[held]),
        min(1.0, 10 / count) if count else 0.0,
    )  # fmt: skip


def hold_out(identities: Sequence[str], share: float = 0.1, least: int = 220) -> NDArray[np.bool_]:
    """`[n]`: a share of the pairs, of a small catalogue about so many but never over a fifth.

    By their identity alone, so that the same pairs are held out every time; equal identities stay together.
    """
    places = np.array([
        int.from_bytes(blake2b(each.encode(), digest_size=8, person=b"held out").digest()) / 2**64
        for each in identities
    ])  # fmt: skip
    held: NDArray[np.bool_] = places < min(0.2, max(share, least / max(1, len(places))))
    return held


def select(found: Found, folder: Path) -> None:
    """Make a network the one that `current` finds in the folder."""
    replace_text(folder / CURRENT, found.weights.path.name + "\n")


def current(folder: Path) -> Found | None:
    """The network that was selected last; None where there is none."""
    try:
        name = (folder / CURRENT).read_text("utf-8").strip()
    except OSError:
        return None
    return find(f"{LOCAL_DIR}{folder / name}") if name and (folder / name).is_dir() else None


def _begin(base: Found | None, dim: int) -> tuple[Any, Preprocess, str, dict[str, Any]]:
    """A network with a fresh head of `dim` numbers, how it sees, and what timm needs to build it again."""
    timm = import_timm()
    network: Any
    if base is None:
        network = timm.create_model(SMALL_ARCHITECTURE, num_classes=dim, **SMALL_ARGUMENTS)
        return network, SMALL_PREPROCESS, SMALL_ARCHITECTURE, SMALL_ARGUMENTS
    encoder = TimmEncoder.load(base, "cpu")
    network = encoder.network
    network.reset_classifier(dim)
    if base.architecture.startswith(LOCAL_DIR):
        settings = settings_of(base.weights.path)
        return network, encoder.preprocess, settings["architecture"], settings.get("model_args", {})
    return network, encoder.preprocess, base.architecture, {}


def _save(
    network: Any,
    read: Preprocess,
    architecture: str,
    arguments: dict[str, Any],
    text_encoder: str,
    folder: Path,
) -> Found:
    """Write a folder that timm and `embeddings.image` read, `<folder>/<architecture>-<hash of the weights>`."""
    import shutil

    from safetensors.torch import save_file

    fresh = folder / ".saving"
    shutil.rmtree(fresh, ignore_errors=True)
    fresh.mkdir()
    state = {name: values.detach().cpu().contiguous() for name, values in network.state_dict().items()}
    save_file(state, str(fresh / "model.safetensors"))
    dim = int(network.num_classes)
    document = {
        "architecture": architecture, "num_classes": dim, "model_args": arguments, ALIGNED: text_encoder,
        "pretrained_cfg": {
            "num_classes": dim, "input_size": [3, read.size, read.size], "crop_pct": read.crop_pct,
            "crop_mode": read.crop_mode, "interpolation": read.interpolation, "mean": read.mean, "std": read.std,
            "first_conv": "patch_embed.proj", "classifier": "head",
        },
    }  # fmt: skip
    (fresh / "config.json").write_text(json.dumps(document, indent=1) + "\n", "utf-8")
    short = architecture.partition(".")[0]
    target = folder / f"{short}-{Weights(fresh, '', '').identity()}"
    if target.is_dir():  # the same pairs, settings and machine
        shutil.rmtree(fresh)
    else:
        fresh.rename(target)
    return find(f"{LOCAL_DIR}{target}")
