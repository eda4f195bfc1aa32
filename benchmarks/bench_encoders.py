"""What do exported encoders cost, and how far is int8 from fp32?

    python -m benchmarks.bench_encoders --dataset movielens-100k

For texts and for pictures, fp32 and int8: size of the graph, memory of a process that has opened it, time of a query
(one short text, one picture file) on one thread, and how well cosines agree with those of fp32 on random pairs of
the catalogue's items: rank correlation (Spearman) and the largest difference. The last line is one JSON object.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from importlib.metadata import version
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np

from benchmarks.catalogue import items_of
from catalog.records import Floats
from embeddings.choose import Choice
from embeddings.content import image_bytes, item_text
from embeddings.export import export
from embeddings.exported import GRAPH, Precision
from embeddings.image import TimmEncoder, find
from embeddings.onnx_image import OnnxImageEncoder
from embeddings.onnx_text import OnnxTextEncoder
from embeddings.text import SbertEncoder

PACKAGES = ("onnxruntime", "tokenizers", "numpy", "pillow")
PRECISIONS: tuple[Precision, ...] = ("fp32", "int8")
QUERY = "a film about a bank robbery in Los Angeles"
MEMORY = """
import sys
from pathlib import Path
from embeddings.onnx_{kind} import Onnx{Kind}Encoder
encoder = Onnx{Kind}Encoder.open(Path(sys.argv[1]))
(line,) = [line for line in open("/proc/self/status") if line.startswith("VmRSS")]
print(int(line.split()[1]) / 1024)
"""


def spearman(first: Floats, second: Floats) -> float:
    """Correlation of the ranks of two equally long samples without ties."""
    ranks = [np.argsort(np.argsort(each)).astype(np.float64) for each in (first, second)]
    return float(np.corrcoef(*ranks)[0, 1])


def cosines(vectors: Floats, pairs: int) -> Floats:
    """Cosines `[pairs]` of random pairs of different rows of unit vectors, the same pairs every time."""
    rng = np.random.default_rng(0)
    first = rng.integers(len(vectors), size=pairs)
    second = (first + rng.integers(1, len(vectors), size=pairs)) % len(vectors)
    found: Floats = (vectors[first] * vectors[second]).sum(axis=1)
    return found


def milliseconds(work: Callable[[], object], times: int) -> tuple[float, float]:
    """Median time of a call on the clock, and of the processor, after a warm-up."""
    work()
    clocks, processors = [], []
    for _ in range(times):
        began, processor = time.perf_counter(), time.process_time()
        work()
        clocks.append(time.perf_counter() - began)
        processors.append(time.process_time() - processor)
    return 1e3 * median(clocks), 1e3 * median(processors)


def main(arguments: Sequence[str] | None = None) -> None:
    """Export, measure and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--dataset", default="movielens-100k")
    parser.add_argument("--data", type=Path, default=None, help="folder that holds data sets by name")
    parser.add_argument("--items", type=int, default=400, help="items of which pairs are made")
    parser.add_argument("--pairs", type=int, default=1000)
    parser.add_argument("--times", type=int, default=100)
    asked = parser.parse_args(arguments)
    cache = Path(os.environ.get("TOWERBRIDGE_HOME", ".towerbridge")) / "encoders"
    items = [item for item in items_of(asked.dataset, asked.data) if item.text and item.image]
    items = [items[row] for row in np.random.default_rng(1).permutation(len(items))[: asked.items]]
    pictures = [image_bytes(str(item.image)) for item in items]
    texts = [item_text(item) for item in items]
    sbert = SbertEncoder.open(Choice().text, "cpu")
    network = TimmEncoder.load(find("vit_tiny_patch16_224.augreg_in21k_ft_in1k", asked.data), "cpu")
    print(f"{platform.processor() or platform.machine()}, {os.cpu_count()} cores, 1 thread used; ", end="")
    print(", ".join(f"{name} {version(name)}" for name in PACKAGES))
    print(f"{len(items)} items of {asked.dataset} with text and picture, {asked.pairs:,} pairs of them\n")
    print(
        f"{'encoder':14} {'graph':>9} {'process':>9} {'query':>9} {'of CPU':>9} {'Spearman':>9} {'furthest':>9}"
    )
    report: dict[str, Any] = {"benchmark": "encoders", "dataset": asked.dataset, "pairs": asked.pairs}
    for kind in ("text", "image"):
        exact: Floats | None = None
        for precision in PRECISIONS:
            folder = export(sbert if kind == "text" else network, cache, precision)
            if kind == "text":
                reader = OnnxTextEncoder.open(folder)
                clock, processor = milliseconds(lambda r=reader: r.encode_texts([QUERY]), asked.times)  # type: ignore[misc]
                vectors = reader.encode_texts(texts)
            else:
                looker = OnnxImageEncoder.open(folder)
                clock, processor = milliseconds(
                    lambda e=looker: e.encode_pictures(pictures[:1]),
                    asked.times,  # type: ignore[misc]
                )
                vectors = looker.encode_pictures(pictures)[0]
            code = MEMORY.format(kind=kind, Kind=kind.title())
            command = [sys.executable, "-c", code, str(folder)]
            memory = float(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
            found = cosines(vectors, asked.pairs)
            exact = found if exact is None else exact
            size = (folder / GRAPH).stat().st_size / 1e6
            agreement, furthest = spearman(exact, found), float(np.abs(exact - found).max())
            print(
                f"{kind + ' ' + precision:14} {size:6.1f} MB {memory:6.0f} MB {clock:6.2f} ms {processor:6.2f} ms "
                f"{agreement:9.4f} {furthest:9.4f}"
            )
            report[f"{kind} {precision}"] = {
                "graph_mb": round(size, 1), "process_mb": round(memory), "query_ms": round(clock, 2),
                "query_cpu_ms": round(processor, 2), "spearman": round(agreement, 4), "furthest": round(furthest, 4),
            }  # fmt: skip
    print()
    print(json.dumps(report))


if __name__ == "__main__":
    main()
