"""How many items a second are encoded, beside the plain loops of sentence-transformers and timm?

    python -m benchmarks.bench_embed --dataset movielens-100k
    python -m benchmarks.bench_embed --dataset simulated --items 512 --device cuda --rounds 5

In one run, in turn, in several rounds, on the same items of a catalogue:

- *plain*: `SentenceTransformer.encode(texts)` as its documentation has it, which sorts by length, runs batches of 32
  and reads the first 256 tokens; and the loop of timm's documentation: open, transform, batches of 32, forward;
- *torch*: our encoders on the same networks, which read all of a text, in sections and windows;
- *exported*: the same on onnxruntime, which is what `towerbridge embed` uses on a CPU;
- *job*: `towerbridge embed`'s own loop around it, into MongoDB where one can be started, in memory elsewhere.

The plain text loop reads less: the share of tokens that it reads is printed. Beside the rate on the clock stands the
rate per second of processor time, which depends less on who else uses the machine. The last line is a JSON object.
"""

from __future__ import annotations

import argparse
import io
import json
import os
import platform
import tempfile
import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from importlib.metadata import version
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np

from benchmarks.catalogue import items_of
from catalog.errors import RecommenderError
from catalog.records import Item
from embeddings.choose import Choice, exported_image, exported_text, threads
from embeddings.content import image_bytes, item_text
from embeddings.device import choose_device
from embeddings.encoder import Encoder
from embeddings.image import TimmEncoder, find
from embeddings.job import embed
from embeddings.onnx_image import OnnxImageEncoder
from embeddings.onnx_text import OnnxTextEncoder
from embeddings.store import EmbeddingStore, MemoryEmbeddingStore
from embeddings.text import SbertEncoder

PACKAGES = ("torch", "sentence-transformers", "timm", "onnxruntime", "tokenizers")
IMAGE_MODEL = "vit_tiny_patch16_224.augreg_in21k_ft_in1k"
PLAIN_BATCH = 32
Loop = Callable[[], object]
Fresh = Callable[[], EmbeddingStore]


def text_loops(
    items: Sequence[Item], asked: argparse.Namespace, cache: Path, fresh: Fresh
) -> dict[str, Loop]:
    """The loops over texts by name."""
    device = choose_device(asked.device)
    sbert = SbertEncoder.open(Choice().text, device)
    texts = [item_text(item).replace("\n\n", ". ") for item in items]
    lengths = [len(each) for each in sbert.model.tokenizer(texts, verbose=False)["input_ids"]]
    read = 100 * sum(min(each, sbert.max_tokens) for each in lengths) / sum(lengths)
    print(f"texts of {sum(lengths) / len(texts):.0f} tokens, of which the plain loop reads {read:.0f} %")
    loops: dict[str, Loop] = {
        "plain": lambda: sbert.model.encode(texts, show_progress_bar=False),
        "torch": lambda: sbert.encode(items),
    }
    encoder: Encoder = sbert
    if device == "cpu":
        encoder = exported = OnnxTextEncoder.open(exported_text(Choice().text, cache), threads())
        loops["exported"] = lambda: exported.encode(items)
    loops["job"] = job(items, encoder, fresh)
    return loops


def image_loops(
    items: Sequence[Item], asked: argparse.Namespace, cache: Path, fresh: Fresh
) -> dict[str, Loop]:
    """The loops over pictures by name."""
    import torch
    from PIL import Image
    from timm.data import create_transform, resolve_model_data_config

    device = choose_device(asked.device)
    found = find(IMAGE_MODEL, asked.data)
    network = TimmEncoder.load(found, device)
    transform: Any = create_transform(**resolve_model_data_config(network.network), is_training=False)
    files = [image_bytes(str(item.image)) for item in items]

    def plain() -> None:
        with torch.inference_mode():
            for begin in range(0, len(files), PLAIN_BATCH):
                some = files[begin : begin + PLAIN_BATCH]
                pixels = torch.stack(
                    [transform(Image.open(io.BytesIO(each)).convert("RGB")) for each in some]
                )
                network.network(pixels.to(device)).cpu()

    loops: dict[str, Loop] = {"plain": plain, "torch": lambda: network.encode(items)}
    encoder: Encoder = network
    if device == "cpu":
        encoder = exported = OnnxImageEncoder.open(exported_image(found, cache), threads())
        loops["exported"] = lambda: exported.encode(items)
    loops["job"] = job(items, encoder, fresh)
    return loops


