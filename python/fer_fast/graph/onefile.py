"""Joining a backbone, the chosen columns, a classifier and its calibration into one ONNX file."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fer_fast.classifier.calibration import Calibration, Isotonic, Temperature
from fer_fast.errors import ParameterError
from fer_fast.graph.padding import with_explicit_padding
from fer_fast.storage.files import atomic_write

CLASSIFIER_NODES = "classifier/"
"""How the names of all nodes start that follow the backbone."""


def write_onefile(
    backbone: Path,
    columns: NDArray[np.integer] | None,
    classifier: Any,
    metadata: Mapping[str, str],
    out: Path,
    *,
    calibration: Calibration | None = None,
) -> None:
    """Write a whole trained system as one ONNX file.

    Its input is the backbone's, ``pixels``, uint8 (n, 48, 48). Its outputs are ``probabilities``,
    float32 (n, n_classes), and ``label``, int64 (n,), the position of the greatest of them, of
    equals the first.

    Parameters
    ----------
    backbone : Path
        An ONNX file with the input ``pixels`` and the output ``features``, with or without a head.
    columns : ndarray of shape (n_selected,), integer, or None
        The features that the classifier takes, in its order; None: all.
    classifier : onnx.ModelProto
        With one input, float32 (n, n_selected), and one output, probabilities, float32
        (n, n_classes).
    metadata : mapping of str to str
        What the file says about itself.
    out : Path
    calibration : Temperature, Isotonic or None

    Raises
    ------
    ParameterError
        If the parts do not fit.
    OutputError
        If `out` cannot be written.

    Notes
    -----
    Channels of the backbone that no chosen column reads are not cut. Only its last convolution
    could lose any, a ninth of a 48-pixel backbone's multiplications, and of 1,280 channels at four
    places 1,024 columns of 5,120 leave 40 % unread: less than a twentieth of the work.
    """
    import onnx
    from onnx import TensorProto, compose, helper, numpy_helper

    # Ready for CUDA; on the CPU, ONNX Runtime joins the padding with the convolutions again.
    body = onnx.load_from_string(with_explicit_padding(backbone))
    (pixels,), (features,) = body.graph.input, body.graph.output
    tail = compose.add_prefix(classifier, CLASSIFIER_NODES)
    (taken,), (said,) = tail.graph.input, tail.graph.output
    n_classes = said.type.tensor_type.shape.dim[1].dim_value
    n_taken = taken.type.tensor_type.shape.dim[1].dim_value
    n_features = features.type.tensor_type.shape.dim[1].dim_value
    chosen = np.arange(n_features) if columns is None else np.asarray(columns)
    if len(chosen) != n_taken or chosen.min() < 0 or chosen.max() >= n_features:
        raise ParameterError(
            f"the classifier takes {n_taken} features and {len(chosen)} of the backbone's "
            f"{n_features} are chosen: give both from one run"
        )
    part = _Part()
    if columns is None:
        part.add("Identity", [features.name], output=taken.name)
    else:
        index = part.constant("columns", chosen.astype(np.int64))
        part.add("Gather", [features.name, index], output=taken.name, axis=1)
    _calibrate(part, calibration, said.name, "probabilities")
    part.add("ArgMax", ["probabilities"], output="label", axis=1, keepdims=0)
    choosing, *concluding = part.nodes
    graph = helper.make_graph(
        [*body.graph.node, choosing, *tail.graph.node, *concluding],
        "fer-fast",
        [pixels],
        [
            helper.make_tensor_value_info("probabilities", TensorProto.FLOAT, ["n", n_classes]),
            helper.make_tensor_value_info("label", TensorProto.INT64, ["n"]),
        ],
        [
            *body.graph.initializer,
            *tail.graph.initializer,
            *(numpy_helper.from_array(value, name) for name, value in part.constants.items()),
        ],
    )
    model = helper.make_model(
        graph,
        opset_imports=_opsets(body, tail),
        ir_version=max(body.ir_version, tail.ir_version),
        producer_name="fer-fast",
    )
    helper.set_model_props(model, dict(metadata))
    onnx.checker.check_model(model)
    with atomic_write(out) as temporary:
        temporary.write_bytes(model.SerializeToString(deterministic=True))


def softmax_classifier(weights: ArrayLike, bias: ArrayLike) -> Any:
    """Return a dense layer with softmax as an ONNX model.

    Parameters
    ----------
    weights : array of shape (n_features, n_classes)
    bias : array of shape (n_classes,)

    Returns
    -------
    onnx.ModelProto
        Input ``features``, float32 (n, n_features); output ``probabilities``.
    """
    from onnx import TensorProto, helper, numpy_helper

    kernel = np.asarray(weights, np.float32)
    n_features, n_classes = kernel.shape
    constants = {"weights": kernel, "bias": np.asarray(bias, np.float32)}
    graph = helper.make_graph(
        [
            helper.make_node("Gemm", ["features", "weights", "bias"], ["logits"], "dense"),
            helper.make_node("Softmax", ["logits"], ["probabilities"], "softmax", axis=1),
        ],
        "softmax",
        [helper.make_tensor_value_info("features", TensorProto.FLOAT, ["n", n_features])],
        [helper.make_tensor_value_info("probabilities", TensorProto.FLOAT, ["n", n_classes])],
        [numpy_helper.from_array(value, name) for name, value in constants.items()],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)


class _Part:
    """Nodes in their order and their constants, all named as the classifier's."""

    def __init__(self) -> None:
        self.nodes: list[Any] = []
        self.constants: dict[str, NDArray[Any]] = {}

    def constant(self, name: str, value: NDArray[Any]) -> str:
        name = f"{CLASSIFIER_NODES}{name}"
        self.constants[name] = value
        return name

    def add(self, operator: str, inputs: list[str], *, output: str = "", **attributes: Any) -> str:
        from onnx import helper

        name = f"{CLASSIFIER_NODES}{operator}_{len(self.nodes)}"
        output = output or f"{name}_output"
        self.nodes.append(helper.make_node(operator, inputs, [output], name, **attributes))
        return output


