"""Train the expression model that the package ships, score it, and write its card's figures.

The frozen backbone of the preset `best`, and small dense heads that learn the shares of FER+'s
votes, their logits averaged: Training faces without those whose exact image stands in another split
and those on which no vote counts, each also mirrored and moved as far as a detector's framing
strays. All epochs are run and the last one's weights kept. What answers behind the heads, their own
softmax or a forest on their activations, is chosen by the log loss against PublicTest's votes; so
is whether the face's mirror image is asked too. The softmax's bias gives back a part of what rare
expressions lost for being rare, `--tau` times the logarithm of each one's share [Menon et al.,
"Long-tail learning via logit adjustment", ICLR 2021, equation 9], and a temperature is fitted on
PublicTest.
PrivateTest is read once, through the finished file.

    python bench/bundled_model.py --data DATA --votes VOTES --work FOLDER [--out FILE]

The features to train on (6.2 GB) stay in FOLDER, and a second run takes them from there.
"""

from __future__ import annotations

import argparse
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from common import print_table, write_results
from numpy.typing import NDArray

from fer_fast import HistForestClassifier, Recognizer, Settings, __version__, load_faces
from fer_fast.classifier.calibration import (
    CalibrationReport,
    Temperature,
    calibration_error,
    fit_temperature,
    log_loss,
)
from fer_fast.classifier.scores import Scores, score_held_out
from fer_fast.environment import available_cpus
from fer_fast.faces.dataset import FaceDataset, Split
from fer_fast.faces.duplicates import shared_across_splits
from fer_fast.faces.ferplus import majority_labels, vote_shares
from fer_fast.features import frozen_model, open_model
from fer_fast.graph.cost import face_bytes
from fer_fast.graph.head import append_heads
from fer_fast.graph.onefile import softmax_classifier, write_onefile
from fer_fast.head.config import HeadConfig
from fer_fast.head.training import LabelledFaces, TrainedHead, fit_head, write_views
from fer_fast.head.views import Movement
from fer_fast.recognition.card import BUNDLED_CARD, figures, with_figures
from fer_fast.recognition.model import ModelInfo
from fer_fast.recognition.recognizer import BUNDLED_MODEL
from fer_fast.runtime.session import open_session
from fer_fast.settings import PRESETS
from fer_fast.storage.files import file_digest

Matrix = NDArray[np.floating]

PROTOCOL = (
    "trained on the FER+ vote shares of Training, calibrated and decided on PublicTest, scored on "
    "PrivateTest"
)
LICENSE = "Apache-2.0 OR MIT; see the card for the data's"

DETECTED = Movement(degrees=12, factor=1.28, pixels=4)
"""Standard deviations of 14 % in size and 5 % in place: what `framing.py` finds of the detector's
framing around FER-2013's."""

BACKBONE: dict[str, Any] = {name: PRESETS["best"][name] for name in ("size", "taps", "pooling")}

HEAD = HeadConfig(
    channels=768,
    units=(128, 256, 128),
    dropout=(0.05, 0.2, 0.2),
    epochs=30,
    label_smoothing=0.0,
    members=3,
)
TREES = 90


@dataclass(frozen=True)
class Voted:
    """FER-2013 with FER+'s votes.

    Attributes
    ----------
    dataset : FaceDataset
    shares : ndarray of shape (n_faces, 7), float32
    majorities : ndarray of shape (n_faces,), int64
        The label that more than half of all votes give; -1: none of the seven.
    shared : ndarray of shape (n_faces,), bool
        Whose exact image stands in another split too.
    """

    dataset: FaceDataset
    shares: NDArray[np.float32]
    majorities: NDArray[np.int64]
    shared: NDArray[np.bool_]

    @classmethod
    def read(cls, data: Path, votes: Path) -> Voted:
        dataset = load_faces(data)
        majorities = majority_labels(dataset, votes)
        majorities[majorities >= len(dataset.label_set)] = -1
        return cls(dataset, vote_shares(dataset, votes), majorities, shared_across_splits(dataset))

    def rows(self, split: Split, limit: int | None = None) -> NDArray[np.intp]:
        """Return a split's rows that stand in no other and have votes, at most `limit`."""
        usable = (self.dataset.splits == split) & ~self.shared & (self.shares.sum(axis=1) > 0)
        return np.flatnonzero(usable)[:limit]

    def labelled(self, rows: NDArray[np.intp]) -> LabelledFaces:
        return LabelledFaces(self.dataset.pixels[rows], self.shares[rows])


