"""Writes encoders as ONNX graphs with everything that reading them takes, for processes without torch.

A folder holds `model.onnx` and, for texts, `tokenizer.json` and `config.json`; for pictures `preprocess.json`. What
it says is described in `embeddings.exported`. fp32 graphs answer what torch answers (1e-4, checked at every export).
int8 is onnxruntime's dynamic quantisation: weights of matrices and tables in 8 bits with a scale per column,
activations as they come. Folders are kept by encoder name, so nothing is exported twice.
"""

from __future__ import annotations

import logging
import os
import shutil
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Final

import numpy as np

from catalog.errors import BundleError
from catalog.records import Floats
from embeddings.exported import (
    CANONICAL_NUMBERS,
    CANONICAL_TEXT,
    GRAPH,
    IMAGE_CONFIG,
    INT8_SUFFIX,
    TEXT_CONFIG,
    TOKENIZER,
    ImageConfig,
    Precision,
    TextConfig,
    exported_folder,
)
from embeddings.image import TimmEncoder
from embeddings.onnx_image import OnnxImageEncoder, canonical_picture
from embeddings.onnx_text import OnnxTextEncoder
from embeddings.text import SbertEncoder

if TYPE_CHECKING:
    import torch

AGREEMENT: Final = 1e-4
"""Largest difference of a vector's numbers between torch and the fp32 graph."""
_OPSET = 17


def export(encoder: SbertEncoder | TimmEncoder, cache: Path, precision: Precision = "fp32") -> Path:
    """The folder of an exported encoder under `cache`, written there if it is not there yet.

    Raises:
        BundleError: the graph does not answer what torch answers; nothing is left behind.
    """
    folder = exported_folder(cache, encoder.name, precision)
    if folder.is_dir():
        return folder
    fresh = cache / f".exporting-{folder.name}-{os.getpid()}"
    shutil.rmtree(fresh, ignore_errors=True)
    fresh.mkdir(parents=True)
    try:
        if isinstance(encoder, SbertEncoder):
            _export_text(encoder, fresh, precision)
        else:
            _export_image(encoder, fresh, precision)
        fresh.rename(folder)
    except OSError:
        if not folder.is_dir():  # else another process was quicker, with the same result
            raise
    finally:
        shutil.rmtree(fresh, ignore_errors=True)
    return folder


def _export_text(encoder: SbertEncoder, folder: Path, precision: Precision) -> None:
    model = encoder.model
    backbone = model[0].auto_model
    before = backbone.config._attn_implementation
    backbone.set_attn_implementation("eager")  # plain matrix products: what runtimes know how to fuse
    try:
        found = model.tokenizer(["two words", "and a few more words"], padding=True, return_tensors="pt")
        _write_graph(
            lambda ids, mask: model({"input_ids": ids, "attention_mask": mask})["sentence_embedding"],
            model, (found["input_ids"].to(model.device), found["attention_mask"].to(model.device)),
            {"input_ids": ("batch", "tokens"), "attention_mask": ("batch", "tokens")}, folder, precision,
        )  # fmt: skip
    finally:
        backbone.set_attn_implementation(before)
    (folder / TOKENIZER).write_text(model.tokenizer.backend_tokenizer.to_str(), "utf-8")
    asked = encoder.encode_texts([CANONICAL_TEXT])
    config = TextConfig(
        name=encoder.name + (INT8_SUFFIX if precision == "int8" else ""), dim=encoder.dim, precision=precision,
        canonical=_first(asked), max_tokens=encoder.max_tokens, pad_token=int(model.tokenizer.pad_token_id or 0),
    ).write(folder / TEXT_CONFIG)  # fmt: skip
    answered = OnnxTextEncoder.open(folder).encode_texts([CANONICAL_TEXT])
    _agree(asked, answered, folder, precision)
    config.model_copy(update={"canonical": _first(answered)}).write(folder / TEXT_CONFIG)


