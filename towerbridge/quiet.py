"""Keeps the libraries' own chatter off the terminal; `--debug` leaves it on."""

from __future__ import annotations

import logging
import os
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

ENVIRONMENT = {
    "TF_CPP_MIN_LOG_LEVEL": "3",
    "ABSL_MIN_LOG_LEVEL": "3",
    "GRPC_VERBOSITY": "ERROR",
    "TOKENIZERS_PARALLELISM": "false",
    "TRANSFORMERS_VERBOSITY": "error",
    "TRANSFORMERS_NO_ADVISORY_WARNINGS": "1",
    "HF_HUB_DISABLE_PROGRESS_BARS": "1",
    "HF_HUB_DISABLE_TELEMETRY": "1",
}
OURS = ("bundle", "catalog", "embeddings", "index", "serving", "towerbridge", "towers", "training")


def libraries() -> None:
    """Ask TensorFlow, torch and their kin for silence, before they are imported; what is already set stays.

    Our own packages log at most a few warnings, which are for the person at the terminal.
    """
    for name, value in ENVIRONMENT.items():
        os.environ.setdefault(name, value)
    warnings.simplefilter("ignore")
    logging.basicConfig(level=logging.ERROR, format="%(levelname)s: %(message)s")
    for name in OURS:
        logging.getLogger(name).setLevel(logging.WARNING)


@contextmanager
def native() -> Iterator[None]:
    """Drop what native code writes to standard error meanwhile, unless `libraries` was not called.

    TensorFlow's own code speaks while it is imported, before any of its settings counts.
    """
    if os.environ.get("TF_CPP_MIN_LOG_LEVEL") != ENVIRONMENT["TF_CPP_MIN_LOG_LEVEL"]:
        yield
        return
    sys.stderr.flush()
    kept, nowhere = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 2)
    try:
        yield
    finally:
        sys.stderr.flush()
        os.dup2(kept, 2)
        os.close(kept)
        os.close(nowhere)
