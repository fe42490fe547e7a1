"""Score a saved model on a labelled data set, with 95 % intervals.

The data set is what `fer-fast pipeline --data` reads, or a folder of pictures with one folder for
each class. Only classes that the model and the data set have in common count.
"""

from __future__ import annotations

import argparse
import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from fer_fast.cli.commands.predict import add_model_options
from fer_fast.cli.interrupt import keeping
from fer_fast.cli.options import add_out_option, as_path
from fer_fast.errors import ParameterError
from fer_fast.settings import DataSettings
from fer_fast.storage.files import atomic_write

if TYPE_CHECKING:
    from rich.console import Console

    from fer_fast.progress import Reporter
    from fer_fast.recognition import Recognizer
    from fer_fast.recognition.evaluation import Answers, Evaluation

NAME = "evaluate"
HELP = "score a saved model on a labelled data set"
EXAMPLES = """\
examples:
  fer-fast evaluate --data fer2013.csv
  fer-fast evaluate --data faces/ --model model.onnx
  fer-fast evaluate --data a.csv --labels ferplus=votes.csv
"""

_SPLITS = ("Training", "PublicTest", "PrivateTest", "all")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's options."""
    group = parser.add_argument_group("data")
    group.add_argument(
        "--data", type=as_path, required=True, metavar="PATH", help="the labelled data set"
    )
    group.add_argument(
        "--labels",
        metavar="ferplus=CSV",
        help="FER+'s fer2013new.csv: score on its majority votes (default: the data's own)",
    )
    group.add_argument(
        "--split",
        choices=_SPLITS,
        default="PrivateTest",
        help="which rows of a data set that has splits (default: PrivateTest, its test rows)",
    )
    group.add_argument(
        "--faces",
        choices=("none", "largest"),
        default="none",
        help="of a folder's pictures; none: they are faces; largest: find one (default: none)",
    )
    add_model_options(parser)
    add_out_option(parser, "evaluation_out", "FILE", "also write it as JSON (default: print only)")


def run(options: argparse.Namespace, stdout: Console, reporter: Reporter) -> int:
    """Run the command and return its exit status."""
    from fer_fast.cli.tables.evaluation import evaluation_tables
    from fer_fast.recognition import Recognizer
    from fer_fast.recognition.evaluation import evaluate

    recognizer = Recognizer(options.model, device=options.device, threads=options.jobs)
    answers, protocol = _answers(recognizer, options, reporter)
    evaluation = evaluate(recognizer.info.labels, answers)
    try:
        if options.evaluation_out is not None:
            document = {
                "model": {"digest": recognizer.digest, "run_id": recognizer.info.run_id},
                "data": str(options.data),
                "protocol": protocol,
                **asdict(evaluation),
            }
            with keeping(), atomic_write(options.evaluation_out) as temporary:
                temporary.write_text(json.dumps(document, indent=2) + "\n", encoding="utf-8")
            reporter.note(f"wrote {options.evaluation_out}")
    finally:
        _say_what_is_left_out(evaluation, reporter)
        stdout.print(evaluation_tables(evaluation))
    return 0


def _answers(
    recognizer: Recognizer, options: argparse.Namespace, reporter: Reporter
) -> tuple[Answers, str]:
    """Return what the model says of the data set, and in words of which faces."""
    import numpy as np

    from fer_fast.faces.dataset import SPLIT_NAMES
    from fer_fast.faces.ferplus import with_ferplus_labels
    from fer_fast.faces.loading import load_faces
    from fer_fast.recognition.evaluation import Answers, ask, find_labelled_pictures

    path: Path = options.data
    votes = DataSettings(labels=options.labels).ferplus
    pictures = None
    if path.is_dir() and votes is None:
        pictures = find_labelled_pictures(path, recognizer.info.labels, reporter=reporter)
    if pictures is not None:
        with reporter.task("Looking at pictures", len(pictures.paths), "pictures") as task:
            answers = ask(recognizer, pictures, faces=options.faces, advance=task.advance)
        return answers, f"every picture, faces={options.faces}"
    if options.faces != "none":
        raise ParameterError(
            f"{path} holds faces that are cut out already", hint="leave --faces out"
        )
    dataset = load_faces(path, reporter=reporter)
    if dataset.digest == recognizer.info.data_digest and options.split != "PrivateTest":
        reporter.warn(
            f"the model was fitted on this data set's Training rows: {options.split} says more "
            "about its memory than about its worth"
        )
    if votes is not None:
        dataset = with_ferplus_labels(dataset, votes, reporter=reporter)
    splits = {name: split for split, name in SPLIT_NAMES.items()}
    rows = (
        np.arange(len(dataset)) if options.split == "all" else dataset.rows(splits[options.split])
    )
    names = [dataset.class_names[label] for label in dataset.labels[rows]]
    answers = Answers(recognizer.probabilities(dataset.pixels[rows]), names)
    return answers, f"{options.split} rows, {dataset.label_set.title}'s labels"


def _say_what_is_left_out(evaluation: Evaluation, reporter: Reporter) -> None:
    if evaluation.left_out:
        counts = ", ".join(f"{name} ({n:,})" for name, n in sorted(evaluation.left_out.items()))
        reporter.warn(f"left out, for the model does not know these classes: {counts}")
    if evaluation.unused:
        reporter.warn(
            "never answered, for the data set does not have these classes: "
            + ", ".join(evaluation.unused)
        )
    if evaluation.unread:
        reporter.warn(f"left out: {evaluation.unread:,} pictures that cannot be read")
    if evaluation.unfound:
        reporter.warn(f"left out: {evaluation.unfound:,} pictures in which no face is found")
