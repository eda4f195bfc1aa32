"""Keeps the libraries' own chatter off the terminal; `--debug` leaves it on."""

from __future__ import annotations

import logging
import os
import warnings

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