def job(items: Sequence[Item], encoder: Encoder, fresh: Fresh) -> Loop:
    """The embedding job, into a store that is empty each time."""

    def loop() -> None:
        report = embed(items, encoder, fresh())
        assert report.encoded + report.reused == len(items), report

    return loop


@contextmanager
def stores() -> Iterator[tuple[str, Fresh]]:
    """What makes empty stores, and what they are in words: MongoDB's where there is a server, else memory."""
    import pymongo

    from catalog.mongod import open_server
    from embeddings.mongo import MongoEmbeddingStore

    with ExitStack() as stack:
        folder = stack.enter_context(tempfile.TemporaryDirectory())
        try:
            uri = stack.enter_context(open_server(Path(folder)))
        except RecommenderError as error:
            yield f"memory, as {error}", MemoryEmbeddingStore
            return
        client = stack.enter_context(pymongo.MongoClient[dict[str, Any]](uri))
        names: list[str] = []

        def fresh() -> EmbeddingStore:
            names.append(f"towerbridge_bench_{uuid.uuid4().hex[:12]}")
            return MongoEmbeddingStore(client[names[-1]])

        yield "MongoDB", fresh
        for name in names:
            client.drop_database(name)


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure all loops and print what they did."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--dataset", default="movielens-100k")
    parser.add_argument("--data", type=Path, default=None, help="folder that holds data sets by name")
    parser.add_argument("--items", type=int, default=256)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--device", default="cpu", choices=("cpu", "cuda"))
    asked = parser.parse_args(arguments)
    items = [item for item in items_of(asked.dataset, asked.data) if item.text and item.image]
    items = [items[row] for row in np.random.default_rng(0).permutation(len(items))[: asked.items]]
    print(f"{platform.processor() or platform.machine()}, {os.cpu_count()} cores, {threads()} used; ", end="")
    print(", ".join(f"{name} {version(name)}" for name in PACKAGES))
    report: dict[str, Any] = {"benchmark": "embed", "dataset": asked.dataset, "device": asked.device}
    with stores() as (kept, fresh), tempfile.TemporaryDirectory() as cache:
        print(f"{len(items)} items of {asked.dataset} with text and picture; the job writes to {kept}")
        for modality, make in (("text", text_loops), ("image", image_loops)):
            loops = make(items, asked, Path(cache), fresh)
            print(
                f"\n{modality:12} {'items/s':>10} {'least':>8} {'most':>8} {'per CPU-second':>16} {'times plain':>12}"
            )
            report[modality] = measured(loops, len(items), asked.rounds)
    print()
    print(json.dumps(report))


def measured(loops: dict[str, Loop], count: int, rounds: int) -> dict[str, dict[str, float]]:
    """Run the loops in turn and print their rates."""
    for loop in loops.values():
        loop()
    rates: dict[str, list[tuple[float, float]]] = {name: [] for name in loops}
    for _ in range(rounds):
        for name, loop in loops.items():
            began, processor = time.perf_counter(), time.process_time()
            loop()
            rates[name].append(
                (count / (time.perf_counter() - began), count / (time.process_time() - processor))
            )
    found = {}
    plain = median(clock for clock, _ in rates["plain"])
    for name, each in rates.items():
        clock, processor = (median(side) for side in zip(*each, strict=True))
        least, most = min(one for one, _ in each), max(one for one, _ in each)
        print(f"{name:12} {clock:10.1f} {least:8.1f} {most:8.1f} {processor:16.1f} {clock / plain:12.2f}")
        found[name] = {"items_per_second": round(clock, 1), "per_processor_second": round(processor, 1)}
    return found


if __name__ == "__main__":
    main()
