"""Which device a torch model runs on."""

from __future__ import annotations

import sys
import warnings
from pathlib import Path

from catalog.errors import ConfigError

DEVICES = ("auto", "cpu", "cuda")
FORWARD_BATCH = {"cpu": 8, "cuda": 256}
"""Inputs of one forward pass. On a CPU a few already keep the cores busy, and what they pass between layers
stays in the cache: 8 were 1.4 times as fast as 64 for a ViT-tiny, 1.15 times for MiniLM (docs/LOG.md)."""


def choose_device(device: str) -> str:
    """`cpu` or `cuda`: auto takes CUDA where torch sees a usable device; asking in vain is an error."""
    if device not in DEVICES:
        raise ConfigError(f"device is one of {', '.join(DEVICES)}, not {device!r}")
    if device == "cpu" or (device == "auto" and not _may_have_cuda()):
        return "cpu"
    import torch

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a driver that does not fit is told by the answer
        available = torch.cuda.is_available()
    if device == "cuda" and not available:
        raise ConfigError(
            "device = cuda, but torch sees no CUDA device on this machine: use auto or cpu, or "
            "install a CUDA build of torch and the driver it needs"
        )
    return "cuda" if available else "cpu"


def _may_have_cuda() -> bool:
    """False where there is certainly no CUDA device; torch, which knows, takes seconds to import."""
    drivers = ("/dev/nvidiactl", "/dev/nvidia0", "/dev/dxg", "/dev/nvhost-gpu")
    return sys.platform != "linux" or any(Path(driver).exists() for driver in drivers)