def train(
    voted: Voted, backbone: Path, settings: Settings, options: argparse.Namespace
) -> TrainedHead:
    training, validation = (
        voted.labelled(voted.rows(split, options.faces))
        for split in (Split.TRAINING, Split.PUBLIC_TEST)
    )
    options.work.mkdir(parents=True, exist_ok=True)
    config = replace(HEAD, epochs=options.epochs)
    # What is written last.
    if not (options.work / f"view-{1 + config.moved_copies}.npy").exists():
        session = open_model(backbone, settings)
        write_views(options.work, session, training, validation, config, movement=DETECTED)
    return fit_head(options.work, config, jobs=settings.jobs)


def activations(head: TrainedHead, *views: Path) -> NDArray[np.float32]:
    """Return the mean of the head's activations over views, from the features that were kept."""
    total = 0.0
    for view in views:
        X = np.load(view, mmap_mode="r")
        blocks = [X[at : at + 1024].astype(np.float32) for at in range(0, len(X), 1024)]
        total = total + np.concatenate([head.activations(block) for block in blocks])
    return np.asarray(total / len(views), np.float32)


def softmax(logits: Matrix) -> Matrix:
    powers = np.exp(logits - logits.max(axis=1, keepdims=True))
    return powers / powers.sum(axis=1, keepdims=True)


def answer_layer(head: TrainedHead, prior: Matrix, tau: float) -> tuple[Matrix, Matrix]:
    weights, bias = head.answer
    return weights, bias - tau * np.log(prior)


def compared(
    head: TrainedHead, voted: Voted, options: argparse.Namespace, both: NDArray[np.float32]
) -> dict[str, dict[str, float]]:
    """Return what each way to answer says of PublicTest, each after its temperature.

    `both` are the activations of PublicTest's faces, averaged with their mirror images'.
    """
    targets = voted.shares[voted.rows(Split.TRAINING, options.faces)]
    shares = voted.shares[voted.rows(Split.PUBLIC_TEST, options.faces)]
    alone = activations(head, options.work / "validation.npy")
    trained_on = activations(head, options.work / "view-0.npy", options.work / "view-1.npy")
    forest = HistForestClassifier(TREES, random_state=0).fit(trained_on, targets.argmax(axis=1))
    votes = np.zeros_like(shares)
    votes[:, forest.classes_] = forest.predict_proba(both)
    ways = {"forest": votes}
    first = TrainedHead(head.members[:1], head.answers[:1])
    for name, asked, X, tau in (
        ("softmax", head, both, options.tau),
        ("softmax, no mirror image", head, alone, options.tau),
        ("softmax, tau 0", head, both, 0.0),
        ("softmax, one head", first, both[:, : first.members[0].n_features], options.tau),
    ):
        weights, bias = answer_layer(asked, targets.mean(axis=0), tau)
        ways[name] = softmax(X @ weights + bias)
    return {name: judged(said, shares) for name, said in ways.items()}


def judged(said: Matrix, shares: Matrix) -> dict[str, float]:
    """Score probabilities, after a temperature of their own, against votes."""
    calibration = fit_temperature(said, shares)
    said = calibration.apply(said)
    decided = shares.max(axis=1) > 0.5
    right = said.argmax(axis=1) == shares.argmax(axis=1)
    return {
        "log_loss": log_loss(said, shares),
        "calibration_error": calibration_error(said, shares),
        "accuracy_where_half_agree": float(right[decided].mean()),
        "temperature": calibration.temperature,
    }


def held_out(voted: Voted, said: Matrix, labels: NDArray[np.integer]) -> dict[str, Any]:
    """Score what is said of PrivateTest's faces; those with a negative label have none."""
    known = labels >= 0
    shared = voted.shared[voted.dataset.rows(Split.PRIVATE_TEST)]
    names = voted.dataset.class_names
    scores = score_held_out(labels[known], said[known].argmax(axis=1), shared[known], names)
    return {"test": scores_document(scores.test)} | {
        "test_deduplicated": scores_document(scores.test_deduplicated)
    }


def scores_document(scores: Scores) -> dict[str, Any]:
    return {
        "rows": scores.rows,
        "accuracy": scores.accuracy,
        "f1_macro": scores.f1_macro,
        "recall_macro": scores.recall_macro,
        "per_class": {name: asdict(one) for name, one in scores.per_class.items()},
    }


