"""Lets torchvision be imported beside a torch that its compiled operators do not fit.

torchvision's common wheel is built for CUDA. Beside a CPU build of torch its extension does not load,
`import torchvision` then stops at "operator torchvision::nms does not exist", and timm and transformers
stop with it. Nothing here detects boxes, so declaring the two operators, without any code behind them,
is enough. Call `declare_missing_operators` before the first import of timm or sentence_transformers.
"""

from __future__ import annotations

import importlib.util
from functools import cache
from pathlib import Path

_OPERATORS = (
    "nms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
    "qnms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
)
_kept: list[object] = []  # torch forgets the declarations with the object that made them


@cache
def declare_missing_operators() -> bool:
    """Declare the operators unless torchvision's own extension loads; True where they were declared."""
    spec = importlib.util.find_spec("torchvision")
    if spec is None or spec.origin is None:
        return False
    import torch

    for extension in sorted(Path(spec.origin).parent.glob("_C.*")):
        try:
            torch.ops.load_library(str(extension))  # type: ignore[no-untyped-call]
        except (ImportError, OSError):
            continue
        return False
    library = torch.library.Library("torchvision", "DEF")  # type: ignore[no-untyped-call]
    for operator in _OPERATORS:
        library.define(operator)  # type: ignore[no-untyped-call]
    _kept.append(library)
    return True