def _export_image(encoder: TimmEncoder, folder: Path, precision: Precision) -> None:
    import torch

    read = encoder.preprocess
    device = next(encoder.network.parameters()).device
    blank = torch.zeros(2, 3, read.size, read.size, device=device)
    fit = getattr(encoder.network, "set_input_size", None)
    if fit is not None:  # a network that fits its positions to every picture does so once: runtimes cannot
        fit(img_size=read.size)
    _write_graph(encoder.network, encoder.network, (blank,), {"pixels": ("batch",)}, folder, precision)
    pixels = read(canonical_picture())[None]
    asked = encoder.encode_pixels(pixels)
    config = ImageConfig(
        name=encoder.name + (INT8_SUFFIX if precision == "int8" else ""), dim=encoder.dim, precision=precision,
        canonical=_first(asked), size=read.size, crop_pct=read.crop_pct, crop_mode=read.crop_mode,
        interpolation=read.interpolation, mean=read.mean, std=read.std, text_space=encoder.text_space,
    ).write(folder / IMAGE_CONFIG)  # fmt: skip
    answered = OnnxImageEncoder.open(folder).encode_pixels(pixels)
    _agree(asked, answered, folder, precision)
    config.model_copy(update={"canonical": _first(answered)}).write(folder / IMAGE_CONFIG)


def _write_graph(
    forward: Callable[..., torch.Tensor],
    module: torch.nn.Module,
    example: tuple[torch.Tensor, ...],
    axes: dict[str, tuple[str, ...]],
    folder: Path,
    precision: Precision,
) -> None:
    """Write `model.onnx`: `forward`, which runs `module`, and normalisation behind it.

    Through the exporter that traces: the newer one needs onnxscript, takes nine times as long, and its graphs of
    these networks are no quicker and no closer (docs/LOG.md).
    """
    import torch

    class Normalised(torch.nn.Module):
        """The vectors of a network at unit length."""

        def __init__(self) -> None:
            super().__init__()
            self.module = module

        def forward(self, *inputs: torch.Tensor) -> torch.Tensor:
            return torch.nn.functional.normalize(forward(*inputs), dim=1)

    with warnings.catch_warnings(), _told(folder):
        warnings.simplefilter("ignore")  # of the exporter's age, and of branches that tracing fixes
        torch.onnx.export(
            Normalised().eval(), example, str(folder / GRAPH), dynamo=False, opset_version=_OPSET,
            input_names=list(axes), output_names=["vector"],
            dynamic_axes={
                **{name: dict(enumerate(each)) for name, each in axes.items()}, "vector": {0: "batch"}
            },
        )  # fmt: skip
    if precision == "int8":
        _quantise(folder / GRAPH)


@contextmanager
def _told(folder: Path) -> Iterator[None]:
    """The exporter's many kinds of failure as one."""
    try:
        yield
    except Exception as error:
        said = str(error).partition("\n")[0][:200] or type(error).__name__
        raise BundleError(
            f"expected a network that exports to ONNX in {folder.name}, found: {said}"
        ) from error


def _quantise(path: Path) -> None:
    """Replace a graph by its int8 version."""
    from onnxruntime.quantization import QuantType, quantize_dynamic

    whole = path.rename(path.with_name("whole.onnx"))
    log = logging.getLogger()
    before = log.level
    log.setLevel(logging.ERROR)  # it recommends, on the root logger, a preparation that changes nothing here
    try:
        quantize_dynamic(
            whole, path, per_channel=True, weight_type=QuantType.QInt8, op_types_to_quantize=["MatMul", "Gather"],
            extra_options={"MatMulConstBOnly": True},
        )  # fmt: skip
    finally:
        log.setLevel(before)
        whole.unlink()


def _first(vectors: Floats) -> tuple[float, ...]:
    return tuple(round(float(number), 7) for number in vectors[0, :CANONICAL_NUMBERS])


def _agree(asked: Floats, answered: Floats, folder: Path, precision: Precision) -> None:
    drift = float(np.abs(asked - answered).max())
    if precision == "fp32" and not drift <= AGREEMENT:
        raise BundleError(
            f"expected the exported graph to answer what torch answers within {AGREEMENT}, found it off by "
            f"{drift:.3g} ({folder.name}); this network does not export"
        )
