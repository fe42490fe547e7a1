"""Fit where FER-2013's square lies around a detected face, and measure what finding it again costs.

Training faces are enlarged and pasted onto a grey canvas with half a face's side around them. The
square is then known, and so is where the detector's box lies in it. With a model, PrivateTest faces
are pasted likewise at several enlargements, found and cut out again, and scored against the same
faces untouched; a face that is not found counts as wrong.

    python bench/framing.py --data DATA [--faces N] [--model MODEL] [--votes VOTES] [--out FILE]
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from fer_fast.faces.ferplus import with_ferplus_labels
from fer_fast.recognition import Recognizer
from fer_fast.recognition.crop import FACE_SIDE, FER2013, face_crop
from fer_fast.recognition.detect import FaceDetector

Faces = NDArray[np.uint8]

BORDER = 0.5
"""What the canvas has around the face, in sides of the face."""

GREY = 128
ENLARGEMENTS = (1, 2, 3, 4, 6, 8)
FITTED_AT = 4


def pasted(face: Faces, enlargement: int) -> Image.Image:
    """Return a face enlarged and pasted in the middle of a grey canvas."""
    side = FACE_SIDE * enlargement
    border = round(BORDER * side)
    canvas = Image.new("L", (side + 2 * border,) * 2, GREY)
    enlarged = Image.fromarray(face).resize((side, side), Image.Resampling.BICUBIC)
    canvas.paste(enlarged, (border, border))
    return canvas


class Found:
    """Boxes and landmarks of the faces that were found, in sides of the face from its corner."""

    def __init__(self, detector: FaceDetector, faces: Faces, enlargement: int) -> None:
        side = FACE_SIDE * enlargement
        boxes, landmarks = [], []
        for face in faces:
            found = detector.detect(pasted(face, enlargement).convert("RGB"))
            if len(found):
                boxes.append(found.boxes[0])
                landmarks.append(found.landmarks[0])
        corner = round(BORDER * side)
        self.boxes = (np.array(boxes) - (corner, corner, 0, 0)) / side
        self.landmarks = (np.array(landmarks) - corner) / side
        self.share = len(boxes) / len(faces)

    def rulers(self) -> dict[str, NDArray[np.floating]]:
        """Return lengths that the square's side could be measured by."""
        width, height = self.boxes[:, 2], self.boxes[:, 3]
        eyes = self.landmarks[:, :2].mean(axis=1)
        mouth = self.landmarks[:, 3:].mean(axis=1)
        return {
            "box height": height,
            "box width": width,
            "root of the box's area": np.sqrt(width * height),
            "eyes to mouth": np.linalg.norm(eyes - mouth, axis=1),
        }


def fit(found: Found) -> dict[str, Any]:
    """Return the square's side and centre against the box, by medians."""
    centres = 0.5 - (found.boxes[:, :2] + found.boxes[:, 2:] / 2)
    return {
        "side": {
            name: {
                "median": float(np.median(1 / ruler)),
                "quartiles": np.quantile(1 / ruler, (0.25, 0.75)).tolist(),
                "spread_of_logarithm": float(np.std(np.log(ruler))),
            }
            for name, ruler in found.rulers().items()
        },
        "centre": {"median": np.median(centres, axis=0).tolist(), "sd": centres.std(0).tolist()},
    }


def cost(
    detector: FaceDetector, recognizer: Recognizer, faces: Faces, truth: NDArray[np.str_]
) -> list[dict[str, Any]]:
    """Score faces untouched, and found and cut out again at each enlargement."""
    direct = predicted(recognizer, faces) == truth
    table: list[dict[str, Any]] = [{"enlargement": None, "accuracy": float(direct.mean())}]
    # Half a pixel beside the pixels it was made of: what cutting out alone costs.
    side = FACE_SIDE * FITTED_AT
    off = (BORDER + 0.5 / FACE_SIDE) * side
    known = np.stack([face_crop(pasted(face, FITTED_AT), (off, off, side)) for face in faces])
    table.append(
        {
            "enlargement": FITTED_AT,
            "square": "known, half a pixel off",
            "accuracy": float((predicted(recognizer, known) == truth).mean()),
        }
    )
    for enlargement in ENLARGEMENTS:
        found = np.zeros(len(faces), bool)
        crops = np.zeros_like(faces)
        for row, face in enumerate(faces):
            canvas = pasted(face, enlargement)
            seen = detector.detect(canvas.convert("RGB"))
            if len(seen):
                found[row] = True
                crops[row] = face_crop(canvas, recognizer.info.framing.square(seen.boxes[0]))
        again = (predicted(recognizer, crops) == truth) & found
        gain = again[found].astype(float) - direct[found]
        table.append(
            {
                "enlargement": enlargement,
                "found": float(found.mean()),
                "accuracy": float(again.mean()),
                "accuracy_of_found": float(again[found].mean()),
                "same_faces_untouched": float(direct[found].mean()),
                "difference": float(gain.mean()),
                "half_width_95": float(1.96 * gain.std(ddof=1) / np.sqrt(len(gain))),
            }
        )
    return table


def predicted(recognizer: Recognizer, faces: Faces) -> NDArray[np.str_]:
    return np.array([face.label for face in recognizer.predict_faces(faces)])


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, required=True, help="a local copy of FER-2013")
    parser.add_argument("--faces", type=int, default=1000, help="faces of each split")
    parser.add_argument("--model", type=Path, help="a model.onnx to measure the cost with")
    parser.add_argument(
        "--votes", type=Path, help="FER+'s fer2013new.csv: score on its majorities, not the labels"
    )
    parser.add_argument("--out", type=Path, help="write the results as JSON")
    options = parser.parse_args()

    from fer_fast.faces.loading import load_faces

    dataset = load_faces(options.data)
    rng = np.random.default_rng(0)

    def some(split: int) -> NDArray[np.intp]:
        rows = np.flatnonzero(dataset.splits == split)
        return np.sort(rng.choice(rows, min(options.faces, len(rows)), replace=False))

    detector = FaceDetector()
    training = dataset.pixels[some(0)]
    results: dict[str, Any] = {"faces": options.faces, "found": {}}
    for enlargement in ENLARGEMENTS:
        found = Found(detector, training, enlargement)
        results["found"][enlargement] = found.share
        print(f"enlarged {enlargement}×: {found.share:.1%} found")
        if enlargement == FITTED_AT:
            results["fit"] = fit(found)
    for name, side in results["fit"]["side"].items():
        print(f"side over {name}: {side['median']:.3f}, spread {side['spread_of_logarithm']:.3f}")
    print(f"centre less the box's: {np.round(results['fit']['centre']['median'], 3).tolist()}")
    print(f"the package has: {FER2013}")
    if options.model is not None:
        recognizer = Recognizer(options.model)
        if options.votes is not None:
            dataset = with_ferplus_labels(dataset, options.votes)
        rows = some(2)
        truth = np.array([dataset.class_names[label] for label in dataset.labels[rows]])
        known = np.isin(truth, recognizer.info.labels)
        results["cost_measured_on"] = {
            "labels": dataset.label_set.title,
            "faces": int(known.sum()),
            "model": recognizer.digest,
        }
        results["cost"] = cost(detector, recognizer, dataset.pixels[rows][known], truth[known])
        for row in results["cost"]:
            print(row)
    if options.out is not None:
        options.out.write_text(json.dumps(results, indent=2) + "\n")


if __name__ == "__main__":
    main()
