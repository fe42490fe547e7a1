"""The one place that knows the order of the stages."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fer_fast.balance.smote import balance_classes, require_balancing
from fer_fast.classifier.calibration import (
    CalibrationReport,
    calibration_error,
    fit_temperature,
)
from fer_fast.classifier.scores import HeldOutScores, score_held_out
from fer_fast.errors import DataError
from fer_fast.execution.cluster import cluster_workers
from fer_fast.execution.workers import Workers
from fer_fast.faces.dataset import Rows, Split
from fer_fast.faces.duplicates import deciding_rows, duplicate_groups, shared_across_splits
from fer_fast.features import FaceFeatures, extract, mirrored_features
from fer_fast.forest.subset import SubsetClassifier, SubsetForests
from fer_fast.progress import SILENT, Clock, Reporter, WarningLog
from fer_fast.runs.journal import evidence
from fer_fast.runs.predictions import TestPredictions
from fer_fast.runs.result import RunResult
from fer_fast.selection.baselines import baseline_subsets
from fer_fast.selection.desirability import anova_f
from fer_fast.selection.executors import MOST_UNDER_WAY, ExecutorFitness
from fer_fast.selection.journal import Journal, JournalledFitness
from fer_fast.selection.search import (
    Fitness,
    Search,
    TrainingRows,
    make_fitness,
    measure_desirability,
    search,
)
from fer_fast.settings import (
    ColonySettings,
    FitnessSettings,
    ForestSettings,
    RunSettings,
    Settings,
)

KeepSelection = Callable[[NDArray[np.int64], int], None]
"""Given the subset and the number of features there were as soon as the search is over."""


def run_pipeline(
    settings: Settings,
    *,
    keep_selection: KeepSelection | None = None,
    journal: Journal | None = None,
    reporter: Reporter = SILENT,
) -> RunResult:
    """Run every stage: fit on Training, decide on rows unknown to a forest, test on PrivateTest.

    Parameters
    ----------
    settings : Settings
    keep_selection : callable or None
        Given the subset and the number of features there were as soon as the search is over: what
        comes after takes long enough to be interrupted.
    journal : Journal or None
        Keeps each evaluation of the search, and knows those of a run that was killed.
    reporter : Reporter

    Raises
    ------
    FerFastError
        If the user can mend what went wrong.
    SelectionInterrupted
        On Ctrl-C while the colony searches.
    """
    reporter = WarningLog(reporter)
    require_balancing(settings.balance)
    clock = Clock()
    with ExitStack() as life:
        workers = None
        if settings.dask is not None:
            workers = life.enter_context(cluster_workers(settings.dask, reporter))
        features = extract(settings, workers=workers, reporter=reporter, clock=clock)
        test = _test_faces(features)
        F, training = _training_rows(features, settings, clock, reporter)
        run = settings.section(RunSettings)
        with clock.stage("selection"):
            found = _choose(F, training, features, settings, journal, workers, reporter)
    if keep_selection is not None:
        keep_selection(found.subset, len(F))

    others = baseline_subsets(F, len(found.subset), random_state=run.seed)
    subsets = {"chosen": found.subset} | others
    classifier, predicted = _fit_all(training, settings, subsets, test, clock, reporter)
    with clock.stage("calibration"):
        calibration, probabilities = _calibrate(classifier, features, test)
    return RunResult(
        settings=settings,
        dataset=features.dataset,
        device=features.session.device,
        model=features.model,
        model_digest=features.session.model_digest,
        channels=features.channels,
        classifier=classifier,
        scores=test.score(predicted["chosen"]),
        calibration=calibration,
        baselines={name: test.score(predicted[name]) for name in others},
        search=found,
        predictions=test.predictions(predicted, probabilities),
        fitted_counts=_counts(training, features.dataset.class_names),
        warnings=tuple(reporter.warnings),
        timings=clock.seconds,
    )


def _choose(
    F: NDArray[np.float64],
    training: TrainingRows,
    features: FaceFeatures,
    settings: Settings,
    journal: Journal | None,
    workers: Workers | None,
    reporter: Reporter,
) -> Search:
    """Let the ants choose features, on the journal's record if there is one."""
    run, forest = settings.section(RunSettings), settings.section(ForestSettings)
    colony, deposit = settings.section(ColonySettings), settings.deposited
    fitness: Fitness = make_fitness(
        training,
        None if settings.judges == "out-of-bag" else _validation_rows(features),
        settings.section(FitnessSettings),
        forest,
        deposit=deposit,
        seed=run.seed,
        # Threads that no ant needs grow an evaluation's trees.
        n_jobs=max(1, run.jobs // settings.ants) if workers is None else 1,
    )
    desirability = measure_desirability(F, training, colony, forest, run, deposit=deposit)
    n_jobs = None
    if workers is not None:
        fitness, n_jobs = ExecutorFitness(fitness, workers, warn=reporter.warn), MOST_UNDER_WAY
    how: dict[str, Any] = {"deposit": deposit, "n_jobs": n_jobs, "reporter": reporter}
    if journal is None:
        return search(desirability, fitness, colony, run, **how)
    journal.begin(evidence(features.dataset.digest, features.X, desirability))
    journalled = JournalledFitness(fitness, journal)
    found = search(desirability, journalled, colony, run, **how)
    journalled.end(found.stopped_by)
    journal.close()
    return found


@dataclass(frozen=True)
class _TestFaces:
    """What a forest is scored on.

    Attributes
    ----------
    rows : Rows
    positions : ndarray of shape (n_test,), integer
        Where they stand in the data set.
    shared : ndarray of shape (n_test,), bool
        Whose exact image stands in another split too.
    class_names : tuple of str
    own_labels : ndarray of shape (n_test,), int64, or None
        What the faces came with, where others stand in `rows`.
    """

    rows: Rows
    positions: NDArray[np.intp]
    shared: NDArray[np.bool_]
    class_names: tuple[str, ...]
    own_labels: NDArray[np.int64] | None

    def score(self, predicted: NDArray[np.int64]) -> HeldOutScores:
        return score_held_out(
            self.rows.y,
            predicted,
            self.shared,
            self.class_names,
            y_own=self.own_labels,
        )

    def predictions(
        self, predicted: dict[str, NDArray[np.int64]], probabilities: NDArray[np.float32]
    ) -> TestPredictions:
        """Return what the forests said, for the run's file; the first is the colony's."""
        others = dict(predicted)
        return TestPredictions(
            rows=self.positions.astype(np.int64),
            y=self.rows.y,
            shared=self.shared,
            predicted=others.pop("chosen"),
            probabilities=probabilities,
            baselines=others,
        )


def _test_faces(features: FaceFeatures) -> _TestFaces:
    """Return the test faces; refuse those that all stand in another split too."""
    dataset = features.dataset
    test = dataset.rows(Split.PRIVATE_TEST)
    shared = shared_across_splits(dataset)[test]
    if shared.all():
        raise DataError(
            f"{dataset.source} has no test face whose exact image stands in its own split alone",
            hint="give a data set whose test faces are not its training faces",
        )
    own = dataset.own_labels
    return _TestFaces(
        _rows(features, test),
        test,
        shared,
        dataset.class_names,
        None if own is None else own[test].astype(np.int64),
    )


def _fit_all(
    training: TrainingRows,
    settings: Settings,
    subsets: Mapping[str, NDArray[np.int64]],
    test: _TestFaces,
    clock: Clock,
    reporter: Reporter,
) -> tuple[SubsetClassifier, dict[str, NDArray[np.int64]]]:
    """Return the forest on the first subset, and what each one says of the test faces."""
    kind, run = settings.section(ForestSettings), settings.section(RunSettings)
    forests = SubsetForests(
        training.X,
        training.y,
        engine=kind.forest,
        n_estimators=kind.trees,
        random_state=run.seed,
        n_jobs=run.jobs,
        binned=training.binned if kind.forest == "native" else None,
    )
    predicted = {}

    def fit(name: str) -> SubsetClassifier:
        forest = forests.fit(subsets[name])
        predicted[name] = forest.predict(test.rows.X).astype(np.int64)
        task.advance(status=name.replace("_", " "))
        return forest

    first, *others = subsets
    with reporter.task("fitting the final forests", len(subsets), "forests") as task:
        with clock.stage("classifier"):
            forest = fit(first)
        with clock.stage("baselines"):
            for name in others:
                fit(name)
    return forest, predicted


def _calibrate(
    classifier: SubsetClassifier, features: FaceFeatures, test: _TestFaces
) -> tuple[CalibrationReport, NDArray[np.float32]]:
    """Fit on the PublicTest faces that the forest has not seen, and measure on such test faces.

    The second is what the calibrated forest says of every test face.
    """
    n_classes = len(test.class_names)
    validation = _validation_rows(features)
    calibration = fit_temperature(classifier.predict_proba(validation.X, n_classes), validation.y)
    own = ~test.shared
    said = classifier.predict_proba(test.rows.X, n_classes)
    calibrated = calibration.apply(said)
    report = CalibrationReport(
        calibration,
        calibration_error(said[own], test.rows.y[own]),
        calibration_error(calibrated[own], test.rows.y[own]),
    )
    return report, calibrated.astype(np.float32)


def _rows(features: FaceFeatures, rows: NDArray[np.intp]) -> Rows:
    # Rows that follow each other are no copy of what may not fit into memory.
    is_run = len(rows) > 0 and rows[-1] - rows[0] == len(rows) - 1
    X = features.X[rows[0] : rows[-1] + 1] if is_run else features.X[rows]
    return Rows(X, features.dataset.labels[rows].astype(np.int64))


def _validation_rows(features: FaceFeatures) -> Rows:
    """Return the PublicTest faces that no forest has seen."""
    return _rows(features, deciding_rows(features.dataset))


def _counts(rows: Rows, class_names: tuple[str, ...]) -> dict[str, int]:
    counts = np.bincount(rows.y, minlength=len(class_names))
    return dict(zip(class_names, counts.tolist(), strict=True))


def _training_rows(
    features: FaceFeatures, settings: Settings, clock: Clock, reporter: Reporter
) -> tuple[NDArray[np.float64], TrainingRows]:
    """Return F of the real Training rows, and the rows that the forests are fitted on."""
    rows = features.dataset.rows(Split.TRAINING)
    classes = np.unique(features.dataset.labels[rows])
    if len(classes) == 1:
        raise DataError(
            f"all training faces of {features.dataset.source} are "
            f"{features.dataset.class_names[classes[0]]}",
            hint="give a data set of two classes or more",
        )
    images = duplicate_groups(features.dataset)[rows].astype(np.int64)
    if settings.mirror:
        with clock.stage("mirror"):
            X_mirrored = mirrored_features(features, settings, reporter=reporter)
    with clock.stage("balance"):
        training = _rows(features, rows)
        if settings.mirror:
            training = Rows(np.concatenate([training.X, X_mirrored]), np.tile(training.y, 2))
            images = np.tile(images, 2)
        F = anova_f(training.X, training.y)
        X, y = balance_classes(
            training.X,
            training.y,
            settings.balance,
            random_state=settings.seed,
            n_jobs=settings.jobs,
            class_names=features.dataset.class_names,
            reporter=reporter,
        )
    return F, TrainingRows(X, y, images)
