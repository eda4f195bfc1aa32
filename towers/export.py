"""From trained Keras layers to ONNX graphs, with probes: what they answered in TensorFlow.

The graphs' inputs and outputs are the contract with serving, written down in `docs/bundle.md`. It knows
nothing of files: bytes and arrays come back.
"""

from __future__ import annotations

import logging
import warnings
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bundle.probes import Probe
from towers.frameworks import tf
from towers.layers import tensors

OPSET = 17
Arrays = dict[str, NDArray[Any]]
Function = Callable[[dict[str, tf.Tensor]], dict[str, tf.Tensor]]


def to_onnx(function: Function, examples: Mapping[str, NDArray[Any]]) -> bytes:
    """Serialise a function of named tensors as one ONNX graph whose first axes are free.

    Args:
        function: maps inputs by name to outputs by name. Constants that it closes over must be arrays, not
            tensors: a captured tensor would become one more input of the graph.
        examples: one array per input, whose dtype and trailing axes the graph gets.
    """
    import tf2onnx

    names = list(examples)
    signature = [
        tf.TensorSpec((None, *examples[name].shape[1:]), examples[name].dtype, name=name) for name in names
    ]
    traced = tf.function(
        lambda *inputs: function(dict(zip(names, inputs, strict=True))), input_signature=signature
    )
    outputs = sorted(function(tensors(examples)))
    logging.getLogger("tf2onnx").setLevel(logging.ERROR)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # numpy and protobuf deprecations inside the converter
        model, _ = tf2onnx.convert.from_function(traced, input_signature=signature, opset=OPSET)
    rename_outputs(model, outputs)
    restore_means(model)
    serialised: bytes = model.SerializeToString()
    return serialised


def rename_outputs(model: Any, names: list[str]) -> None:
    """Give a model's outputs, which the converter calls Identity…, the names they had as a dictionary.

    A structured TensorFlow function flattens its dictionary in sorted order, which is the order of `names`.
    """
    found = [output.name for output in model.graph.output]
    assert len(found) == len(names), (
        f"{len(found)} outputs in the graph, {len(names)} names: {found}, {names}"
    )
    renamed = dict(zip(found, names, strict=True))
    for output in model.graph.output:
        output.name = renamed[output.name]
    for node in model.graph.node:
        node.output[:] = [renamed.get(name, name) for name in node.output]
        node.input[:] = [renamed.get(name, name) for name in node.input]


def restore_means(model: Any) -> None:
    """Undo the converter's turning of means over the last axis into pooling.

    onnxruntime fuses a layer normalisation only where it finds means in it.
    """
    from onnx import helper

    for node in model.graph.node:
        if node.op_type == "GlobalAveragePool":
            node.op_type = "ReduceMean"
            node.attribute.extend([helper.make_attribute("axes", [-1]), helper.make_attribute("keepdims", 1)])


def probe(function: Function, inputs: Arrays) -> Probe:
    """What the function answers in TensorFlow."""
    outputs = function(tensors(inputs))
    return Probe(inputs, {name: np.asarray(output) for name, output in outputs.items()})
