"""A whole model file on the real CUDA provider: what may compute beside the device."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
from stand_ins import OnStandIns

from fer_fast.graph.onefile import CLASSIFIER_NODES, write_onefile
from fer_fast.recognition import ModelInfo

OPEN = """
from fer_fast.recognition.model import ExpressionModel
try:
    model = ExpressionModel(Path({!r}), device="cuda")
    print(model.device, *(part.shape for part in model.run(numbered(3))))
except DeviceError as error:
    print("refused:", error)
"""


def write_model(random_model: Path, one_cut_forest: Any, out: Path) -> None:
    info = ModelInfo(("below", "above"))
    columns = np.arange(0, 5120, 8)
    forest = one_cut_forest(3, 0.5, len(columns))
    write_onefile(random_model, columns, forest, info.to_metadata(), out)


def test_a_forest_computes_on_the_cpu_beside_its_backbone_on_cuda(
    on_stand_ins: OnStandIns, random_model: Path, one_cut_forest: Any, tmp_path: Path
) -> None:
    path = tmp_path / "model.onnx"
    write_model(random_model, one_cut_forest, path)
    assert on_stand_ins(OPEN.format(str(path))).split("\n")[0] == "cuda (3, 2) (3,)"


def test_anything_else_on_the_cpu_is_refused(
    on_stand_ins: OnStandIns, random_model: Path, one_cut_forest: Any, tmp_path: Path
) -> None:
    path = tmp_path / "model.onnx"
    write_model(random_model, one_cut_forest, path)
    model = onnx.load(path)
    for node in model.graph.node:
        node.name = node.name.replace(CLASSIFIER_NODES, "backbone/")
    onnx.save(model, path)
    printed = on_stand_ins(OPEN.format(str(path)))
    assert printed.startswith("refused: ONNX Runtime computes")
    assert "fer-fast doctor" in printed