def scored(info: ModelInfo, voted: Voted, said: Matrix, raw: Matrix) -> ModelInfo:
    """Return what the file says of itself, PrivateTest included.

    `said` is what it says of PrivateTest's faces, `raw` the same before its temperature.
    """
    rows = voted.dataset.rows(Split.PRIVATE_TEST)
    own = ~voted.shared[rows] & (voted.shares[rows].sum(axis=1) > 0)
    shares = voted.shares[rows][own]
    calibration = Temperature(info.calibration["temperature"], info.calibration["floor"])
    report = CalibrationReport(
        calibration, calibration_error(raw[own], shares), calibration_error(said[own], shares)
    )
    return replace(
        info,
        calibration=report.as_dict()
        | {
            "against": "FER+ vote shares, without duplicates",
            "log_loss_before": log_loss(raw[own], shares),
            "log_loss_after": log_loss(said[own], shares),
        },
        scores=info.scores
        | held_out(voted, said, voted.majorities[rows])
        | {
            "own_labels": {"data": voted.dataset.label_set.title}
            | held_out(voted, said, voted.dataset.labels[rows].astype(np.int64))
        },
    )


def main() -> None:
    options = parsed()
    voted = Voted.read(options.data, options.votes)
    settings = Settings(**BACKBONE, weights=options.weights, jobs=options.jobs)
    backbone = frozen_model(settings)
    head = train(voted, backbone, settings, options)
    features = options.work / "features.onnx"
    features.write_bytes(append_heads(backbone, head.members))

    public = voted.rows(Split.PUBLIC_TEST, options.faces)
    both = open_session(features, "cpu").features(voted.dataset.pixels[public])
    ways = compared(head, voted, options, both)
    prior = voted.shares[voted.rows(Split.TRAINING, options.faces)].mean(axis=0)
    weights, bias = answer_layer(head, prior, options.tau)
    calibration = fit_temperature(softmax(both @ weights + bias), voted.shares[public])
    info = ModelInfo(
        labels=voted.dataset.class_names,
        version=__version__,
        data_digest=voted.dataset.digest,
        backbone_digest=file_digest(backbone),
        parameters={
            "backbone": BACKBONE,
            "head": asdict(HEAD) | {"epochs": options.epochs},
            "movement": asdict(DETECTED),
            "prior_correction": options.tau,
            "training_faces": len(voted.rows(Split.TRAINING, options.faces)),
        },
        calibration=asdict(calibration),
        scores={"protocol": PROTOCOL, "data": "FER+", "synthetic": False},
        license=LICENSE,
        face_bytes=face_bytes(features),
    )
    classifier = softmax_classifier(weights, bias)

    def write(path: Path, calibration: Temperature | None, info: ModelInfo) -> Recognizer:
        write_onefile(features, None, classifier, info.to_metadata(), path, calibration=calibration)
        return Recognizer(path)

    faces = voted.dataset.pixels[voted.dataset.rows(Split.PRIVATE_TEST)]
    raw = write(options.work / "raw.onnx", None, info).probabilities(faces)
    info = scored(info, voted, calibration.apply(raw), raw)
    finished = write(options.model, calibration, info)
    np.testing.assert_allclose(
        finished.probabilities(faces[:256]), calibration.apply(raw[:256]), atol=1e-5
    )
    card = with_figures(BUNDLED_CARD.read_text(encoding="utf-8"), info)
    (options.model.parent / BUNDLED_CARD.name).write_text(card, encoding="utf-8")
    report(options, ways, info)


def parsed() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, required=True, help="a local copy of FER-2013")
    parser.add_argument("--votes", type=Path, required=True, help="FER+'s fer2013new.csv")
    parser.add_argument("--weights", type=Path, help="MobileNetV2's ImageNet weights without top")
    parser.add_argument("--work", type=Path, required=True, help="where features are kept")
    parser.add_argument("--jobs", type=int, default=available_cpus(), help="threads")
    parser.add_argument("--epochs", type=int, default=HEAD.epochs)
    parser.add_argument("--tau", type=float, default=0.25, help="how much of the prior is undone")
    parser.add_argument("--faces", type=int, help="of each split; all but for a trial")
    parser.add_argument(
        "--model", type=Path, default=BUNDLED_MODEL, help="what to write, its card beside it"
    )
    parser.add_argument("--out", type=Path, help="write what was compared as JSON")
    return parser.parse_args()


def report(options: argparse.Namespace, ways: dict[str, Any], info: ModelInfo) -> None:
    measures = list(next(iter(ways.values())))
    print_table(
        "PublicTest's votes, without duplicates",
        ("answered by", *(measure.replace("_", " ") for measure in measures)),
        [(name, *(f"{one[measure]:.4f}" for measure in measures)) for name, one in ways.items()],
    )
    print(figures(info))
    write_results(options, {"public_test": ways, "bytes": options.model.stat().st_size})


if __name__ == "__main__":
    main()