def _calibrate(part: _Part, calibration: Calibration | None, said: str, output: str) -> None:
    """Append the nodes that turn what a classifier says into what the file says."""
    match calibration:
        case None:
            part.add("Identity", [said], output=output)
        case Temperature(temperature, floor):
            least = part.constant("floor", np.array(floor, np.float32))
            divisor = part.constant("temperature", np.array(temperature, np.float32))
            logarithms = part.add("Log", [part.add("Max", [said, least])])
            part.add("Softmax", [part.add("Div", [logarithms, divisor])], output=output, axis=1)
        case Isotonic(first, starts, widths, rises):
            last = part.constant("last", np.array([2], np.int64))
            classes = part.constant("classes", np.array([1], np.int64))
            zero = part.constant("zero", np.array(0, np.float32))
            one = part.constant("one", np.array(1, np.float32))

            def single(name: str, value: NDArray[np.floating]) -> str:
                return part.constant(name, value.astype(np.float32))

            away = part.add("Sub", [part.add("Unsqueeze", [said, last]), single("starts", starts)])
            along = part.add("Div", [away, single("widths", widths)])
            risen = part.add("Mul", [part.add("Clip", [along, zero, one]), single("rises", rises)])
            summed = part.add("ReduceSum", [risen, last], keepdims=0)
            heights = part.add("Add", [summed, single("first", first)])
            total = part.add("ReduceSum", [heights, classes], keepdims=1)
            part.add("Div", [heights, total], output=output)


def _opsets(body: Any, tail: Any) -> list[Any]:
    """Return the operator sets of both models, which must agree on those that both use."""
    versions: dict[str, int] = {}
    for model in (body, tail):
        # Exporters name sets that they do not use.
        used = {"", *(node.domain for node in model.graph.node)}
        for opset in model.opset_import:
            domain = "" if opset.domain == "ai.onnx" else opset.domain
            if domain not in used:
                continue
            if versions.setdefault(domain, opset.version) != opset.version:
                raise ParameterError(
                    f"the backbone and the classifier use operator sets {versions[domain]} and "
                    f"{opset.version} of {domain or 'ai.onnx'}: export both for the same"
                )
    from onnx import helper

    return [helper.make_opsetid(domain, version) for domain, version in versions.items()]
