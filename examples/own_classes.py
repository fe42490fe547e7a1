"""Train on pictures of classes of your own, and use the model that comes of it.

``python examples/own_classes.py [FOLDER]``

FOLDER holds ``train/<class>/`` and ``test/<class>/``; without one, pictures of stripes and spots
are drawn. Needs the extra `train`.
"""

import json
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
from PIL import Image

from fer_fast import Recognizer


def draw(folder: Path) -> None:
    """Draw 60 pictures of each class to train on and 20 to test."""
    rng = np.random.default_rng(0)
    x, y = np.meshgrid(np.arange(48), np.arange(48))
    for split, n in (("train", 60), ("test", 20)):
        for i in range(n):
            period, phase = rng.uniform(6, 12), rng.uniform(0, 6)
            waves = {
                "stripes": np.sin(2 * np.pi * (x + phase) / period),
                "spots": np.sin(2 * np.pi * (x + phase) / period) * np.sin(2 * np.pi * y / period),
            }
            for name, wave in waves.items():
                pixels = (127 + 90 * wave + rng.normal(0, 20, wave.shape)).clip(0, 255)
                path = folder / split / name / f"{i}.png"
                path.parent.mkdir(parents=True, exist_ok=True)
                Image.fromarray(pixels.astype(np.uint8)).save(path)


with tempfile.TemporaryDirectory() as made:
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else Path(made, "pictures")
    if len(sys.argv) == 1:
        draw(folder)
    run = Path(made, "run")
    command = [sys.executable, "-m", "fer_fast", "pipeline", "--data", folder, "--out", run]
    quick = ["--ants=6", "--iterations=2", "--trees=40", "--balance=none", "--quiet"]
    subprocess.run([*map(str, command), *quick], check=True)

    metrics = json.loads((run / "metrics.json").read_text(encoding="utf-8"))
    print(f"test accuracy of the ants' features: {metrics['test']['accuracy']:.2f}")
    for name, scores in metrics["baselines"].items():
        print(f"  of {name}: {scores['test']['accuracy']:.2f}")

    example = min((folder / "test").glob("*/*"))
    # The pictures are what they show: there is no face to find.
    (found,) = Recognizer(run / "model.onnx").predict(example, faces="none")
    print(f"{example.parent.name} is said to be {found.label}: {found.probabilities}")
